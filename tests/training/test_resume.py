"""A run that is killed in any phase and started again ends like one that was never stopped."""

import numpy as np
import pytest
from trainable_models import compiled, small_data

import pconv_tf
from pconv_tf.training import checkpoint

CONFIG = {
    "pattern_set": "natural4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "warmup_epochs": 1,
    "rho": [1e-2, 1e-1],
    "epochs_per_stage": 2,
    "retrain_epochs": 2,
    "filter_block": 4,
    "filter_grouping": "similar",
}
EPOCHS = 7


class Killed(Exception):
    pass


def build(keras):
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="first"),
            # tf_keras saves no random state, so only Keras 3 can repeat a dropout.
            *([layers.Dropout(0.2, seed=5)] if keras.__name__ == "keras" else []),
            layers.Conv2D(16, 3, name="second"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    return compiled(keras, model, ready=False)  # as in a process of its own


def train(keras, data, folder, *, build=build, kill_in_epoch=None):
    """One process's worth of training: everything is made anew, as after a crash."""
    model = build(keras)
    callback = pconv_tf.PConvCallback(CONFIG, checkpoint_dir=folder)
    epochs = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)

        def on_train_batch_end(self, batch, logs=None):
            if epochs[-1] == kill_in_epoch and batch == 1:
                raise Killed

    model.fit(
        *data, epochs=EPOCHS, batch_size=16, shuffle=False, verbose=0, callbacks=[callback, Watch()]
    )
    return model, callback, epochs


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 2, 4, 6])
def test_resumed_run_ends_with_the_same_masks(any_keras, rng, tmp_path, killed):
    data = small_data(rng)
    _, whole, _ = train(any_keras, data, tmp_path / "whole")
    with pytest.raises(Killed):
        train(any_keras, data, tmp_path / "killed", kill_in_epoch=killed)
    model, resumed, epochs = train(any_keras, data, tmp_path / "killed")
    assert epochs == list(range(killed, EPOCHS))
    assert set(resumed.masks) == set(whole.masks) == {"first", "second"}
    for name, mask in whole.masks.items():
        np.testing.assert_array_equal(resumed.masks[name], mask)
    assert not model.layers[0].kernel.numpy()[~resumed.masks["first"]].any()


@pytest.mark.slow
def test_resumed_weights_are_the_same_too(keras3, rng, tmp_path):
    data = small_data(rng)
    whole, *_ = train(keras3, data, tmp_path / "whole")
    with pytest.raises(Killed):
        train(keras3, data, tmp_path / "killed", kill_in_epoch=3)
    resumed, *_ = train(keras3, data, tmp_path / "killed")
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.slow
def test_legacy_and_loss_scaling_optimizers_are_kept_too(rng, tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    data = small_data(rng)
    optimizers = {
        "legacy": lambda: tf_keras.optimizers.legacy.Adam(1e-2),
        "scaled": lambda: tf_keras.mixed_precision.LossScaleOptimizer(
            tf_keras.optimizers.Adam(1e-2)
        ),
    }
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, make in optimizers.items():
        folder = tmp_path / name

        def build_with(keras, make=make):
            model = build(keras)
            model.compile(make(), loss)
            return model

        whole, *_ = train(tf_keras, data, folder / "whole", build=build_with)
        with pytest.raises(Killed):
            train(tf_keras, data, folder / "killed", build=build_with, kill_in_epoch=3)
        resumed, *_ = train(tf_keras, data, folder / "killed", build=build_with)
        for one, other in zip(whole.weights, resumed.weights, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=name)


@pytest.mark.slow
def test_a_finished_run_starts_nothing(keras3, rng, tmp_path):
    data = small_data(rng)
    finished, *_ = train(keras3, data, tmp_path)
    again, callback, epochs = train(keras3, data, tmp_path)
    assert epochs == [] and callback.phase == "retrain"
    for one, other in zip(finished.weights, again.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_damaged_or_foreign_checkpoints_are_refused(keras3, rng, tmp_path):
    data = small_data(rng)
    train(keras3, data, tmp_path)
    other = pconv_tf.PConvCallback(CONFIG | {"connectivity_rate": 3}, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="different: connectivity_rate"):
        build(keras3).fit(*data, epochs=EPOCHS, verbose=0, callbacks=[other])
    small = keras3.Sequential([keras3.layers.Input((8, 8, 3)), keras3.layers.Conv2D(4, 3)])
    small.compile("sgd", "mse")
    callback = pconv_tf.PConvCallback(CONFIG, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="do not fit this model"):
        small.fit(data[0], np.zeros((64, 6, 6, 4)), epochs=EPOCHS, verbose=0, callbacks=[callback])
    path = tmp_path / checkpoint.FILE_NAME
    path.write_bytes(path.read_bytes()[:-100])
    callback = pconv_tf.PConvCallback(CONFIG, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=f"{checkpoint.FILE_NAME}: not a readable"):
        build(keras3).fit(*data, epochs=EPOCHS, verbose=0, callbacks=[callback])
