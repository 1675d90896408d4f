"""Channels as steps, and which version a layer is written in."""

import dataclasses

import numpy as np
import pytest

from pconv_tf.fkw import (
    INT8_VERSION,
    STEPS_VERSION,
    encode,
    from_steps,
    stored_arrays,
    version_for,
)


def layer_of(rng, filters, channels, density):
    weights = rng.integers(1, 128, (filters, 1, 1, channels)).astype(np.int8)
    weights *= rng.random((filters, 1, 1, channels)) < density
    return encode(weights, scale=np.ones(filters, np.float32))


def in_steps(layer):
    return dataclasses.replace(layer, index=stored_arrays(layer, STEPS_VERSION)["index"])


@pytest.mark.parametrize("density", [0, 0.001, 0.02, 0.5, 1])
@pytest.mark.parametrize("channels", [1, 255, 256, 257, 1000, 70_000])
def test_steps_come_to_the_channels(rng, channels, density):
    layer = layer_of(rng, 5, channels, density)
    back = from_steps(in_steps(layer))
    np.testing.assert_array_equal(back.index, layer.index)
    assert back.index.dtype == layer.index.dtype


def test_several_patterns_begin_anew(rng):
    weights = np.zeros((2, 3, 3, 600), np.int8)
    weights[0, :2, :2, [3, 590]] = 1
    weights[0, 1:, 1:, 4] = 1
    weights[1, 1:, 1:, 299] = 1
    layer = encode(weights, scale=np.ones(2, np.float32))
    stored = in_steps(layer)
    # Filter 1 has fewer kernels and comes first: 299 is 255 and 44.
    assert stored.index.tolist() == [255, 44, 3, 255, 255, 590 - 4 - 510, 4]
    np.testing.assert_array_equal(from_steps(stored).index, layer.index)


@pytest.mark.parametrize(
    ("channels", "density", "version"),
    [
        (256, 0.5, INT8_VERSION),  # channels take a byte each as they are
        (257, 0.5, STEPS_VERSION),
        (300, 0, INT8_VERSION),
    ],
)
def test_the_smaller_form_is_written(rng, channels, density, version):
    layer = layer_of(rng, 8, channels, density)
    assert version_for(layer, int8_activations=True) == version
    assert version_for(layer, int8_activations=False) == 1


def test_few_kernels_far_from_one_another_are_written_as_channels():
    weights = np.zeros((2, 1, 1, 70_000), np.int8)
    weights[..., -1] = 1
    layer = encode(weights, scale=np.ones(2, np.float32))
    assert version_for(layer, int8_activations=True) == INT8_VERSION
    assert version_for(layer, int8_activations=False) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda la: {"index": la.index.astype(np.uint16)}, "index: expected uint8"),
        (lambda la: {"index": la.index[:, None]}, "index: expected uint8"),
        (
            lambda la: {"index": np.append(la.index, np.uint8(255))},
            "index: expected a last element",
        ),
        (lambda la: {"index": np.append(la.index, np.uint8(1))}, "offset: expected to end with"),
        (
            lambda la: {"index": la.index[:-1]},
            "offset: expected to end with|index: expected a last",
        ),
        (lambda la: {"stride": la.stride[::-1]}, "stride: expected"),
        (lambda la: {"offset": la.offset[:-1]}, "offset: expected shape"),
    ],
)
def test_refuses_what_is_wrong(rng, change, message):
    stored = in_steps(layer_of(rng, 7, 400, 0.3))
    from_steps(stored)
    with pytest.raises(ValueError, match=message):
        from_steps(dataclasses.replace(stored, **change(stored)))
