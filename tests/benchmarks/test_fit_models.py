"""The cost of networks is fitted to what was measured."""

import json

import numpy as np
import pytest

from benchmarks import fit_models
from pconv_tf.conversion.model_estimate import model_parts, model_seconds
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import read_targets, target

ROUGH = {"xnnpack.operator": 400.0, "xnnpack.spatial": 0.02, "pruned.spatial": 0.01}


def layer(op, kernel, became):
    return LayerReport(
        "layer",
        op,
        became,
        "",
        kernel_size=(kernel, kernel),
        expected_gain=3.0 if became == PCONV else None,
        macs=1_000_000,
        out_channels=10,
        outputs=5_000,
        dense_bytes=40_000,
        fkw_bytes=9_000,
    )


def networks(rng, true, count=80):
    rows = [
        {
            "xnnpack.operator": float(rng.integers(5, 100)),
            "xnnpack.spatial": float(rng.integers(1e5, 3e6)),
            "pruned.spatial": float(rng.integers(1e5, 3e6)),
        }
        for _ in range(count)
    ]
    return rows, [sum(row[name] * true[name] for name in true) for row in rows]


def test_figures_are_found_again(rng):
    true = {"xnnpack.operator": 600.0, "xnnpack.spatial": 0.015, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    found = fit_models.fit_costs(rows, times, ROUGH)
    assert found == pytest.approx(true, rel=0.05)


def test_one_network_that_fits_none_changes_little(rng):
    true = {"xnnpack.operator": 300.0, "xnnpack.spatial": 0.015, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    times[0] *= 8
    found = fit_models.fit_costs(rows, times, ROUGH)
    assert found == pytest.approx(true, rel=0.15)


def test_what_spreads_counts_less(rng):
    true = {"xnnpack.operator": 300.0, "xnnpack.spatial": 0.015, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    noisy = [1.3 * time for time in times[:40]] + times[40:]
    spreads = [0.8] * 40 + [0.0] * 40
    errors = []
    for given in (None, spreads):
        found = fit_models.fit_costs(rows, noisy, ROUGH, given)
        errors.append(max(abs(found[name] / true[name] - 1) for name in true))
    assert errors[1] < errors[0]


def test_what_no_network_has_stays_rough(rng):
    true = {"xnnpack.operator": 600.0, "xnnpack.spatial": 0.015, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    found = fit_models.fit_costs(rows, times, ROUGH | {"delegate.border": 1000.0})
    assert found["delegate.border"] == pytest.approx(1000)


def test_no_figure_leaves_its_bounds(rng):
    true = {"xnnpack.operator": 0.0, "xnnpack.spatial": 5.0, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    found = fit_models.fit_costs(rows, times, ROUGH)
    for name, rough in ROUGH.items():
        assert rough / 4.001 <= found[name] <= 4.001 * rough


@pytest.mark.parametrize("pruned", [set(), {0}, {0, 3}])
def test_parts_are_what_the_estimate_adds_up(pruned):
    layers = [
        layer(op, kernel, PCONV if place in pruned else op)
        for place, (op, kernel) in enumerate(
            [
                ("CONV_2D", 3),
                ("CONV_2D", 1),
                ("DEPTHWISE_CONV_2D", 3),
                ("FULLY_CONNECTED", 1),
                ("CONV_2D", 3),
            ]
        )
    ]
    values = {"exp": 3000, "tanh": 500, "unary": 70_000, "plain": 9000}
    parts = (
        Stretch((0, 1), 7, 3, 4000, values, {name: 3 * n for name, n in values.items()}),
        Stretch((2, 3), 5, 2, 900),
    )
    divisions = [Division(parts, (4,), 6, {"plain": 600_000})]
    costs = target("avx512")
    found = model_parts(layers, divisions, pruned)
    engines = {name: getattr(costs, name) for name in ("xnnpack", "delegate", "pruned")}
    seconds = 0.0
    for name, amount in found.items():
        engine, part = name.split(".")
        seconds += amount * engines[engine][part] * 1e-9
    assert seconds == pytest.approx(model_seconds(layers, divisions, pruned, costs))


@pytest.mark.parametrize("fitted", ["avx512", "avx2", "neon"])
def test_fitted_figures_are_stored(fitted, monkeypatch, tmp_path, rng):
    path = tmp_path / "network_costs.json"
    path.write_text(fit_models.COSTS_FILE.read_text())
    monkeypatch.setattr(fit_models, "COSTS_FILE", path)
    true = {"xnnpack.operator": 120.0, "xnnpack.spatial": 0.018, "pruned.spatial": 0.02}
    rows, times = networks(rng, true)
    entries = [
        {
            "date": "2026-01-02",
            "machine": {"cpu": "Test CPU"},
            "subject": {"parts": {"alone": parts}},
            "contenders": [
                {"name": "alone", "latency_ms": {"min": time / 1e6}, "spread": 0.02},
                {"name": "default", "latency_ms": {"min": 1.0}, "spread": 0.02},
            ],
        }
        for parts, time in zip(rows, times, strict=True)
    ]
    before = read_targets(json.loads(path.read_text()))
    fit_models.fit(entries, fitted)
    after = read_targets(json.loads(path.read_text()))
    assert after[fitted].title == before[fitted].title
    assert after[fitted].source == "measured: 80 networks, Test CPU, 2026-01-02"
    assert after[fitted].pruned["spatial"] == pytest.approx(0.02, rel=0.1)
    rough = fit_models.prior_of(fitted)["pruned.pointwise"]
    assert after[fitted].pruned["pointwise"] == pytest.approx(float(f"{rough:.3g}"))
    if fitted == "avx512":  # which neon is estimated by
        assert np.isclose(
            after["neon"].pruned["spatial"] / after["avx512"].pruned["spatial"],
            before["neon"].pruned["spatial"] / before["avx512"].pruned["spatial"],
        )
    else:
        assert all(after[name] == before[name] for name in set(after) - {fitted})
