"""Instruction sets that models are converted for."""

import json

import pytest

from pconv_tf.conversion import targets
from pconv_tf.conversion.stretches import VALUE_CLASSES


def test_the_stored_figures_are_complete():
    found = targets.targets()
    assert set(found) == {"avx512", "avx2", "neon"}
    shared = {"operator", "layer", "weight", *VALUE_CLASSES}
    for costs in found.values():
        assert set(costs.xnnpack) == {*shared, *targets.KINDS}
        assert set(costs.delegate) == {*shared, *targets.KINDS, "border", "border_value"}
        assert set(costs.pruned) == set(targets.KINDS)
        for engine in (costs.xnnpack, costs.delegate, costs.pruned):
            assert all(value > 0 for value in engine.values())
        assert costs.source.startswith(("measured: ", "estimated: "))


def test_a_target_may_be_a_factor_on_another():
    stored = json.loads(targets.COSTS_FILE.read_text())
    stored["neon"] = {**stored["neon"], "of": "avx512", "slower": {"spatial": 3.0}}
    found = targets.read_targets(stored)
    assert found["neon"].pruned["spatial"] == pytest.approx(3 * found["avx512"].pruned["spatial"])
    assert found["neon"].pruned["pointwise"] == found["avx512"].pruned["pointwise"]
    assert found["neon"].xnnpack == found["avx512"].xnnpack


@pytest.mark.parametrize(
    ("machine", "info", "name"),
    [
        ("x86_64", {"flags": "fpu avx2 avx512f"}, "avx512"),
        ("x86_64", {"flags": "fpu avx2"}, "avx2"),
        ("AMD64", {}, "avx2"),
        ("aarch64", {"Features": "fp asimd"}, "neon"),
        ("arm64", {}, "neon"),
    ],
)
def test_this_machine(monkeypatch, machine, info, name):
    monkeypatch.setattr(targets.platform, "machine", lambda: machine)
    monkeypatch.setattr(targets, "cpu_info", lambda: info)
    assert targets.this_machine() == name
    assert targets.target(None).name == name
