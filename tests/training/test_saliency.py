"""Weights that count by what they read."""

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.saliency import input_scales
from pconv_tf.training.sensitivity import measure

CONFIG = {"pattern_set": "none", "connectivity_rate": 2.0, "first_layer_rate": 2.0}
ACTIVATION = CONFIG | {"saliency": "activation"}


def one_convolution(keras, groups=1):
    """A convolution that keeps half of its kernels."""
    layers = keras.layers
    convolution = layers.Conv2D(12, 3, padding="same", groups=groups, name="conv")
    return keras.Sequential([layers.Input((8, 8, 8)), convolution])


def uneven_inputs(rng):
    """Channels whose sizes differ: 0, 4, 1, 1, ... ."""
    x = rng.normal(size=(32, 8, 8, 8)).astype(np.float32)
    x[..., 0] = 0
    x[..., 1] *= 4
    return x


@pytest.mark.parametrize("groups", [1, 2])
def test_kernels_that_read_nothing_go_first(any_keras, rng, groups):
    model = one_convolution(any_keras, groups)
    pconv_tf.prune_one_shot(model, ACTIVATION, calibration=uneven_inputs(rng))
    kept = model.get_layer("conv").get_weights()[0].any(axis=(0, 1))
    per_group = 12 // groups
    assert not kept[0, :per_group].any()  # Channel 0 of the first group is always 0.
    assert kept[1, :per_group].mean() > 0.9  # Channel 1 speaks loudest.
    assert kept.mean() == 0.5


def test_outputs_change_less_than_by_magnitude(any_keras, rng):
    x = uneven_inputs(rng)
    dense = one_convolution(any_keras)
    wanted, weights = np.asarray(dense(x)), dense.get_weights()
    lost = {}
    for name, config in (("magnitude", CONFIG), ("activation", ACTIVATION)):
        dense.set_weights(weights)
        pconv_tf.prune_one_shot(dense, config, calibration=x)
        lost[name] = np.square(np.asarray(dense(x)) - wanted).sum()
    assert lost["activation"] < 0.9 * lost["magnitude"]


def test_the_scales_are_root_mean_squares(any_keras, rng):
    layers = any_keras.layers
    model = any_keras.Sequential([layers.Input((6,)), layers.Dense(3, name="dense")])
    x = rng.normal(size=(40, 6)).astype(np.float32)
    scales = input_scales(model, find_kernels(model)[0], Calibration(x, batch_size=7))
    np.testing.assert_allclose(scales["dense"][0], np.sqrt(np.square(x).mean(axis=0)), rtol=1e-5)


@pytest.mark.slow
def test_the_hard_prune_follows_it(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    config = ACTIVATION | {"rho": [1e-4], "epochs_per_stage": 1, "retrain_epochs": 0}
    callback = pconv_tf.PConvCallback(config, calibration=data[0])
    expected = {}

    class Before(any_keras.callbacks.Callback):
        """Prunes a copy of the network just before the callback does."""

        def on_epoch_end(self, epoch, logs=None):
            copy = any_keras.models.clone_model(self.model)
            copy.set_weights(self.model.get_weights())
            pconv_tf.prune_one_shot(copy, ACTIVATION, calibration=data[0])
            expected.update({k.name: k.read() != 0 for k in find_kernels(copy)[0]})

    model.fit(*data, epochs=1, batch_size=16, verbose=0, callbacks=[Before(), callback])
    for name, mask in callback.masks.items():
        np.testing.assert_array_equal(mask, expected[name])


def test_samples_are_needed(keras3):
    message = r'saliency: "activation" needs samples of the inputs; give calibration=x'
    model = one_convolution(keras3)
    with pytest.raises(ValueError, match=message):
        pconv_tf.prune_one_shot(model, ACTIVATION)
    with pytest.raises(ValueError, match=message):
        pconv_tf.PConvCallback(ACTIVATION)
    with pytest.raises(ValueError, match=message):
        measure(model, ACTIVATION, lambda model: 0.0)


def test_sensitivity_scores_with_statistics_of_the_pruned_network(any_keras, rng):
    data = small_data(rng)
    model = compiled(any_keras, small_cnn(any_keras))
    model.fit(*data, epochs=1, batch_size=16, verbose=0)
    before = model.get_weights()
    exact = []

    def score(model):
        norm = model.get_layer("norm")
        found = norm.get_weights()[2]
        pconv_tf.training.recalibrate(model, data[0])
        exact.append(np.abs(found - norm.get_weights()[2]).max())
        return 0.0

    measure(model, ACTIVATION, score, rates=(1, 4), calibration=data[0])
    assert len(exact) > 3 and max(exact) < 1e-5
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
