"""Fake quantisation: what it rounds, how gradients pass, and that nothing is left behind."""

import numpy as np
import pytest

from pconv_tf.training import FakeQuantization, KeepZeros, prune_one_shot


def network(keras):
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv")(image)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1, name="depthwise")(x)
    y = layers.SeparableConv2D(8, 3, padding="same", name="separable")(y)
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(4, name="dense")(x))


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    return rng.normal(size=(32, 8, 8, 3)).astype(np.float32), rng.integers(0, 4, 32)


def compiled(keras, model, optimizer=None):
    model.compile(
        optimizer or keras.optimizers.SGD(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def grid(values, axes):
    scale = np.abs(values).max(axis=axes, keepdims=True) / np.float32(127)
    return np.round(values / scale) * scale


def affine(values):
    low, high = min(values.min(), 0), max(values.max(), 0)
    scale = np.float32((high - low) / 255)
    zero_point = np.round(-low / scale)
    return (np.clip(np.round(values / scale) + zero_point, 0, 255) - zero_point) * scale


@pytest.mark.parametrize("kind", ["dense", "depthwise"])
def test_a_step_sees_rounded_weights_and_inputs(any_keras, kind):
    """The loss of a step whose learning rate is 0, against the rule written down in NumPy."""
    keras = any_keras
    rng = np.random.default_rng(5)
    if kind == "dense":
        layer = keras.layers.Dense(3, use_bias=False)
        images = rng.normal(size=(16, 5)).astype(np.float32)
        weights = rng.normal(size=(5, 3)).astype(np.float32)
        expected = affine(images) @ grid(weights, (0,))
    else:
        layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)
        images = rng.normal(size=(16, 3, 3, 2)).astype(np.float32)
        weights = rng.normal(size=(3, 3, 2, 2)).astype(np.float32)
        rounded = grid(weights, (0, 1))
        expected = np.einsum("nhwc,hwcm->ncm", affine(images), rounded).reshape(16, 1, 1, 4)
    model = keras.Sequential([keras.Input(images.shape[1:]), layer])
    layer.set_weights([weights])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(
        images, 0 * expected, batch_size=16, verbose=0, callbacks=[FakeQuantization()]
    )
    exact = np.square(model.predict(images, verbose=0)).mean()
    loss = history.history["loss"][0]
    np.testing.assert_allclose(loss, np.square(expected).mean(), rtol=1e-5)
    assert abs(loss - exact) > 1e-4 * exact


def test_gradients_pass_as_if_nothing_were_rounded(any_keras):
    """A linear layer's gradient is linear in its inputs, which are the rounded ones here."""
    keras = any_keras
    images = np.random.default_rng(5).normal(size=(8, 5)).astype(np.float32)
    layer = keras.layers.Dense(3, use_bias=False)
    model = keras.Sequential([keras.Input((5,)), layer])
    before = layer.get_weights()[0]
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(images, np.zeros((8, 3)), batch_size=8, verbose=0, callbacks=[FakeQuantization()])
    outputs = affine(images) @ grid(before, (0,))
    gradient = affine(images).T @ outputs * 2 / outputs.size
    np.testing.assert_allclose(before - layer.get_weights()[0], gradient, atol=1e-6)


@pytest.mark.slow
def test_nothing_is_left_on_the_model(any_keras, images):
    model = compiled(any_keras, network(any_keras))
    names = [sorted(vars(layer)) for layer in model.layers]
    model.evaluate(*images, verbose=0)
    model.fit(*images, verbose=0, callbacks=[FakeQuantization()])
    assert [sorted(vars(layer)) for layer in model.layers] == names
    alone = any_keras.models.clone_model(model)
    alone.set_weights(model.get_weights())
    expected = alone.predict(images[0], verbose=0)
    np.testing.assert_array_equal(model.predict(images[0], verbose=0), expected)
    compiled(any_keras, alone)
    assert model.evaluate(*images, verbose=0) == alone.evaluate(*images, verbose=0)


def test_validation_rounds_too(any_keras, images):
    model = compiled(any_keras, network(any_keras))
    plain = model.evaluate(*images, verbose=0)
    model.optimizer.learning_rate = 0.0
    for layer in model.layers:
        layer.trainable = not isinstance(layer, any_keras.layers.BatchNormalization)
    compiled(any_keras, model)
    model.optimizer.learning_rate = 0.0
    history = model.fit(*images, validation_data=images, verbose=0, callbacks=[FakeQuantization()])
    assert history.history["val_loss"][0] != pytest.approx(plain, rel=1e-6)
    assert model.evaluate(*images, verbose=0) == pytest.approx(plain, rel=1e-6)


def test_a_broken_off_fit_leaves_rounding_until_the_next(any_keras, images):
    class Stop(any_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = compiled(any_keras, network(any_keras))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*images, verbose=0, callbacks=[FakeQuantization(), Stop()])
    model.fit(*images, verbose=0)
    assert all("call" not in vars(layer) for layer in model.layers)


def test_zeros_stay_and_the_model_learns(any_keras, images):
    model = network(any_keras)
    prune_one_shot(model, {"connectivity_rate": 2.0, "skip_thin": 0})
    zeros = [weights == 0 for weights in model.get_weights() if weights.ndim > 1]
    assert any(mask.any() for mask in zeros)
    compiled(any_keras, model, any_keras.optimizers.Adam(0.02))
    model.optimizer.build(model.trainable_variables)  # in a step it costs a second trace
    callbacks = [KeepZeros(), FakeQuantization()]
    losses = model.fit(*images, epochs=30, verbose=0, callbacks=callbacks).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    kept = [weights for weights in model.get_weights() if weights.ndim > 1]
    for mask, weights in zip(zeros, kept, strict=True):
        assert not weights[mask].any()


def test_mixed_precision(any_keras, images):
    any_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled(any_keras, network(any_keras))
        losses = model.fit(*images, epochs=3, verbose=0, callbacks=[FakeQuantization()]).history
    finally:
        any_keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(losses["loss"]).all()


def test_all_zero_weights_and_inputs_stay_zero(any_keras):
    layer = any_keras.layers.Dense(2, kernel_initializer="zeros")
    model = any_keras.Sequential([any_keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    history = model.fit(
        np.zeros((4, 3)), np.ones((4, 2)), verbose=0, callbacks=[FakeQuantization()]
    )
    assert history.history["loss"][0] == 1.0
