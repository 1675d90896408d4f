"""A `fit` that Ctrl-C or an exception breaks off leaves nothing on the model."""

import contextlib
import os
import signal

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.training import KeepZeros

CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "rho": [0.1],
    "epochs_per_stage": 2,
    "retrain_epochs": 2,
}


@pytest.fixture(autouse=True)
def python_answers_ctrl_c():
    """Programs that a shell starts in the background ignore SIGINT, and so would the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c_in(keras, epoch):
    """A callback that interrupts the process in the middle of an epoch."""

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == epoch and batch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    return CtrlC()


def zeros(model):
    return float(np.mean(np.asarray(model.get_layer("second").kernel) == 0))


@pytest.mark.parametrize("epoch", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_later_fit_runs_without_penalty_and_masks(any_keras, rng, epoch):
    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    callback = pconv_tf.PConvCallback(CONFIG)
    options = {"epochs": 4, "batch_size": 16, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, **options, callbacks=[callback, ctrl_c_in(any_keras, epoch)])
    phase = callback.phase
    assert phase == ("admm" if epoch == 1 else "retrain")
    assert model.losses
    model.fit(*data, batch_size=16, verbose=0)
    assert not model.losses
    assert "make_train_function" not in vars(model)
    assert zeros(model) < 0.2  # No mask holds what has a gradient.
    # The same callback goes on from where it was.
    model.fit(*data, **options, callbacks=[callback])
    assert callback.phase == "retrain" and not model.losses
    assert zeros(model) > 0.7


def test_detach_takes_everything_off_at_once(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    callback = pconv_tf.PConvCallback(CONFIG)
    callback.detach()  # Nothing is attached yet.
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=4, verbose=0, callbacks=[callback, ctrl_c_in(any_keras, 1)])
    callback.detach()
    assert not model.losses
    assert "make_train_function" not in vars(model)
    callback.detach()


@pytest.mark.slow
def test_keep_zeros_lets_go(any_keras, rng):
    model = pconv_tf.prune_one_shot(compiled(any_keras, small_cnn(any_keras)), CONFIG)
    data = small_data(rng)
    stop = ctrl_c_in(any_keras, 0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, batch_size=16, verbose=0, callbacks=[KeepZeros(), stop])
    assert zeros(model) > 0.7
    on_jax = os.environ.get("KERAS_BACKEND") == "jax" and any_keras.__name__ == "keras"
    told = contextlib.nullcontext() if on_jax else pytest.warns(UserWarning, match="was pruned")
    with told:
        model.fit(*data, batch_size=16, verbose=0)
    assert zeros(model) < 0.2
    assert "make_train_function" not in vars(model)


def test_loops_of_ones_own_keep_it_attached(keras3, rng):
    """`train_on_batch` asks for the train step, too, and is no new `fit`."""
    model = compiled(keras3, small_cnn(keras3))
    x, y = small_data(rng, samples=16)
    callback = pconv_tf.PConvCallback(CONFIG)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        model.train_on_batch(x, y)
        assert model.losses
        callback.on_train_batch_end(0)
        callback.on_epoch_end(epoch)
    assert zeros(model) > 0.7
    callback.on_train_end()
    assert not model.losses
