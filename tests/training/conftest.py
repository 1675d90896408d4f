"""Fixtures of the training tests."""

import pytest


@pytest.fixture(params=["keras", "tf_keras"])
def any_keras(request):
    """Keras 3, then tf_keras, seeded alike."""
    module = pytest.importorskip(request.param)
    module.utils.set_random_seed(7)
    return module
