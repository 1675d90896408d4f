"""Learning rates by phase."""

import math

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.training import phase_schedule

CONFIG = {
    "pattern_set": "pconv4",
    "skip_thin": 0,
    "warmup_epochs": 1,
    "rho": [0.1, 0.5],
    "epochs_per_stage": 1,
    "retrain_epochs": 6,
}


def test_is_steady_then_rises_and_falls():
    rates = phase_schedule(CONFIG, admm=0.02, retrain=0.3, warmup=2)
    found = [rates(epoch) for epoch in range(10)]
    fall = [0.15 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    np.testing.assert_allclose(found[:9], [0.02] * 3 + [0.1, 0.2] + fall)
    assert found[9] == found[8] > 0


def test_a_fit_of_another_length():
    rates = phase_schedule(CONFIG, retrain=0.3, warmup=0, epochs=5)
    np.testing.assert_allclose([rates(3), rates(4)], [0.3, 0.15])


@pytest.mark.slow
def test_drives_the_optimizer(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    rates = phase_schedule(CONFIG, admm=1e-3, retrain=1e-2)
    seen = []

    class Spy(any_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(float(np.asarray(self.model.optimizer.learning_rate)))

    callbacks = [
        pconv_tf.PConvCallback(CONFIG),
        any_keras.callbacks.LearningRateScheduler(rates),
        Spy(),
    ]
    model.fit(*small_data(rng), epochs=9, batch_size=32, verbose=0, callbacks=callbacks)
    np.testing.assert_allclose(seen, [rates(epoch) for epoch in range(9)], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"admm": 0}, "admm: expected a learning rate above 0. Received: 0"),
        ({"retrain": math.nan}, "retrain: expected a learning rate above 0"),
        ({"warmup": 6}, "warmup: retraining has 6 epochs, so between 0 and 5"),
        ({"epochs": 4}, "warmup: retraining has 1 epochs, so between 0 and 0"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        phase_schedule(CONFIG, **options)
