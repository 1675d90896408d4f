"""The files in experiments/results/ name a command that repeats them."""

import importlib
import json
import shlex
from pathlib import Path

import pytest

from experiments.common import settings_of
from pconv_tf import PruningConfig

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments" / "results").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_command_makes_the_settings(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    stored = json.loads(path.read_text())
    python, flag, module, *flags = shlex.split(stored["command"])
    assert (python, flag) == ("python", "-m")
    args = importlib.import_module(module).command_line().parse_args(flags)
    settings = dict(stored["settings"])
    settings["recipe"] = PruningConfig.from_any(settings["recipe"]).to_dict()
    settings.pop("images")  # known when the data are read
    made = settings_of(args)
    assert set(made) < set(settings)
    own = {key: getattr(args, key) for key in set(settings) - set(made)}
    assert made | own == settings


def test_there_are_results():
    assert len(FILES) >= 4
