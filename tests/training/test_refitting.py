"""Least squares in place of training, on Keras 3 (TensorFlow and JAX) and on tf_keras."""

import numpy as np
import pytest
from trainable_models import small_cnn

import pconv_tf
from pconv_tf.training import refitting
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.patches import patches
from pconv_tf.training.refitting import by_group
from pconv_tf.training.watching import Watcher

CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2,
    "dense_rate": 2,
    "depthwise_patterns": True,
}


def copy_of(keras, model):
    """A model of the same architecture and weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def one_of_each(keras):
    """Every kind of layer that can be pruned, with strides, dilations, groups and both paddings."""
    layers = keras.layers
    inputs = keras.Input((13, 12, 8))
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="strided")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(12, 3, dilation_rate=2, padding="same", groups=2, name="grouped")(x)
    x = layers.DepthwiseConv2D(3, padding="valid", depth_multiplier=2, name="depthwise")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    x = layers.Conv2D(12, (3, 2), strides=(2, 1), padding="valid", name="uneven")(x)
    x = layers.Conv2D(16, 1, strides=1, activation="relu", name="pointwise")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(10, name="classes")(x))
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype(np.float32))
    return model


def images(rng, samples=48):
    """Inputs of `one_of_each`, alike in neighbouring pixels and channels as real ones are."""
    coarse = rng.normal(size=(samples, 4, 3, 1)).repeat(4, axis=1).repeat(4, axis=2)[:, :13]
    return (coarse + 0.3 * rng.normal(size=(samples, 13, 12, 8))).astype(np.float32)


def outputs_before_activation(model, name, x):
    """What kernel `name` of a model computes for x without its bias: [groups, positions, O/g]."""
    kernel = next(k for k in find_kernels(model)[0] if k.name == name)
    (inputs,) = Watcher(model).inputs_of(kernel.layer, 1, x)
    return patches(kernel, inputs, None, 0) @ by_group(kernel, kernel.read())


def biases(kernel, model=None):
    """Of a kernel's layer, in another model if given: [groups, 1, O/g]; 0 if it has none."""
    layer = kernel.layer if model is None else model.get_layer(kernel.layer.name)
    if kernel.name.endswith("/depthwise") or not getattr(layer, "use_bias", False):
        return 0.0
    return np.asarray(layer.bias).reshape(kernel.groups, 1, -1)


def test_patches_times_weights_are_the_layers_own_outputs(any_keras, rng):
    model = one_of_each(any_keras)
    x = images(rng, 4)
    for kernel in find_kernels(model)[0]:
        layer = kernel.layer
        if layer.name == "separable" and kernel.name.endswith("depthwise"):
            continue  # Its outputs are seen by nobody; those of the other half depend on them.
        (inputs,) = Watcher(model).inputs_of(layer, 1, x)
        after = np.asarray(layer(inputs))
        bias = np.asarray(layer.bias)
        found = outputs_before_activation(model, kernel.name, x)
        found = found.transpose(1, 0, 2).reshape(after.shape) + bias
        if layer.name in ("strided", "pointwise"):
            found = np.maximum(found, 0)
        np.testing.assert_allclose(found, after, atol=2e-4)


def test_no_layer_gets_worse_and_every_zero_stays(any_keras, rng):
    dense = one_of_each(any_keras)
    x = images(rng)
    model = pconv_tf.prune_one_shot(copy_of(any_keras, dense), CONFIG)
    pruned = {kernel.name: kernel.read() for kernel in find_kernels(model)[0]}
    pconv_tf.refit(model, dense, x)
    for kernel in find_kernels(model)[0]:
        bias = biases(kernel)
        wanted = outputs_before_activation(dense, kernel.name, x) + biases(kernel, dense)
        fitted = outputs_before_activation(model, kernel.name, x) + bias
        weights = kernel.read()
        kernel.write(pruned[kernel.name])
        # Pruning leaves the biases as the dense network has them.
        unfitted = outputs_before_activation(model, kernel.name, x) + biases(kernel, dense)
        kernel.write(weights)
        np.testing.assert_array_equal(weights == 0, pruned[kernel.name] == 0, kernel.name)
        before = np.square(unfitted - wanted).sum(axis=1)
        after = np.square(fitted - wanted).sum(axis=1)
        # The depthwise half of a separable layer is fitted before the other half moves.
        assert (after <= before * (1 + 1e-4)).all(), kernel.name
        assert after.sum() < 0.9 * before.sum(), kernel.name


def test_equals_the_normal_equations(any_keras, rng):
    layers = any_keras.layers
    dense = any_keras.Sequential(
        [layers.Input((8, 8, 8)), layers.Conv2D(6, 3, strides=2, padding="same", name="conv")]
    )
    x = rng.normal(size=(64, 8, 8, 8)).astype(np.float32)
    model = pconv_tf.prune_one_shot(copy_of(any_keras, dense), {"first_layer_rate": 2})
    kept = (model.get_layer("conv").get_weights()[0] != 0).reshape(72, 6)
    wanted = outputs_before_activation(dense, "conv", x)[0]
    (kernel,) = find_kernels(model)[0]
    read = patches(kernel, x, None, 0)[0].astype(np.float64)
    pconv_tf.refit(model, dense, x)
    fitted = kernel.read().reshape(72, 6)
    bias = model.get_layer("conv").get_weights()[1]
    for i in range(6):
        at = kept[:, i]
        columns = np.column_stack([read[:, at], np.ones(len(read))])
        exact = np.linalg.solve(columns.T @ columns, columns.T @ wanted[:, i])
        np.testing.assert_allclose([*fitted[at, i], bias[i]], exact, atol=2e-4)


