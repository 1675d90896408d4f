"""What `convert` says when a conversion is not what a user of pruning expects."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report, targets
from pconv_tf.conversion.model_choice import MINIMUM_GAIN
from pconv_tf.conversion.model_estimate import LOW_GAIN
from pconv_tf.conversion.report import PCONV
from pconv_tf.conversion.targets import target

CONFIG = {
    "connectivity_rate": 2.0,
    "rho": [1e-3],
    "epochs_per_stage": 1,
    "retrain_epochs": 1,
}


# Expectations are those of one target, whatever runs the tests.
TARGET = "avx512"


def small(keras, channels=16):
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 16)), layers.Conv2D(channels, 3, name="a")])
    model.add(layers.Conv2D(channels, 3, name="b"))
    model.compile("sgd", "mse")
    return model


def train(model, **kwargs):
    data = np.random.default_rng(0).random((16, 8, 8, 16))
    model.fit(data, data[:, 2:6, 2:6, :1], verbose=0, **kwargs)


def test_a_model_that_is_not_pruned(keras, capsys):
    model = small(keras)
    (remark,) = convert_with_report(model).remarks
    assert remark.startswith("The model is not pruned: no layer has zeros")
    pconv_tf.convert(model)
    assert remark in capsys.readouterr().out


@pytest.mark.parametrize("way", ["one shot", "callback"])
@pytest.mark.parametrize("family", ["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def test_a_model_that_was_pruned(way, family):
    keras = pytest.importorskip(family)
    model = small(keras)
    if way == "one shot":
        pconv_tf.prune_one_shot(model, CONFIG)
    else:
        train(model, epochs=2, callbacks=[pconv_tf.PConvCallback(CONFIG)])
    assert not any("dense now" in text for text in convert_with_report(model, force=True).remarks)
    train(model, epochs=1)
    (remark,) = convert_with_report(model).remarks
    assert remark.startswith("The model was pruned, but layers a, b are dense now")


def test_zeros_without_a_pconv2d(keras):
    model = pconv_tf.prune_one_shot(small(keras), CONFIG)
    (remark,) = convert_with_report(model, skip=["."]).remarks
    assert remark.startswith("No layer became a PConv2D")


def mobile(keras, size, channels, blocks=8, activation="relu6"):
    """A network of pointwise and depthwise layers, as small devices run them."""
    layers, image = keras.layers, keras.Input((size, size, channels))
    x = image
    for _ in range(blocks):
        x = layers.DepthwiseConv2D(3, padding="same", activation=activation)(x)
        x = layers.Conv2D(channels, 1, activation=activation)(x)
    model = keras.Model(image, x)
    return pconv_tf.prune_one_shot(model, {"pointwise_rate": 4.0, "first_layer_rate": 4.0})


class TestExpectedGain:
    def test_a_tiny_model_is_warned_of(self, keras):
        conversion = convert_with_report(mobile(keras, 4, 32), force=True, target=TARGET)
        assert conversion.expected_gain < 0.8  # 0.70 measured
        said, warning = conversion.remarks
        title = target(TARGET).title
        assert said == f"Expected for the model: {conversion.expected_gain:.1f}x ({title})."
        assert warning.startswith("That is hardly faster than its dense twin, or slower")

    def test_a_large_one_is_not(self, keras):
        conversion = convert_with_report(mobile(keras, 56, 128), force=True, target=TARGET)
        assert conversion.expected_gain > LOW_GAIN
        assert len(conversion.remarks) == 1

    @pytest.mark.slow
    def test_it_grows_with_the_model(self, keras):
        gains = [
            convert_with_report(mobile(keras, size, 64), force=True, target=TARGET).expected_gain
            for size in (4, 8, 16, 32)
        ]
        assert gains == sorted(gains)

    def test_nothing_is_said_of_what_is_not_known(self, keras):
        layers, image = keras.layers, keras.Input((None, None, 64))
        model = keras.Model(image, layers.Conv2D(64, 3, padding="same")(image))
        pconv_tf.prune_one_shot(model, {"connectivity_rate": 2.0})
        conversion = convert_with_report(model, force=True)
        assert conversion.expected_gain is None
        assert conversion.remarks == []


class TestLayersThatStayForTheWhole:
    @pytest.fixture(scope="class")
    def model(self):
        import keras

        keras.utils.set_random_seed(7)
        return pconv_tf.convert_dense(mobile(keras, 4, 128, 16, activation="tanh"))

    def test_a_network_of_small_maps_stays_dense(self, model):
        conversion = convert_with_report(model, target=TARGET)
        assert not any(layer.became == PCONV for layer in conversion.layers)
        assert conversion.expected_gain is None
        said, why = conversion.remarks
        assert said == f"Expected for the model: 1.0x ({target(TARGET).title})."
        assert why.startswith("For the sake of the whole, 16 pruned layers stay dense")
        assert "--force" in why
        reasons = {layer.reason for layer in conversion.layers if layer.op == "CONV_2D"}
        assert all("operators around it" in reason for reason in reasons)
        assert all(layer.fkw_bytes == layer.dense_bytes for layer in conversion.layers)

    def test_it_runs_as_stock_tflite(self, model, run, rng):
        image = rng.standard_normal((1, 4, 4, 128)).astype(np.float32)
        (found,) = run(convert_with_report(model, target=TARGET).flatbuffer, image)
        assert np.array_equal(found, run(model, image)[0])

    def test_force_converts_it(self, model):
        conversion = convert_with_report(model, force=True, target=TARGET)
        assert all(layer.became == PCONV for layer in conversion.layers)
        assert conversion.expected_gain < MINIMUM_GAIN

    @pytest.mark.parametrize("name", ["avx512", "avx2", "neon"])
    def test_the_target_is_named(self, model, name):
        (said, _) = convert_with_report(model, target=name).remarks
        assert target(name).title in said

    def test_it_is_this_machine_by_default(self, model, monkeypatch):
        monkeypatch.setattr(targets, "this_machine", lambda: "neon")
        (said, _) = convert_with_report(model).remarks
        assert target("neon").title in said

    def test_an_unknown_target(self, model):
        with pytest.raises(ValueError, match=r"target: expected one of .*neon.*, found 'sse'"):
            convert_with_report(model, target="sse")
