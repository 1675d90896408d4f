"""The size of a layer is that of the arrays that the encoder makes of it."""

import numpy as np
import pytest

from pconv_tf import fkw


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    ("filters", "channels", "kernel", "groups", "shared"),
    [
        (1, 1, 1, 1, 1),
        (20, 7, 3, 1, 1),
        (22, 16, 3, 1, 4),
        (48, 5, 3, 2, 8),
        (300, 300, 1, 1, 1),
        (16, 1, 3, 16, 1),
        (12, 3, 5, 1, 1),
    ],
)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.6, 1.0])
def test_is_that_of_the_encoder(rng, filters, channels, kernel, groups, shared, kept, dtype):
    weights = rng.normal(size=(filters, kernel, kernel, channels)).astype(dtype)
    mask = rng.random((-(-filters // shared), kernel, kernel, channels)) < kept
    # Filters with the same mask stand together or far apart.
    order = rng.permutation(filters) if groups == 1 else np.arange(filters)
    weights *= np.repeat(mask, shared, axis=0)[:filters][order]
    layer = fkw.encode(weights, groups=groups)
    size = fkw.encoded_size(weights, groups=groups, weight_bytes=weights.itemsize)
    assert size.filter_block == layer.filter_block
    assert size.num_bytes == sum(array.nbytes for array in layer.arrays().values())
