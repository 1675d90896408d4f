"""Results of a study: kept over interruptions, never mixed with those of other settings."""

import json

import pytest

import pconv_tf
from experiments.common import Results


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/x/experiments/study.py", "--data=a b"])
    return tmp_path / "study.json"


def test_a_rerun_does_what_is_missing(path):
    results = Results(path, {"seed": 1})
    assert results.run("dense", lambda: {"accuracy": 0.5})["accuracy"] == 0.5
    with pytest.raises(RuntimeError):
        results.run("pruned", lambda: (_ for _ in ()).throw(RuntimeError("power cut")))
    again = Results(path, {"seed": 1})
    assert again.run("dense", lambda: pytest.fail("ran twice"))["accuracy"] == 0.5
    again.run("pruned", lambda: {"accuracy": 0.4})
    stored = json.loads(path.read_text())
    assert stored["settings"] == {"seed": 1}
    assert stored["command"] == "python -m experiments.study '--data=a b'"
    assert {name: result["accuracy"] for name, result in stored["results"].items()} == {
        "dense": 0.5,
        "pruned": 0.4,
    }


def test_a_recipe_stored_before_it_had_all_fields_is_the_same_recipe(path):
    recipe = pconv_tf.PruningConfig(connectivity_rate=2.0).to_dict()
    older = {name: value for name, value in recipe.items() if name != "pointwise_unit"}
    Results(path, {"recipe": older}).run("dense", lambda: {"accuracy": 0.5})
    results = Results(path, {"recipe": recipe})
    assert results.run("dense", pytest.fail)["accuracy"] == 0.5
    with pytest.raises(ValueError, match="other settings"):
        Results(path, {"recipe": recipe | {"pointwise_unit": "quad"}})


def test_results_of_other_settings_are_refused_and_kept(path):
    Results(path, {"seed": 1}).run("dense", lambda: {"accuracy": 0.5})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"study\.json: holds results of other settings: .*1"):
        Results(path, {"seed": 2})
    assert path.read_bytes() == before
