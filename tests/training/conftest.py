"""Fixtures of the training tests."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    """A generator whose seed is printed when the test fails."""
    seed = int(os.environ.get("PCONV_TEST_SEED", "20240501"))
    print(f"seed: {seed} (set PCONV_TEST_SEED to change it)")
    return np.random.default_rng(seed)


@pytest.fixture(params=["keras", "tf_keras"])
def any_keras(request):
    """Keras 3, then tf_keras, seeded alike."""
    module = pytest.importorskip(request.param)
    module.utils.set_random_seed(7)
    return module


@pytest.fixture
def keras3():
    """Keras 3, seeded."""
    import keras

    keras.utils.set_random_seed(7)
    return keras
