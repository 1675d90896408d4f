"""What `PConvCallback(calibration=...)` and averaged weights do at the hard prune."""

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data
from zeros_watch import assert_zeros_hold

import pconv_tf

CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "rho": [0.01],
    "epochs_per_stage": 1,
    "retrain_epochs": 2,
}


def trained(keras, data, *, calibration=None, look=lambda model: None, **options):
    """A trained model, its callback, and what `look` saw just before and after the hard prune."""
    model = compiled(keras, small_cnn(keras))
    if options:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-2, **options), loss)
    callback = pconv_tf.PConvCallback(CONFIG, calibration=calibration)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                seen.append(look(self.model))

    model.fit(*data, epochs=3, batch_size=16, verbose=0, callbacks=[Look(), callback, Look()])
    return model, callback, seen


def test_the_refit_brings_the_network_back_to_what_it_computed(any_keras, rng):
    data = small_data(rng, samples=96)
    lost = {}
    for name, calibration in (("plain", None), ("refit", data[0])):
        any_keras.utils.set_random_seed(7)
        _, callback, (before, after) = trained(
            any_keras, data, calibration=calibration, look=lambda m: np.asarray(m(data[0]))
        )
        lost[name] = np.square(after - before).sum()
        assert_zeros_hold(callback)
        assert callback.phase == "retrain"
    assert lost["refit"] < 0.5 * lost["plain"]


@pytest.mark.slow
def test_statistics_fit_the_pruned_network(any_keras, rng):
    data = small_data(rng, samples=96)

    def statistics(model):
        found = model.get_layer("norm").get_weights()[2:]
        kept = model.get_weights()
        pconv_tf.training.recalibrate(model, data[0])
        exact = model.get_layer("norm").get_weights()[2:]
        model.set_weights(kept)
        return [np.abs(a - b).max() for a, b in zip(found, exact, strict=True)]

    _, _, (before, after) = trained(any_keras, data, calibration=data[0], look=statistics)
    assert max(before) > 1e-2 and max(after) < 1e-4


@pytest.mark.slow
def test_averaged_weights_begin_anew_at_the_hard_prune(any_keras, rng):
    data = small_data(rng, samples=96)

    def distances(model):
        averages = model.optimizer._model_variables_moving_average
        pairs = zip(model.trainable_variables, averages, strict=True)
        return max(np.abs(np.asarray(v) - np.asarray(a)).max() for v, a in pairs)

    options = {"use_ema": True, "ema_momentum": 0.9}
    model, callback, (before, after) = trained(
        any_keras, data, calibration=data[0], look=distances, **options
    )
    assert before > 1e-2 and after == 0
    assert_zeros_hold(callback)
    # The statistics at the end are those of the averaged weights.
    found = model.get_layer("norm").get_weights()[2:]
    pconv_tf.training.recalibrate(model, data[0])
    for one, other in zip(found, model.get_layer("norm").get_weights()[2:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_unusable_calibration_is_refused_before_training(rng):
    with pytest.raises(ValueError, match="of one length, at least 1"):
        pconv_tf.PConvCallback(CONFIG, calibration=np.zeros((0, 8, 8, 3), np.float32))
