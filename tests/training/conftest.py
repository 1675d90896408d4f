"""Fixtures of the training tests."""

import pytest


# What Keras 3 shows in `make test`, tf_keras repeats in the long tests.
@pytest.fixture(params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def any_keras(request):
    """Keras 3, then tf_keras, seeded alike."""
    module = pytest.importorskip(request.param)
    module.utils.set_random_seed(7)
    return module
