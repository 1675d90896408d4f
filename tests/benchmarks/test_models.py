"""The zoo of networks: correct by the delegate, and told when one is slower than its twin."""

import sys

import numpy as np
import pytest

from benchmarks import models, real_files
from benchmarks.model_files import pruned
from benchmarks.model_networks import MODELS, Model
from benchmarks.raced_files import RacedFiles, raced_files
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
def test_conversions_compute_what_the_twin_does(
    model: Model, filter_block, delegate, tmp_path, monkeypatch
):
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path / "cache"))
    twin = tmp_path / "twin.tflite"
    twin.write_bytes(convert_dense(pruned(model, filter_block)))
    files = raced_files(twin)
    expected = outputs(twin, None)
    assert all(np.abs(output).max() > 0 for output in expected)
    for name, path in files.paths.items():
        found = outputs(path, delegate if files.subject[name]["layers"] else None)
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
    monkeypatch.setattr(models, "this_machine", lambda: "avx2")
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


def subject(default, alone, *, layers=10):
    """What is known of files with these digests."""

    def facts(digest, layers):
        return {"layers": layers, "of": 12, "expected": 1.5, "bytes": 1, "digest": digest}

    files = {"default": facts(default, layers), "alone": facts(alone, 10)}
    return {"twin": "t", "shares": "80% 1x1", "parts": {}, **files}


@pytest.fixture
def measured(folder, monkeypatch):
    """What is measured, of one network whose files are `subject("a", "a")`, by delegate "first"."""
    found = []
    known = {"files": subject("a", "a")}

    def measure(model, threads, block, runs):
        found.append((threads, block))
        return {**entry(2.0, 2.0), "num_threads": threads, "subject": known["files"]}

    monkeypatch.setattr(models, "MODELS", MODELS[:1])
    monkeypatch.setattr(models, "measure", measure)
    monkeypatch.setattr(models, "files_of", lambda *case: RacedFiles(None, {}, known["files"]))
    monkeypatch.setattr(models, "checkout_commit", lambda: "abc")
    found_engine(monkeypatch, folder, "first")
    return found, known


def found_engine(monkeypatch, folder, content):
    (folder / "delegate.so").write_text(content)
    monkeypatch.setattr(models, "delegate_path", lambda: folder / "delegate.so")


def test_threads_and_filter_blocks_are_measured_once_by_a_delegate(folder, monkeypatch, measured):
    found, _ = measured
    flags = ("--num_threads=1,2", "--filter_block=1,16", "--resume")
    name = MODELS[0].name
    assert run(monkeypatch, "--num_threads=2") == 0
    assert run(monkeypatch, *flags) == 0
    assert found == [(2, 1), (1, 1), (1, 16), (2, 16)]
    assert run(monkeypatch, *flags) == 0
    assert len(found) == 4
    lines = models.DOCUMENT.read_text().splitlines()
    titles = [line for line in lines if line.startswith("##")]
    assert titles == [
        "## Target `avx2`",
        "### Masks of their own (`filter_block` 1)",
        "### Masks that 16 filters share (`filter_block` 16)",
    ]
    assert sum(line.startswith(f"| {name}") for line in lines) == 4
    assert any(line.endswith(f"measured: `abc` ({name}).") for line in lines)
    found_engine(monkeypatch, folder, "second")
    assert run(monkeypatch, *flags) == 0
    assert len(found) == 8


def test_another_decision_is_measured_only_if_its_file_is_new(folder, monkeypatch, measured):
    found, known = measured
    assert run(monkeypatch) == 0
    known["files"] = subject("dense", "a", layers=0)  # all stays dense
    assert run(monkeypatch, "--resume") == 0
    (shown,) = models.read_all().values()
    assert [row["name"] for row in shown["contenders"]] == ["litert", "alone"]
    assert models.speedup(shown, "default") == 1 and models.speedup(shown, "alone") == 2
    known["files"] = subject("a", "a")
    assert run(monkeypatch, "--resume") == 0
    (shown,) = models.read_all().values()
    assert models.speedup(shown, "default") == 2
    assert len(found) == 1
    known["files"] = subject("b", "a", layers=7)
    assert run(monkeypatch, "--resume") == 0
    assert len(found) == 2


def test_results_of_targets_stand_side_by_side(folder, monkeypatch, measured):
    found, _ = measured
    fitted = []
    monkeypatch.setattr(models, "fit", lambda entries, target: fitted.append((target, entries)))
    monkeypatch.setattr(real_files, "FOLDER", folder / "real_files")
    assert run(monkeypatch, "--num_threads=1,2") == 0
    before = models.read_all()
    monkeypatch.setattr(models, "this_machine", lambda: "avx512")
    with pytest.raises(SystemExit):
        run(monkeypatch, "--fit")
    assert run(monkeypatch, "--resume") == 0
    assert found == [(1, 1), (2, 1), (1, 1)]
    after = models.read_all()
    assert [case.target for case in after] == ["avx512", "avx2", "avx2"]
    assert before.items() <= after.items()
    lines = models.DOCUMENT.read_text().splitlines()
    parts = [line for line in lines if line.startswith(("## ", "Test CPU", "| mob"))]
    assert parts[0] == "## Target `avx512`" and parts[3] == "## Target `avx2`"
    assert parts[1] == parts[4] == "Test CPU (avx2), 2026-01-02."
    assert len(parts) == 7
    for target in ("avx512", "avx2"):
        monkeypatch.setattr(models, "this_machine", lambda target=target: target)
        assert run(monkeypatch, "--fit") == 0
    assert [(target, len(entries)) for target, entries in fitted] == [("avx512", 1), ("avx2", 1)]


def test_preparing_measures_nothing(folder, monkeypatch, measured, capsys):
    found, _ = measured
    assert run(monkeypatch, "--prepare", "--filter_block=1,16") == 0
    assert not found and not models.DOCUMENT.exists()
    blocks = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert blocks == [f"{MODELS[0].name}, filter block {block}" for block in (1, 16)]


def test_a_slower_network_is_an_error(folder, monkeypatch, capsys):
    monkeypatch.setattr(models, "MODELS", MODELS[:1])
    monkeypatch.setattr(models, "measure", lambda *args: entry(0.96, 0.96))
    assert run(monkeypatch) == 1
    assert capsys.readouterr().err == (
        f"avx2, {MODELS[0].name}, 1 thread(s), filter block 1: slower than its dense twin\n"
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
