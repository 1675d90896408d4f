"""Weights that a smaller type cannot hold are told, not lost."""

import numpy as np
import pytest

from pconv_tf.fkw import cast_weights, decode, encode


def layer_of(values):
    return encode(np.asarray(values, np.float32).reshape(-1, 1, 1, 1))


@pytest.mark.parametrize("scale", [1e-7, 1e-9, 1e-30])
def test_weights_that_float16_would_flush_are_refused(scale, rng):
    layer = layer_of(rng.uniform(0.1, 1, 50) * scale)
    with pytest.raises(ValueError, match=r"weight: values up to .* are too small for float16"):
        cast_weights(layer, "float16")
    assert decode(cast_weights(layer, "int8")).any()


def test_a_few_tiny_weights_among_others_may_round_to_zero(rng):
    stored = cast_weights(layer_of([*rng.uniform(0.1, 1, 50), 1e-9]), "float16")
    assert np.count_nonzero(stored.weight) == 50


def test_a_layer_without_weights_is_stored_in_any_type():
    for dtype in ("float16", "int8"):
        assert not decode(cast_weights(layer_of(np.zeros(4)), dtype)).any()
