"""Several rounds of ADMM, hard prune and retraining."""

import logging
import math

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf import PruningConfig
from pconv_tf.training import phase_schedule

# Warm-up in epoch 0, rounds of 2 + 1 epochs from 1, 4 and 7 on.
CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 4.0,
    "skip_thin": 0,
    "warmup_epochs": 1,
    "rho": [1e-2, 1e-1],
    "epochs_per_stage": 1,
    "retrain_epochs": 1,
    "rounds": 3,
}
EPOCHS = 10


class Killed(Exception):
    pass


def train(keras, data, *, folder=None, kill_in_epoch=None, stop_after=None):
    """A fit made anew; returns the model, the callback, and the logs and masks of every epoch."""
    keras.utils.set_random_seed(3)
    model = compiled(keras, small_cnn(keras))
    callback = pconv_tf.PConvCallback(CONFIG, checkpoint_dir=folder)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == kill_in_epoch:
                raise Killed

        def on_epoch_end(self, epoch, logs=None):
            seen.append((dict(logs), callback.masks))
            self.model.stop_training = epoch + 1 == stop_after

    model.fit(
        *data, epochs=EPOCHS, batch_size=16, shuffle=False, verbose=0, callbacks=[callback, Watch()]
    )
    return model, callback, seen


def kept_share(masks):
    return sum(mask.sum() for mask in masks.values()) / sum(mask.size for mask in masks.values())


def test_every_round_removes_more_and_gives_nothing_back(any_keras, rng):
    _, callback, seen = train(any_keras, small_data(rng))
    phases = [logs["pconv_phase"] for logs, _ in seen]
    # The phase that an epoch ends with: the next round begins at the end of the one before.
    assert phases == [1, 1, 2, 1, 1, 2, 1, 1, 2, 2]
    rhos = [logs["pconv_rho"] for logs, _ in seen]
    assert rhos == pytest.approx([0, 1e-2, 1e-1, 0, 1e-2, 1e-1, 0, 1e-2, 1e-1, 0])
    first, second, last = (seen[epoch][1] for epoch in (2, 5, 8))
    first_layer = next(iter(first))
    for name, mask in last.items():
        assert not (mask & ~second[name]).any()
        assert not (second[name] & ~first[name]).any()
        rates = [mask.any(axis=(0, 1)).mean() for mask in (first[name], second[name], mask)]
        expected = [1, 1, 1] if name == first_layer else [1, 1 / 2, 1 / 4]
        assert rates == pytest.approx(expected, abs=0.02)
    assert seen[3][0]["pconv_sparsity"] == pytest.approx(1 - kept_share(first), abs=1e-6)
    for layer in callback.plan.layers:
        assert not layer.kernel.read()[~last[layer.name]].any()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [4, 6])
def test_goes_on_within_a_later_round(keras3, rng, tmp_path, killed):
    data = small_data(rng)
    whole, _, _ = train(keras3, data, folder=tmp_path / "whole")
    with pytest.raises(Killed):
        train(keras3, data, folder=tmp_path / "killed", kill_in_epoch=killed)
    resumed, _, seen = train(keras3, data, folder=tmp_path / "killed")
    assert len(seen) == EPOCHS - killed
    for found, expected in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_after", "message"),
    [(1, "the model is not pruned"), (4, "pruned to an earlier round's rates"), (9, None)],
)
def test_training_that_ends_early_says_how_far_it_came(keras3, rng, caplog, stop_after, message):
    caplog.set_level(logging.WARNING)
    train(keras3, small_data(rng), stop_after=stop_after)
    assert ("before the last hard prune at 9" in caplog.text) == (message is not None)
    assert message is None or message in caplog.text


def test_a_fit_must_reach_the_last_hard_prune(keras3, rng):
    model = compiled(keras3, small_cnn(keras3))
    with pytest.raises(ValueError, match=r"at least 9 epochs until the last .* each of 3 rounds"):
        model.fit(*small_data(rng), epochs=8, verbose=0, callbacks=[pconv_tf.PConvCallback(CONFIG)])


def test_learning_rates_begin_anew():
    config = CONFIG | {"retrain_epochs": 4, "rounds": 2}
    rates = phase_schedule(config, admm=0.02, retrain=0.3, warmup=1, epochs=15)
    found = [rates(epoch) for epoch in range(15)]
    fall = [0.15 * (1 + math.cos(math.pi * i / 3)) for i in range(3)]
    longer = [0.15 * (1 + math.cos(math.pi * i / 5)) for i in range(5)]
    np.testing.assert_allclose(found, [0.02] * 3 + [0.15, *fall] + [0.02] * 2 + [0.15, *longer])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": 0}, "rounds: expected an integer of at least 1. Received: 0"),
        ({"retrain_epochs": 0}, "retrain_epochs: expected at least 1 where several rounds"),
        ({"schedule": lambda step: (True, 0.5)}, "rounds: expected 1 beside a schedule"),
    ],
)
def test_rounds_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PruningConfig.from_any(CONFIG | changes)
