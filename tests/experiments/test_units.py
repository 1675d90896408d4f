"""Tests of what studies of units store."""

import json

import numpy as np

from experiments.units import Units


def test_comparison_is_over_the_seeds_whose_scores_are_there(tmp_path):
    units = Units("small", tmp_path, {})
    right = {"pruned": [True, False, True, False], "dense": [True, True, True, False]}
    for unit, scores in right.items():
        for seed in (0, 1):
            units.rescore(unit, seed, lambda path, found=scores: ({"n": 4}, np.array(found)))
    units.compare("pruned", "dense", scale=100)
    stored = json.loads((tmp_path / "small.json").read_text())["comparisons"]["pruned - dense"]
    assert stored["seeds"] == [0, 1]
    # Figures of a unit whose scores were not kept stay, without a comparison.
    units.file("pruned", 1).unlink()
    units.compare("pruned", "dense", scale=100)
    stored = json.loads((tmp_path / "small.json").read_text())["comparisons"]["pruned - dense"]
    assert stored["seeds"] == [0]
    assert stored["difference"] == -25
