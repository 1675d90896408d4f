"""Dense weights to FKW, with filter kernel reorder (FKR)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pconv_tf.fkw import masks as mask_tools
from pconv_tf.fkw.layer import FILTER_BLOCKS, MAX_KERNEL, FkwLayer, pattern_taps
from pconv_tf.fkw.validate import check_patterns


def encode(
    weights: np.ndarray,
    *,
    groups: int = 1,
    patterns: Sequence[int] | None = None,
    filter_block: int | None = None,
    scale: np.ndarray | None = None,
) -> FkwLayer:
    """Encodes dense weights; `decode` gives back exactly what came in.

    FKR (PatDNN section 5.2): filter groups are sorted by their number of kernels, ascending and
    stable (a ragged last group stays last); inside a group kernels are sorted by pattern, then by
    input channel. The result depends on nothing but the arguments.

    Args:
        weights: [O, kh, kw, I / groups] float32, float16 or int8; zeros are what was pruned.
        groups: number of groups of the convolution; `in_channels` for a depthwise one, whose
            weights are passed as [O, kh, kw, 1].
        patterns: bit masks to use as the pattern table; by default read off the zeros.
        filter_block: consecutive filters stored together, 1, 4, 8 or 16; by default the largest
            whose filters share kernels and patterns, be they consecutive or not.
        scale: [O] float32, the scale of each filter; exactly with int8 weights.

    Raises:
        ValueError: names the argument that does not fit.
    """
    weights = np.asarray(weights)
    _check_arguments(weights, groups, filter_block, scale)
    filters, kh, kw, channels = weights.shape

    masks = mask_tools.kernel_masks(weights)
    arrangement, block = None, filter_block
    if block is None:
        arrangement, block = mask_tools.find_blocks(masks, groups)
    if arrangement is not None:
        weights, masks = weights[arrangement], masks[arrangement]
    if groups > 1 and filters // groups % block:
        raise ValueError(
            f"filter_block: {block} does not divide the {filters // groups} filters of"
            f" each of the {groups} groups"
        )
    masks = mask_tools.block_masks(masks, block)
    counts = mask_tools.count_masks(masks)
    table = mask_tools.find_patterns(counts) if patterns is None else tuple(map(int, patterns))
    check_patterns(table, (kh, kw))
    pattern_of = mask_tools.assign_patterns(counts, table)

    order = _group_order(np.count_nonzero(masks, axis=1), ragged=bool(filters % block))
    masks = masks[order]
    row, channel = np.nonzero(masks)
    pattern = _look_up(masks[row, channel], pattern_of)
    key = row * len(table) + pattern
    if len(table) > 1:
        sequence = np.argsort(key, kind="stable")
        row, channel, pattern = row[sequence], channel[sequence], pattern[sequence]
    per_pattern = np.bincount(key, minlength=len(order) * len(table)).reshape(len(order), -1)

    reorder = (order[:, None] * block + np.arange(block)).reshape(-1)[:filters]
    if arrangement is not None:
        reorder = arrangement[reorder]
    first_channel = order * block // (filters // groups) * channels
    return FkwLayer(
        kernel_size=(kh, kw),
        in_channels=channels * groups,
        filter_block=block,
        patterns=table,
        offset=narrow(np.concatenate([[0], np.cumsum(per_pattern.sum(axis=1))])),
        reorder=narrow(reorder),
        index=narrow(channel + first_channel[row]),
        stride=narrow(np.pad(np.cumsum(per_pattern, axis=1), ((0, 0), (1, 0)))),
        weight=_gather(weights, order[row] * block, channel, pattern_taps(table)[pattern], block),
        scale=None if scale is None else np.asarray(scale, np.float32),
    )


def narrow(values: np.ndarray) -> np.ndarray:
    """The same values in the narrowest of uint8, uint16 and uint32.

    Raises:
        ValueError: if a value does not fit into 32 bits.
    """
    largest = int(values.max(initial=0))
    dtype = np.min_scalar_type(largest)
    if dtype.itemsize > 4:
        raise ValueError(f"a layer of {largest} kernels is too large: FKW counts in 32 bits")
    return np.ascontiguousarray(values, dtype)


def _check_arguments(
    weights: np.ndarray, groups: int, filter_block: int | None, scale: np.ndarray | None
) -> None:
    if weights.ndim != 4 or 0 in weights.shape:
        raise ValueError(f"weights: expected a non-empty [O, kh, kw, I], found {weights.shape}")
    if max(weights.shape[1:3]) > MAX_KERNEL:
        raise ValueError(
            f"weights: kernels of up to {MAX_KERNEL}x{MAX_KERNEL} can be stored, found"
            f" {weights.shape[1]}x{weights.shape[2]}"
        )
    if weights.dtype not in (np.float32, np.float16, np.int8):
        raise ValueError(f"weights: expected float32, float16 or int8, found {weights.dtype}")
    if groups < 1 or weights.shape[0] % groups:
        raise ValueError(f"groups: {groups} does not divide {weights.shape[0]} filters")
    if filter_block is not None and filter_block not in FILTER_BLOCKS:
        raise ValueError(f"filter_block: expected one of {FILTER_BLOCKS}, found {filter_block}")
    if (scale is not None) != (weights.dtype == np.int8):
        raise ValueError(
            f"scale: needed with int8 weights and only then, weights are {weights.dtype}"
        )
    if scale is not None and np.shape(scale) != (weights.shape[0],):
        raise ValueError(f"scale: expected shape ({weights.shape[0]},), found {np.shape(scale)}")


def _group_order(lengths: np.ndarray, *, ragged: bool) -> np.ndarray:
    movable = lengths[:-1] if ragged else lengths
    order = np.argsort(movable, kind="stable")
    return np.append(order, len(movable)) if ragged else order


def _look_up(masks: np.ndarray, pattern_of: dict[int, int]) -> np.ndarray:
    known = np.array(sorted(pattern_of), masks.dtype)
    numbers = np.array([pattern_of[mask] for mask in sorted(pattern_of)], np.int64)
    if len(known) == 1:
        return np.full(masks.shape, numbers[0])
    return numbers[np.searchsorted(known, masks)]


def _gather(
    weights: np.ndarray, first_filter: np.ndarray, channel: np.ndarray, taps: np.ndarray, block: int
) -> np.ndarray:
    """The kept weights [K, T, B]; filters that a ragged last group lacks get zeros."""
    filters, kh, kw, channels = weights.shape
    flat = np.ascontiguousarray(weights).reshape(-1)
    gathered = np.empty((len(channel), taps.shape[1], block), weights.dtype)
    for member in range(block):
        filter_ = first_filter + member
        start = np.minimum(filter_, filters - 1) * (kh * kw * channels) + channel
        for tap in range(taps.shape[1]):
            gathered[:, tap, member] = flat[start + taps[:, tap] * channels]
        if filters % block:
            gathered[filter_ >= filters, :, member] = 0
    return gathered
