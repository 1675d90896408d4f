"""Every field that can be wrong is found and named."""

import dataclasses

import numpy as np
import pytest

from pconv_tf.fkw import cast_weights, encode, validate


@pytest.fixture
def layer(random_weights):
    return encode(random_weights(10, 12, block=4, density=0.8), filter_block=4)


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


def swapped_channels(layer):
    """The first two channels of one pattern in one group exchanged."""
    run = layer.kernel_groups() * len(layer.patterns) + layer.kernel_patterns()
    first = int(np.flatnonzero(np.diff(run) == 0)[0])
    index = layer.index.copy()
    index[[first, first + 1]] = index[[first + 1, first]]
    return index


def channel_with_two_patterns(layer):
    start = np.flatnonzero(np.diff(layer.kernel_patterns()[: layer.offset[1]]))[0] + 1
    return changed(layer.index, start, layer.index[start - 1])


CASES = {
    "kernel_size": lambda la: {"kernel_size": (3, 8)},
    "in_channels": lambda la: {"in_channels": 0},
    "filter_block": lambda la: {"filter_block": 2},
    "patterns: expected 1..255": lambda la: {"patterns": ()},
    "patterns: expected masks": lambda la: {"patterns": (1 << 9, *la.patterns[1:])},
    "patterns: expected the same": lambda la: {"patterns": (7, *la.patterns[1:])},
    "patterns: expected distinct": lambda la: {"patterns": (la.patterns[0],) * len(la.patterns)},
    "offset: expected type": lambda la: {"offset": la.offset.astype(np.int32)},
    "offset: expected shape": lambda la: {"offset": la.offset[:-1]},
    "offset: expected to start": lambda la: {"offset": changed(la.offset, 0, 1)},
    "offset: expected a non-decreasing": lambda la: {"offset": changed(la.offset, 1, 250)},
    "offset: expected to end": lambda la: {"offset": changed(la.offset, -1, 255)},
    "reorder: expected shape": lambda la: {"reorder": la.reorder[None]},
    "reorder: expected a permutation": lambda la: {"reorder": changed(la.reorder, 0, 9)},
    "reorder: expected a permutation of": lambda la: {"reorder": changed(la.reorder, 0, 200)},
    "stride: expected shape": lambda la: {"stride": la.stride[:, 1:]},
    "stride: expected rows": lambda la: {"stride": changed(la.stride, (0, 0), 1)},
    "stride: expected non-decreasing": lambda la: {"stride": changed(la.stride, (0, 1), 99)},
    "stride: expected row 0 to end": lambda la: {"stride": changed(la.stride, (0, -1), 99)},
    "index: expected one dimension": lambda la: {"index": la.index[:, None]},
    "index: expected channels below": lambda la: {"index": changed(la.index, 3, 12)},
    "index: expected channels that ascend": lambda la: {"index": swapped_channels(la)},
    "index: expected each channel": lambda la: {"index": channel_with_two_patterns(la)},
    "weight: expected type": lambda la: {"weight": la.weight.astype(np.float64)},
    "weight: expected shape": lambda la: {"weight": la.weight[:, :-1]},
    "weight: expected zeros": lambda la: {"weight": changed(la.weight, (-1, 0, -1), 1)},
    "scale: expected none": lambda la: {"scale": np.ones(10, np.float32)},
}


@pytest.mark.parametrize("message", CASES)
def test_wrong_field_is_named(layer, message):
    validate(layer)
    with pytest.raises(ValueError, match=message):
        validate(dataclasses.replace(layer, **CASES[message](layer)))


INT8_CASES = {
    "weight: expected int8 values": lambda la: {"weight": changed(la.weight, (0, 0, 0), -128)},
    "scale: expected an array": lambda la: {"scale": None},
    "scale: expected type": lambda la: {"scale": la.scale.astype(np.float64)},
    "scale: expected shape": lambda la: {"scale": la.scale[1:]},
    "scale: expected finite": lambda la: {"scale": changed(la.scale, 0, np.nan)},
}


@pytest.mark.parametrize("message", INT8_CASES)
def test_wrong_int8_field_is_named(layer, message):
    quantized = cast_weights(layer, "int8")
    validate(quantized)
    with pytest.raises(ValueError, match=message):
        validate(dataclasses.replace(quantized, **INT8_CASES[message](quantized)))


def test_counts_that_overflow_are_refused(layer):
    huge = np.array([0, 2**32 - 1, 5, layer.num_kernels], np.uint32)
    with pytest.raises(ValueError, match="offset"):
        validate(dataclasses.replace(layer, offset=huge))


def test_empty_layer_is_legal():
    validate(encode(np.zeros((5, 3, 3, 2), np.float32)))


def test_wider_integers_are_legal(layer):
    wide = {
        name: getattr(layer, name).astype(np.uint32)
        for name in ("offset", "reorder", "index", "stride")
    }
    validate(dataclasses.replace(layer, **wide))
