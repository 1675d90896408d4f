"""Random sparse weights of every shape."""

import numpy as np
import pytest


@pytest.fixture
def random_weights(rng):
    """A function that makes weights [O, kh, kw, I] whose blocks of filters share masks."""

    def make(filters, channels, kernel=(3, 3), *, block=1, taps=4, patterns=8, density=0.4):
        size = kernel[0] * kernel[1]
        taps = min(taps, size)
        table = np.zeros((patterns, size), bool)
        for row in table:
            row[rng.choice(size, taps, replace=False)] = True
        groups = -(-filters // block)
        masks = table[rng.integers(0, patterns, (groups, channels))]
        masks &= rng.random((groups, channels, 1)) < density
        masks = np.repeat(masks, block, axis=0)[:filters]
        values = rng.uniform(0.1, 1, masks.shape) * rng.choice([-1, 1], masks.shape) * masks
        dense = values.astype(np.float32).transpose(0, 2, 1)
        return dense.reshape(filters, *kernel, channels)

    return make
