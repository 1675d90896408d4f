"""A classification study in miniature: its units, and going on after an interruption."""

import json

import numpy as np
import pytest
import tensorflow as tf

from experiments import fashion_mnist_vgg
from experiments.classification import INT8_OF, Data, Images, Study, mixed_labels
from experiments.units import Units

RECIPE = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "rho": [0.01],
    "epochs_per_stage": 1,
    "update_every": "1 steps",
    "retrain_epochs": 2,
    "per_layer": {"first": {"skip": True}},
}


def build():
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", name="first"),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.Conv2D(8, 3, padding="same", name="second"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )


def data():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 640)
    pixels = rng.integers(0, 128, (640, 8, 8, 1), np.uint8)
    pixels[labels == 1] += 100
    images = Images(pixels, labels)
    return Data(images, Images(pixels[:20], labels[:20]), Images(pixels[20:70], labels[20:70]))


def normalise(pixels):
    return pixels / np.float32(128) - 1


def study(folder, **changes):
    parts = {
        "units": Units("small", folder, {"recipe": RECIPE}),
        "data": data(),
        "build": build,
        "normalise": normalise,
        "shift": 1,
        "dense_epochs": 3,
        "recipe": RECIPE,
        "threads": 1,
    }
    return Study(**(parts | changes))


def stored(found, unit):
    with np.load(found.units.file(unit, 0)) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The study with all its units done."""
    found = study(tmp_path_factory.mktemp("study"))
    for unit in fashion_mnist_vgg.UNITS:
        found.run(unit, 0)
    found.units.compare("admm", "dense_continued", scale=100)
    return found


@pytest.mark.slow
def test_every_unit_is_scored_and_pruned_as_told(done):
    content = json.loads((done.units.folder / "small.json").read_text())
    results = content["results"]
    assert results["dense_seed0"]["conv_compression"] == 1
    pruned = ("refit_only", "admm", "one_shot", "admm_per_layer")
    for unit in (*pruned, "admm_taught", "admm_per_layer_taught"):
        # The second layer has 576 of 648 weights, of which 128 are left.
        assert results[f"{unit}_seed0"]["conv_compression"] == pytest.approx(648 / 200, abs=1e-3)
        assert results[f"{unit}_seed0"]["mac_compression"] == pytest.approx(648 / 200, abs=1e-3)
        right = stored(done, unit)["scores"]
        assert right.shape == (50,)
        assert results[f"{unit}_seed0"]["accuracy"] == right.mean()
    comparison = content["comparisons"]["admm - dense_continued"]
    accuracies = [results[f"{name}_seed0"]["accuracy"] for name in ("admm", "dense_continued")]
    assert comparison["difference"] == pytest.approx(100 * (accuracies[0] - accuracies[1]))
    assert comparison["seeds"] == [0]


@pytest.mark.slow
def test_int8_files_are_scored_without_other_networks(done):
    for unit, network in INT8_OF.items():
        arrays = stored(done, unit)
        assert list(arrays) == ["scores"]
        assert np.mean(arrays["scores"] == stored(done, network)["scores"]) > 0.9
        for name, is_int8 in ((unit, True), (network, False)):
            file = done.units.file(name, 0).with_suffix(".tflite")
            tensors = tf.lite.Interpreter(str(file)).get_tensor_details()
            assert any(tensor["dtype"] == np.int8 for tensor in tensors) == is_int8
    aware, pruned = stored(done, "admm_aware"), stored(done, "admm")
    kernel = next(name for name, array in pruned.items() if np.mean(array == 0) > 0.5)
    np.testing.assert_array_equal(aware[kernel] == 0, pruned[kernel] == 0)
    assert not np.array_equal(aware[kernel], pruned[kernel])


@pytest.mark.slow
def test_training_goes_on_from_the_dense_network_and_changes_it(done):
    dense, continued = stored(done, "dense"), stored(done, "dense_continued")
    assert not np.array_equal(dense["weight000"], continued["weight000"])


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["dense", "admm", "admm_taught", "one_shot"])
def test_a_killed_unit_goes_on_to_the_same_result(done, tmp_path, unit):
    calls = []

    def failing(pixels):
        calls.append(len(pixels))
        # In the third epoch of five batches; what is not a batch is for calibration and scores.
        if calls.count(128) > 12:
            raise KeyboardInterrupt
        return normalise(pixels)

    killed = study(tmp_path, normalise=failing)
    for start in ("dense", "dense_continued") if unit != "dense" else ():
        target = killed.units.file(start, 0)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(done.units.file(start, 0).read_bytes())
    with pytest.raises(Exception, match="KeyboardInterrupt"):
        killed.run(unit, 0)
    assert not killed.units.file(unit, 0).exists()
    again = study(tmp_path)
    again.run(unit, 0)
    found, expected = stored(again, unit), stored(done, unit)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_mixed_labels_are_half_the_teachers_opinion():
    class Teacher:
        def predict_on_batch(self, images):
            return np.log([[0.5, 0.25, 0.25]] * len(images)) + 7

    mixed = mixed_labels(Teacher(), np.zeros((2, 8, 8, 1)), np.array([0, 2]))
    np.testing.assert_allclose(mixed, [[0.75, 0.125, 0.125], [0.25, 0.125, 0.625]], rtol=1e-6)


@pytest.mark.slow
def test_what_is_done_is_not_done_again(done):
    def fail(pixels):
        pytest.fail("trained again")

    study(done.units.folder, normalise=fail).run("dense", 0)


def test_held_images_are_no_training_images():
    pixels = np.arange(20_000, dtype=np.uint32).view(np.uint8).reshape(20_000, 4, 1, 1)
    images = Images(pixels, np.zeros(20_000))
    split = Data.split(images, images)
    assert len(split.train.labels) == 15_000
    assert len(split.held.labels) == 5000
    both = np.concatenate([split.train.pixels, split.held.pixels]).reshape(-1, 4)
    assert len(np.unique(both, axis=0)) == 20_000