def test_directions_that_no_sample_shows_stay(keras3, rng):
    layers = keras3.layers
    dense = keras3.Sequential([layers.Input((8, 8, 8)), layers.Conv2D(6, 3, name="conv")])
    x = rng.normal(size=(16, 8, 8, 8)).astype(np.float32)
    x[..., 5] = 0
    model = pconv_tf.prune_one_shot(copy_of(keras3, dense), {"first_layer_rate": 2})
    before = model.get_layer("conv").get_weights()[0]
    pconv_tf.refit(model, dense, x)
    after = model.get_layer("conv").get_weights()[0]
    np.testing.assert_array_equal(after[:, :, 5], before[:, :, 5])
    assert not np.array_equal(after, before)


def test_statistics_are_those_of_the_samples(any_keras, rng):
    model = one_of_each(any_keras)
    x = images(rng)
    pconv_tf.training.recalibrate(model, x)
    norm = model.get_layer("norm")
    (read,) = Watcher(model).inputs_of(norm, 1, x)
    mean, variance = norm.get_weights()[2:]
    np.testing.assert_allclose(mean, read.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(variance, read.var(axis=(0, 1, 2)), rtol=1e-4)


@pytest.mark.slow
def test_one_shot_with_calibration_refits_to_the_models_own_weights(any_keras, rng):
    dense = one_of_each(any_keras)
    x = images(rng)
    model = pconv_tf.prune_one_shot(copy_of(any_keras, dense), CONFIG)
    pconv_tf.refit(model, dense, x)
    at_once = pconv_tf.prune_one_shot(copy_of(any_keras, dense), CONFIG, calibration=x)
    for one, other in zip(model.get_weights(), at_once.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_layer_that_is_used_twice_is_fitted_to_both_uses(any_keras, rng):
    layers = any_keras.layers
    inputs = any_keras.Input((8, 8, 8))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    dense = any_keras.Model(inputs, shared(shared(inputs)))
    x = rng.normal(size=(32, 8, 8, 8)).astype(np.float32)
    config = {"pattern_set": "pconv4", "first_layer_rate": 2}
    plain = pconv_tf.prune_one_shot(copy_of(any_keras, dense), config)
    fitted = pconv_tf.prune_one_shot(copy_of(any_keras, dense), config, calibration=x)
    wanted = np.asarray(dense(x))
    assert np.square(fitted(x) - wanted).sum() < np.square(plain(x) - wanted).sum()


def test_subclassed_models_run_their_layers_in_any_order(any_keras, rng):
    class Net(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.last = any_keras.layers.Conv2D(8, 3, name="last")
            self.first = any_keras.layers.Conv2D(8, 3, name="first")

        def call(self, x):
            return self.last(self.first(x))

    x = rng.normal(size=(32, 8, 8, 8)).astype(np.float32)
    model = Net()
    wanted = np.asarray(model(x))
    pconv_tf.prune_one_shot(model, {"pattern_set": "pconv4", "connectivity_rate": 1})
    pruned = [np.asarray(w) for w in model.weights]
    without = np.square(np.asarray(model(x)) - wanted).sum()
    dense = Net()
    dense(x)
    # The same weights for both, from the seed of the fixture and from the order of the layers.
    for layer in ("last", "first"):
        getattr(dense, layer).set_weights(getattr(model, layer).get_weights())
    del pruned, dense
    any_keras.utils.set_random_seed(7)
    again = Net()
    np.testing.assert_allclose(np.asarray(again(x)), wanted, atol=1e-4)
    config = {"pattern_set": "pconv4", "connectivity_rate": 1}
    pconv_tf.prune_one_shot(again, config, calibration=x)
    assert np.square(np.asarray(again(x)) - wanted).sum() < 0.8 * without


@pytest.mark.slow
def test_nothing_is_left_on_the_layers(any_keras, rng):
    model = one_of_each(any_keras)
    pconv_tf.prune_one_shot(model, CONFIG, calibration=images(rng))
    assert all("call" not in vars(layer) for layer in model.layers)


@pytest.mark.slow
def test_samples_are_streamed(any_keras, rng, monkeypatch):
    x = images(rng)
    dense = one_of_each(any_keras)
    largest = []

    class Batches:
        def __iter__(self):
            for start in range(0, len(x), 8):
                largest.append(8)
                yield x[start : start + 8], np.zeros(8)

    from_arrays = pconv_tf.prune_one_shot(
        copy_of(any_keras, dense), CONFIG, calibration=Calibration(x, batch_size=8)
    )
    from_batches = pconv_tf.prune_one_shot(copy_of(any_keras, dense), CONFIG, calibration=Batches())
    monkeypatch.setattr(refitting, "_HELD_BYTES", 1)
    one_by_one = pconv_tf.prune_one_shot(copy_of(any_keras, dense), CONFIG, calibration=Batches())
    for other in (from_batches, one_by_one):
        for weights, found in zip(from_arrays.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weights, found)
    assert set(largest) == {8}


def test_what_does_not_fit_is_refused(any_keras, rng):
    model = one_of_each(any_keras)
    x = images(rng, 4)
    with pytest.raises(ValueError, match="reference: is the pruned model itself"):
        pconv_tf.refit(model, model, x)
    with pytest.raises(ValueError, match=r"reference: its convolutions .* Found: first"):
        pconv_tf.refit(model, small_cnn(any_keras), x)
    with pytest.raises(ValueError, match=r"gone through several times. Received: generator"):
        pconv_tf.refit(model, copy_of(any_keras, model), (batch for batch in [x]))
    with pytest.raises(ValueError, match="of one length, at least 1"):
        pconv_tf.refit(model, copy_of(any_keras, model), x[:0])
    with pytest.raises(ValueError, match=r"samples: .*at least 1. Received: 0"):
        pconv_tf.refit(model, copy_of(any_keras, model), x, samples=0)
