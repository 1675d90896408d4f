"""The files in experiments/results/ name a command that repeats them."""

import importlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from experiments import paired
from pconv_tf import PruningConfig

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments" / "results").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_makes_the_settings(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    stored = json.loads(path.read_text())
    python, flag, module, *flags = shlex.split(stored["command"])
    assert (python, flag) == ("python", "-m")
    study = importlib.import_module(module)
    args = study.command_line().parse_args(flags)
    settings = dict(stored["settings"])
    settings["recipe"] = PruningConfig.from_any(settings["recipe"]).to_dict()
    settings.pop("images", None)  # known when the data are read
    made = study.settings_of(args)
    made["recipe"] = PruningConfig.from_any(made["recipe"]).to_dict()
    assert set(made) <= set(settings)
    own = {key: getattr(args, key) for key in set(settings) - set(made)}
    assert made | own == settings


def test_there_are_results():
    assert len(FILES) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_comparisons_are_those_of_the_stored_scores(path):
    stored = json.loads(path.read_text())
    for name, found in stored.get("comparisons", {}).items():
        scores = [
            np.stack(
                [
                    np.load(path.with_suffix("") / f"{unit}_seed{s}.npz")["scores"]
                    for s in found["seeds"]
                ]
            )
            for unit in name.split(" - ")
        ]
        scale = 100 if scores[0].dtype == bool else 1
        assert found.pop("seeds")
        assert found == pytest.approx(paired.compare(*scores, scale=scale))
