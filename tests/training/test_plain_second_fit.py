"""Training a pruned model further without its masks: a warning, once, and only where zeros go."""

import pickle
import warnings

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.training import KeepZeros

CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "rho": [1e-2],
    "epochs_per_stage": 1,
    "retrain_epochs": 1,
}


@pytest.fixture
def pruned(any_keras, rng):
    """A pruned, compiled model and its data."""
    model = compiled(any_keras, small_cnn(any_keras))
    return pconv_tf.prune_one_shot(model, CONFIG), small_data(rng)


def fit(model, data, *callbacks):
    """What `fit` warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data, epochs=2, batch_size=16, verbose=0, callbacks=list(callbacks))
    return [str(w.message) for w in caught if "was pruned" in str(w.message)]


def zeros(model):
    return int(np.sum(np.asarray(model.get_layer("second").kernel) == 0))


def test_plain_fit_warns_once(pruned):
    model, data = pruned
    told = fit(model, data)
    assert len(told) == 1 and "KeepZeros" in told[0] and "'first'" in told[0]
    assert fit(model, data) == []


def test_a_fit_that_pruned_says_nothing_and_the_next_does(any_keras, rng):
    model, data = compiled(any_keras, small_cnn(any_keras)), small_data(rng)
    assert fit(model, data, pconv_tf.PConvCallback(CONFIG)) == []
    assert len(fit(model, data)) == 1


def test_train_on_batch_warns_too(pruned):
    model, (images, labels) = pruned
    with pytest.warns(UserWarning, match="was pruned"):
        model.train_on_batch(images, labels)


@pytest.mark.slow
def test_fit_that_keeps_zeros_says_nothing_and_the_next_does(pruned):
    model, data = pruned
    before = zeros(model)
    assert fit(model, data, KeepZeros()) == []
    assert fit(model, data, KeepZeros()) == []
    assert zeros(model) == before > 0
    assert len(fit(model, data)) == 1


def test_a_pruned_model_can_be_copied(pruned):
    model, data = pruned
    copy = pickle.loads(pickle.dumps(model))
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(fit(model, data)) == 1


def test_frozen_layers_lose_nothing(pruned):
    model, data = pruned
    before = zeros(model)
    for layer in model.layers[:-1]:
        layer.trainable = False
    compiled(__import__(type(model).__module__.split(".")[0]), model)
    assert fit(model, data) == []
    assert zeros(model) == before
