"""The example of docs/fkw.md, which the C++ reader's tests know as well."""

import numpy as np

from pconv_tf.fkw import decode, encode, validate

PATTERN_OF_KERNEL = [[None, 1, None, 0], [1, None, 0, None], [None, 1, 1, 1], [None, 1, None, 1]]
PATTERNS = (0b000011011, 0b011011000)  # two of the 2x2 squares


def dense_example() -> np.ndarray:
    weights = np.zeros((4, 3, 3, 4), np.float32)
    value = 0
    for filter_, row in enumerate(PATTERN_OF_KERNEL):
        for channel, pattern in enumerate(row):
            for bit in range(9):
                if pattern is not None and PATTERNS[pattern] >> bit & 1:
                    value += 1
                    weights[filter_, bit // 3, bit % 3, channel] = value
    return weights


def test_arrays():
    layer = encode(dense_example())
    validate(layer)
    assert layer.patterns == PATTERNS
    assert layer.filter_block == 1
    assert layer.offset.tolist() == [0, 2, 4, 6, 9]
    assert layer.reorder.tolist() == [0, 1, 3, 2]
    assert layer.index.tolist() == [3, 1, 2, 0, 1, 3, 1, 2, 3]
    assert layer.stride.tolist() == [[0, 1, 2], [0, 1, 2], [0, 0, 2], [0, 0, 3]]
    assert layer.weight.shape == (9, 4, 1)
    # The first kernel stored is that of channel 3 in filter 0: the second one written.
    assert layer.weight[0, :, 0].tolist() == [5, 6, 7, 8]
    assert {array.dtype for name, array in layer.arrays().items() if name != "weight"} == {
        np.dtype(np.uint8)
    }


def test_decodes_exactly():
    assert np.array_equal(decode(encode(dense_example())), dense_example())
