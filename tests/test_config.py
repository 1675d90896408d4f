"""Configuration: forms it is accepted in, and every kind of wrong value."""

import dataclasses
import subprocess
import sys

import pytest

from pconv_tf import config as config_module
from pconv_tf.config import LayerOverride, PruningConfig


def test_accepted_forms_are_equal(tmp_path):
    fields = {
        "pattern_set": "natural6",
        "connectivity_rate": 2.5,
        "per_layer": {"conv1": {"rate": 2, "skip": False}, "block.*": {"filter_block": 4}},
        "rho": [0.1, 1],
        "update_every": "50 steps",
    }
    config = PruningConfig.from_any(fields)
    path = tmp_path / "config.yaml"
    path.write_text(
        "pattern_set: natural6\nconnectivity_rate: 2.5\nrho: [0.1, 1]\nupdate_every: 50 steps\n"
        "per_layer:\n  conv1: {rate: 2, skip: false}\n  block.*: {filter_block: 4}\n"
    )
    assert PruningConfig.from_yaml(path) == config
    assert PruningConfig.from_any(str(path)) == PruningConfig.from_any(path) == config
    assert PruningConfig.from_any(config) is config
    assert PruningConfig.from_any(config.to_dict()) == config
    assert config.per_layer["conv1"] == LayerOverride(rate=2.0, skip=False)
    assert config.update_period == (50, "step")


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PruningConfig().connectivity_rate = 2


def test_epochs_add_up():
    config = PruningConfig(warmup_epochs=2, rho=(0.1, 1), epochs_per_stage=5, retrain_epochs=7)
    assert config.admm_epochs == 12 and config.total_epochs == 19


