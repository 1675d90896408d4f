"""The complete check of FKW arrays, done once before they are used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pconv_tf.fkw.layer import (
    FILTER_BLOCKS,
    MAX_CHANNELS,
    MAX_KERNEL,
    MAX_PATTERNS,
    FkwLayer,
)

_UNSIGNED = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))
_WEIGHTS = (np.dtype(np.float32), np.dtype(np.float16), np.dtype(np.int8))


def validate(layer: FkwLayer) -> None:
    """Checks every count, index, order, type and size of `layer`.

    Raises:
        ValueError: begins with the name of the field, then what was found and what is expected.
    """
    check_counts(layer)
    _check_reorder(layer)
    _check_index(layer)
    _check_weight(layer, layer.num_groups)


def check_counts(layer: FkwLayer) -> None:
    """Checks what says which kernels belong to which pattern of which group.

    That is all but the values of `reorder` and `index`, the weights and their scales.

    Raises:
        ValueError: begins with the name of the field.
    """
    check_header(layer.kernel_size, layer.in_channels, layer.out_channels, layer.filter_block)
    check_patterns(layer.patterns, layer.kernel_size)
    for name in ("offset", "reorder", "index", "stride"):
        _expect(
            getattr(layer, name).dtype in _UNSIGNED,
            name,
            "type uint8, uint16 or uint32",
            getattr(layer, name).dtype,
        )
    groups = -(-layer.out_channels // layer.filter_block)
    _expect_shape("reorder", layer.reorder, (layer.out_channels,))
    _expect_shape("offset", layer.offset, (groups + 1,))
    _expect(layer.index.ndim == 1, "index", "one dimension", layer.index.shape)
    _expect_shape("stride", layer.stride, (groups, len(layer.patterns) + 1))
    _check_offset(layer)
    _check_stride(layer)


def check_header(
    kernel_size: Sequence[int], in_channels: int, out_channels: int, filter_block: int
) -> None:
    """Checks the numbers that give the arrays their shapes.

    Raises:
        ValueError: names the field.
    """
    _expect(
        len(kernel_size) == 2 and all(1 <= k <= MAX_KERNEL for k in kernel_size),
        "kernel_size",
        f"two sizes of 1..{MAX_KERNEL}",
        tuple(kernel_size),
    )
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        _expect(1 <= channels <= MAX_CHANNELS, name, f"1..{MAX_CHANNELS}", channels)
    _expect(filter_block in FILTER_BLOCKS, "filter_block", f"one of {FILTER_BLOCKS}", filter_block)


def check_patterns(patterns: Sequence[int], kernel_size: tuple[int, int]) -> None:
    """Checks a pattern table against the kernel size.

    Raises:
        ValueError: says what is wrong with the table.
    """
    taps = kernel_size[0] * kernel_size[1]
    _expect(
        1 <= len(patterns) <= MAX_PATTERNS, "patterns", f"1..{MAX_PATTERNS} of them", len(patterns)
    )
    for mask in patterns:
        _expect(0 < mask < 1 << taps, "patterns", f"masks of {taps} bits with one set", mask)
    bits = {mask.bit_count() for mask in patterns}
    _expect(len(bits) == 1, "patterns", "the same number of taps in each", sorted(bits))
    _expect(len(set(patterns)) == len(patterns), "patterns", "distinct masks", list(patterns))


def _check_offset(layer: FkwLayer) -> None:
    offset = layer.offset.astype(np.int64)
    _expect(offset[0] == 0, "offset", "to start with 0", offset[0])
    _expect(
        (np.diff(offset) >= 0).all(), "offset", "a non-decreasing sequence", _first_drop(offset)
    )
    _expect(
        offset[-1] == layer.num_kernels,
        "offset",
        f"to end with the {layer.num_kernels} kernels of index",
        offset[-1],
    )


def _check_stride(layer: FkwLayer) -> None:
    stride = layer.stride.astype(np.int64)
    _expect((stride[:, 0] == 0).all(), "stride", "rows that start with 0", stride[:, 0].max())
    _expect((np.diff(stride, axis=1) >= 0).all(), "stride", "non-decreasing rows", "a decrease")
    kernels = np.diff(layer.offset.astype(np.int64))
    wrong = np.flatnonzero(stride[:, -1] != kernels)
    if wrong.size:
        _expect(
            False,
            "stride",
            f"row {wrong[0]} to end with its group's {kernels[wrong[0]]} kernels",
            stride[wrong[0], -1],
        )


def _check_reorder(layer: FkwLayer) -> None:
    seen = np.bincount(layer.reorder, minlength=layer.out_channels)
    _expect(
        len(seen) == layer.out_channels and (seen == 1).all(),
        "reorder",
        f"a permutation of 0..{layer.out_channels - 1}",
        "a missing or repeated channel",
    )


def _check_index(layer: FkwLayer) -> None:
    if not layer.num_kernels:
        return
    index = layer.index.astype(np.int64)
    _expect(
        index.max() < layer.in_channels,
        "index",
        f"channels below in_channels = {layer.in_channels}",
        index.max(),
    )
    group = layer.kernel_groups()
    run = group * len(layer.patterns) + layer.kernel_patterns()
    same_run = run[1:] == run[:-1]
    _expect(
        (np.diff(index)[same_run] > 0).all(),
        "index",
        "channels that ascend strictly inside a pattern of a group",
        "a step that does not",
    )
    place = group * layer.in_channels + index
    if len(layer.patterns) > 1:
        place = np.sort(place)
    _expect(
        (np.diff(place) > 0).all(),
        "index",
        "each channel at most once in a group",
        "a channel with two patterns",
    )


def _check_weight(layer: FkwLayer, groups: int) -> None:
    _expect(
        layer.weight.dtype in _WEIGHTS,
        "weight",
        "type float32, float16 or int8",
        layer.weight.dtype,
    )
    taps = layer.patterns[0].bit_count()
    _expect_shape("weight", layer.weight, (layer.num_kernels, taps, layer.filter_block))
    missing = groups * layer.filter_block - layer.out_channels
    if missing:
        padding = layer.weight[int(layer.offset[-2]) :, :, layer.filter_block - missing :]
        _expect(
            not padding.any(),
            "weight",
            "zeros for the filters that the last group lacks",
            "other values",
        )
    if layer.weight.dtype == np.int8:
        _expect(not (layer.weight == -128).any(), "weight", "int8 values of -127..127", -128)
        _expect(layer.scale is not None, "scale", "an array, as weight is int8", None)
    if layer.scale is None:
        return
    _expect(
        layer.weight.dtype == np.int8,
        "scale",
        f"none, as weight is {layer.weight.dtype}",
        "an array",
    )
    _expect(layer.scale.dtype == np.float32, "scale", "type float32", layer.scale.dtype)
    _expect_shape("scale", layer.scale, (layer.out_channels,))
    _expect(
        bool(np.isfinite(layer.scale).all() and (layer.scale >= 0).all()),
        "scale",
        "finite values of at least 0",
        "others",
    )


def _first_drop(values: np.ndarray) -> str:
    drops = np.flatnonzero(np.diff(values) < 0)
    return f"{values[drops[0]]} before {values[drops[0] + 1]}" if drops.size else "none"


def _expect_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    _expect(array.shape == shape, name, f"shape {list(shape)}", list(array.shape))


def _expect(condition: bool | np.bool_, name: str, expected: str, found: object) -> None:
    if not condition:
        raise ValueError(f"{name}: expected {expected}, found {found}")
