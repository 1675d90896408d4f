"""The zoo of networks: correct by the delegate, and told when one is slower than its twin."""

import sys

import numpy as np
import pytest

from benchmarks import models
from benchmarks.model_files import pruned
from benchmarks.model_networks import MODELS, Model
from pconv_tf.conversion import convert_dense
from pconv_tf.measuring.inputs import random_inputs
from pconv_tf.runtime.session import Session

QUICK = ("ds_cnn 49x10", "espcn 60x80")


def outputs(path, delegate):
    session = Session(str(path), 1, {"delegate": delegate} if delegate else {})
    session.set_inputs(random_inputs(session.inputs, 3))
    session.run()
    return session.outputs()


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(m, id=m.name, marks=[] if m.name in QUICK else pytest.mark.models)
        for m in MODELS
    ],
)
@pytest.mark.parametrize("filter_block", [1, 16])
def test_conversions_compute_what_the_twin_does(model: Model, filter_block, delegate, tmp_path):
    twin = convert_dense(pruned(model, filter_block))
    raced, _, _ = models.conversions(twin)
    (tmp_path / "twin.tflite").write_bytes(twin)
    expected = outputs(tmp_path / "twin.tflite", None)
    assert all(np.abs(output).max() > 0 for output in expected)
    for name, conversion in raced.items():
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(conversion.flatbuffer)
        found = outputs(path, delegate if conversion.layers else None)
        for output, reference in zip(found, expected, strict=True):
            largest = np.abs(reference).max()
            assert np.abs(output - reference).max() <= model.tolerance * largest, name


def entry(default, alone, *, layers=10, alone_layers=10, failed=None):
    def row(name, speedup):
        latency = {"median": 2.0 / speedup, "min": 1.0, "p90": 3.0}
        return {"name": name, "latency_ms": latency, "speedup": speedup, "spread": 0.02}

    def facts(layers):
        return {"layers": layers, "of": 12, "expected": 1.5 if layers else None, "bytes": 1}

    rows = [row("litert", 1.0), row("default", default), row("alone", alone)]
    return {
        "date": "2026-01-02",
        "machine": {"cpu": "Test CPU", "instructions": "avx2"},
        "num_threads": 1,
        "contenders": [r for r in rows if r["name"] not in (failed or {})],
        "failed": failed or {},
        "warnings": (),
        "subject": {
            "default": facts(layers),
            "alone": facts(alone_layers),
            "shares": "80% 1x1",
            "parts": {"litert": {}, "alone": {}},
        },
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(models, "DOCUMENT", tmp_path / "models.md")
    return tmp_path


def run(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["models", *flags])
    return models.main()


def test_a_run_is_stored_and_shown(folder, monkeypatch, capsys):
    results = {
        MODELS[0].name: entry(1.0, 0.5, layers=0),
        MODELS[1].name: entry(1.9, 1.8, layers=8),
        MODELS[2].name: entry(2.5, 2.5),
        MODELS[3].name: entry(1.0, 1.0, layers=0, alone_layers=0),
    }
    monkeypatch.setattr(models, "MODELS", MODELS[:4])
    monkeypatch.setattr(models, "measure", lambda model, *args: results[model.name])
    assert run(monkeypatch) == 0
    rows = [line for line in models.DOCUMENT.read_text().splitlines() if line.startswith("| mob")]
    assert len(rows) == 4
    assert rows[0].endswith(
        "| 0 of 12 | 2.000 | as twin | 0.50x | 1.50x | 2% | "
        "stays dense: the delegate would cost more than pruning saves |"
    )
    assert "2 layers stay dense for the sake of the whole" in rows[1]
    assert rows[2].endswith("| dense: 80% 1x1 |")
    assert rows[3].endswith("| as twin | as twin | - | 2% | no layer gains alone |")
    assert run(monkeypatch, "--render") == 0
    assert not capsys.readouterr().err


def test_threads_and_filter_blocks_are_measured_once_for_each_commit(folder, monkeypatch):
    measured = []

    def measure(model, threads, block, runs):
        measured.append((model.name, threads, block))
        return {**entry(2.0, 2.0), "num_threads": threads}

    monkeypatch.setattr(models, "MODELS", MODELS[:1])
    monkeypatch.setattr(models, "measure", measure)
    monkeypatch.setattr(models, "checkout_commit", lambda: "first")
    flags = ("--num_threads=1,2", "--filter_block=1,16", "--resume")
    name = MODELS[0].name
    assert run(monkeypatch, "--num_threads=2") == 0
    assert run(monkeypatch, *flags) == 0
    assert measured == [(name, 2, 1), (name, 1, 1), (name, 1, 16), (name, 2, 16)]
    assert run(monkeypatch, *flags) == 0
    assert len(measured) == 4
    lines = models.DOCUMENT.read_text().splitlines()
    titles = [line for line in lines if line.startswith("## ")]
    assert titles == [
        "## Masks of their own (`filter_block` 1)",
        "## Masks that 16 filters share (`filter_block` 16)",
    ]
    assert sum(line.startswith(f"| {name}") for line in lines) == 4
    assert any(line.endswith(f"measured: `first` ({name}).") for line in lines)
    monkeypatch.setattr(models, "checkout_commit", lambda: "second")
    assert run(monkeypatch, *flags) == 0
    assert len(measured) == 8


def test_a_slower_network_is_an_error(folder, monkeypatch, capsys):
    monkeypatch.setattr(models, "MODELS", MODELS[:1])
    monkeypatch.setattr(models, "measure", lambda *args: entry(0.96, 0.96))
    assert run(monkeypatch) == 1
    assert capsys.readouterr().err == (
        f"{MODELS[0].name}, 1 thread(s), filter block 1: slower than its dense twin\n"
    )


def test_wrong_output_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(models, "MODELS", MODELS[:1])
    wrong = entry(2.0, 2.0, failed={"default": "wrong output: it differs\nby much"})
    monkeypatch.setattr(models, "measure", lambda *args: wrong)
    assert run(monkeypatch) == 1
    text = models.DOCUMENT.read_text()
    assert (
        f"- {MODELS[0].name}, 1 thread(s), filter block 1, default: wrong output: it differs\n"
        in text
    )


def test_names_of_networks_are_distinct():
    assert len({model.name for model in MODELS}) == len(MODELS) >= 25
