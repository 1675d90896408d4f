"""Which taps of which kernels are kept, read from the zeros of dense weights."""

from __future__ import annotations

import numpy as np

from pconv_tf.fkw.layer import FILTER_BLOCKS, MAX_PATTERNS

# A block of filters counts as sharing its masks when at most one stored weight in this many is a
# zero that one of the filters did not need: a kept weight may be 0 by chance, as int8 often is.
_ACCIDENTAL_ZEROS = 50
_CHUNK = 1 << 20


def kernel_masks(weights: np.ndarray) -> np.ndarray:
    """The bit mask of non-zero taps of every kernel.

    Args:
        weights: [O, kh, kw, C], any numeric type.

    Returns:
        [O, C] of the narrowest unsigned type with kh * kw bits; 0 where a kernel is all zero.
    """
    filters, kh, kw, channels = weights.shape
    dtype = np.min_scalar_type((1 << kh * kw) - 1)
    masks = np.zeros((filters, channels), dtype)
    for bit in range(kh * kw):
        masks |= (weights[:, bit // kw, bit % kw, :] != 0).astype(dtype) << dtype.type(bit)
    return masks


def block_masks(masks: np.ndarray, filter_block: int) -> np.ndarray:
    """The union of the masks of every `filter_block` consecutive filters: [ceil(O / B), C]."""
    if filter_block == 1:
        return masks
    starts = np.arange(0, masks.shape[0], filter_block)
    return np.bitwise_or.reduceat(masks, starts, axis=0)


def count_masks(masks: np.ndarray) -> dict[int, int]:
    """How often each non-zero mask occurs, by ascending mask."""
    counts: dict[int, int] = {}
    flat = masks.reshape(-1)
    narrow = masks.dtype.itemsize <= 2
    for start in range(0, flat.size, _CHUNK):  # both ways make a wider copy: keep it small
        part = flat[start : start + _CHUNK]
        if narrow:
            numbers = np.bincount(part)
            values = np.flatnonzero(numbers)
            numbers = numbers[values]
        else:
            values, numbers = np.unique(part, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    counts.pop(0, None)
    return dict(sorted(counts.items()))


def find_filter_block(masks: np.ndarray, groups: int) -> int:
    """The largest filter block whose consecutive filters share kernels and patterns.

    A block never crosses the border of two groups of a grouped convolution, since its filters read
    other input channels.

    Args:
        masks: [O, C] kernel masks.
        groups: number of groups of the convolution.
    """
    filters = masks.shape[0]
    kept = int(np.count_nonzero(masks))
    if not kept:
        return 1
    taps = max(mask.bit_count() for mask in count_masks(masks))
    for block in sorted(FILTER_BLOCKS, reverse=True)[:-1]:
        if filters < block or (groups > 1 and filters // groups % block):
            continue
        shared = block_masks(masks, block)
        sizes = np.minimum(filters - np.arange(0, filters, block), block)
        stored = int((np.count_nonzero(shared, axis=1) * sizes).sum())
        if (stored - kept) * _ACCIDENTAL_ZEROS > kept:
            continue
        if max(mask.bit_count() for mask in count_masks(shared)) == taps:
            return block
    return 1


def find_arrangement(masks: np.ndarray, groups: int) -> np.ndarray | None:
    """The order of the filters that makes blocks of those which share all their masks.

    For layers whose filters were grouped by likeness, not by position. Filters with the same masks
    become neighbours, classes in the order of their first filters; the one class that does not fill
    its last block comes last.

    Args:
        masks: [O, C] kernel masks.
        groups: number of groups of the convolution.

    Returns:
        A permutation of the filters, or None if their own order is as good or none gives blocks.
    """
    filters = masks.shape[0]
    classes: dict[tuple[int, bytes], list[int]] = {}
    for position, row in enumerate(masks):
        # Filters of different groups read different channels, whatever their masks.
        group = position * groups // filters
        classes.setdefault((group, row.tobytes()), []).append(position)
    own = find_filter_block(masks, groups)
    for block in sorted(FILTER_BLOCKS, reverse=True):
        if block <= own:
            return None
        ragged = [members for members in classes.values() if len(members) % block]
        if len(ragged) > (groups == 1):
            continue
        full = [members for members in classes.values() if len(members) % block == 0]
        return np.array([position for members in full + ragged for position in members])
    return None


def find_blocks(masks: np.ndarray, groups: int) -> tuple[np.ndarray | None, int]:
    """The order in which filters are stored (`find_arrangement`), and the block that it gives."""
    arrangement = find_arrangement(masks, groups)
    arranged = masks if arrangement is None else masks[arrangement]
    return arrangement, find_filter_block(arranged, groups)


def find_patterns(counts: dict[int, int]) -> tuple[int, ...]:
    """The smallest pattern table read off the masks, such that every mask fits into a pattern.

    All patterns have as many taps as the fullest mask. A mask with fewer taps (a kept weight that
    happens to be 0) uses a pattern that covers it. If more patterns than the format allows were
    needed, the table is the single union of all masks.

    Args:
        counts: occurrences of each non-zero mask.

    Returns:
        Distinct masks, ascending, at least one.
    """
    if not counts:
        return (1,)
    taps = max(mask.bit_count() for mask in counts)
    table = {mask for mask in counts if mask.bit_count() == taps}
    union = 0
    for mask in counts:
        union |= mask
    for mask in sorted(counts, key=lambda m: (-m.bit_count(), m)):
        if len(table) > MAX_PATTERNS:
            return (union,)
        if not any(mask & ~pattern == 0 for pattern in table):
            table.add(_extended(mask, union, taps))
    return tuple(sorted(table)) if len(table) <= MAX_PATTERNS else (union,)


def _extended(mask: int, union: int, taps: int) -> int:
    """`mask` with the lowest further bits, those of `union` first, up to `taps` bits."""
    for bit in [b for b in range(union.bit_length()) if union >> b & 1]:
        if mask.bit_count() == taps:
            break
        mask |= 1 << bit
    return mask


def assign_patterns(counts: dict[int, int], patterns: tuple[int, ...]) -> dict[int, int]:
    """The number of the pattern that each mask uses: the most frequent one that covers it.

    Raises:
        ValueError: if a mask fits into no pattern.
    """
    by_use = sorted(range(len(patterns)), key=lambda p: (-counts.get(patterns[p], 0), p))
    ids = {}
    for mask in counts:
        covering = (p for p in by_use if mask & ~patterns[p] == 0)
        number = patterns.index(mask) if mask in patterns else next(covering, None)
        if number is None:
            raise ValueError(
                f"patterns: a kernel keeps the taps of mask {mask:#x}, which fits into"
                f" none of {[hex(p) for p in patterns]}"
            )
        ids[mask] = number
    return ids