def test_masks_may_be_drawn():
    drawn = PruningConfig.from_any({"pattern_set": [[".X.", "XXX", "..."], ["...", "XXX", ".X."]]})
    assert drawn.pattern_set == (
        ((0, 1, 0), (1, 1, 1), (0, 0, 0)),
        ((0, 0, 0), (1, 1, 1), (0, 1, 0)),
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"connectivity_rate": 0.5}, r"connectivity_rate: expected a number of at least 1.*0\.5"),
        ({"connectivity_rate": float("nan")}, "connectivity_rate: .*nan"),
        ({"connectivity_rate": "3.6"}, "connectivity_rate: .*'3.6'"),
        ({"connectivity_rate": True}, "connectivity_rate: .*True"),
        ({"first_layer_rate": 0}, "first_layer_rate"),
        ({"skip_thin": -1}, "skip_thin"),
        ({"pointwise_rate": -1}, "pointwise_rate"),
        ({"pointwise_unit": 4}, "pointwise_unit: expected one of weight, quad. Received: 4"),
        ({"dense_rate": 0.1}, "dense_rate"),
        ({"filter_block": 3}, "filter_block: expected one of 1, 4, 8, 16. Received: 3"),
        ({"filter_block": True}, "filter_block"),
        ({"dense_block": 2}, "dense_block"),
        ({"balance": "row"}, "balance: expected one of layer, filter. Received: 'row'"),
        ({"filter_grouping": "random"}, "filter_grouping"),
        ({"depthwise_patterns": 1}, "depthwise_patterns"),
        ({"pattern_set": "natural0"}, "pattern_set: .*'natural0'"),
        ({"pattern_set": "natural256"}, "pattern_set"),
        ({"pattern_set": "best8"}, "pattern_set: .*'best8'"),
        ({"pattern_set": []}, "pattern_set"),
        ({"pattern_set": 8}, "pattern_set"),
        ({"pattern_set": [["X.", "XXX"]]}, r"pattern_set\[0\]: expected rows of equal length"),
        ({"pattern_set": [["..", ".."]]}, r"pattern_set\[0\]: keeps no tap"),
        ({"pattern_set": [["ab"]]}, r"pattern_set\[0\]: expected rows of 0 and 1"),
        ({"pattern_set": [[[0, 2]]]}, r"pattern_set\[0\]"),
        ({"pattern_set": [["X."], ["X"]]}, "all masks must have one shape"),
        ({"pattern_set": [["X."], ["XX"]]}, "equally many taps"),
        ({"pattern_set": [["X."], ["X."]]}, "given twice"),
        ({"kernel_entries": 4}, "kernel_entries"),
        ({"kernel_entries": {"3": 4}}, "kernel_entries: expected sizes"),
        ({"kernel_entries": {"9x9": 4}}, "kernel_entries: expected sizes"),
        ({"kernel_entries": {"3x3": 10}}, r"kernel_entries\['3x3'\]: the kernel has 9 taps"),
        ({"kernel_entries": {"3x3": 0}}, "kernel_entries"),
        ({"rho": []}, "rho"),
        ({"rho": [0.1, -1]}, "rho"),
        ({"rho": "big"}, "rho"),
        ({"epochs_per_stage": 0}, "epochs_per_stage: expected an integer of at least 1"),
        ({"retrain_epochs": -1}, "retrain_epochs"),
        ({"warmup_epochs": 1.5}, "warmup_epochs"),
        ({"update_every": 0}, "update_every"),
        ({"update_every": "0 steps"}, "update_every"),
        ({"update_every": "4 epochs", "epochs_per_stage": 3}, "update_every: .*at most 3 epochs"),
        ({"update_every": "often"}, "update_every: .*'often'"),
        ({"per_layer": ["conv"]}, "per_layer"),
        ({"per_layer": {"conv": {"speed": 2}}}, r"per_layer\['conv'\].*speed"),
        ({"per_layer": {"conv": {"rate": 0.2}}}, r"per_layer\['conv'\].rate"),
        ({"per_layer": {"conv": {"filter_block": 5}}}, r"per_layer\['conv'\].filter_block"),
        ({"per_layer": {"conv": {"balance": 1}}}, r"per_layer\['conv'\].balance"),
        ({"per_layer": {"conv": {"pattern_set": "x"}}}, r"per_layer\['conv'\].pattern_set"),
        ({"per_layer": {"conv": {"skip": "yes"}}}, r"per_layer\['conv'\].skip"),
        ({"per_layer": {"conv(": {}}}, r"per_layer\['conv\('\]: not a regular expression"),
        ({"per_layer": {3: {}}}, r"per_layer\[3\]"),
        ({"schedule": "linear"}, "schedule"),
        ({"schedule": {"class_name": "PolynomialDecay"}}, "schedule"),
        ({"conectivity_rate": 2}, "unknown field conectivity_rate. Known fields: .*connectivity"),
    ],
)
def test_wrong_values_name_field_and_value(fields, message):
    with pytest.raises(ValueError, match=message):
        PruningConfig.from_any(fields)


@pytest.mark.parametrize("config", [3, None, [1], object()])
def test_other_objects_are_refused(config):
    with pytest.raises(ValueError, match="expected a PruningConfig"):
        PruningConfig.from_any(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rho: [", "not a YAML file"),
        ("- 1\n- 2", "expected a PruningConfig"),
        ("filter_block: 5", "filter_block"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"recipe.yaml: .*{message}"):
        PruningConfig.from_yaml(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml"):
        PruningConfig.from_any(tmp_path / "nowhere.yaml")


def test_reading_a_configuration_needs_no_keras():
    code = "import pconv_tf, sys; pconv_tf.PruningConfig(); print([m for m in sys.modules if m in "
    code += "('tensorflow', 'keras', 'tf_keras', 'jax')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_recipe_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = PruningConfig.from_any("vgg16_cifar10")
    assert named == PruningConfig.from_yaml(config_module.recipes()["vgg16_cifar10"])
    with pytest.raises(FileNotFoundError, match=r"no recipe of that name\. Recipes: .*vgg16"):
        PruningConfig.from_any("vgg61")
