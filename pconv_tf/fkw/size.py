"""What a layer takes in FKW, without encoding it."""

from __future__ import annotations

import dataclasses

import numpy as np

from pconv_tf.fkw import masks as mask_tools


@dataclasses.dataclass(frozen=True)
class EncodedSize:
    """What `encode` makes of a layer.

    Attributes:
        filter_block: Filters that are stored together.
        num_bytes: Bytes of all arrays.
    """

    filter_block: int
    num_bytes: int


def encoded_size(kept: np.ndarray, *, groups: int = 1, weight_bytes: int = 4) -> EncodedSize:
    """The size of what `encode` makes of weights whose zeros lie so.

    Args:
        kept: [O, kh, kw, I / groups] numeric or bool; zeros are what was pruned.
        groups: Number of groups of the convolution.
        weight_bytes: Bytes of a stored weight.
    """
    filters, _, _, channels = kept.shape
    masks = mask_tools.kernel_masks(kept)
    arrangement, block = mask_tools.find_blocks(masks, groups)
    if arrangement is not None:
        masks = masks[arrangement]
    masks = mask_tools.block_masks(masks, block)
    patterns = mask_tools.find_patterns(mask_tools.count_masks(masks))
    row, channel = np.nonzero(masks)
    first_channel = row * block // (filters // groups) * channels
    per_row = np.bincount(row, minlength=len(masks))

    def integers(count: int, largest: int) -> int:
        return count * np.min_scalar_type(largest).itemsize

    return EncodedSize(
        block,
        integers(len(masks) + 1, len(row))
        + integers(filters, filters - 1)
        + integers(len(row), int((channel + first_channel).max(initial=0)))
        + integers(len(masks) * (len(patterns) + 1), int(per_row.max(initial=0)))
        + len(row) * patterns[0].bit_count() * block * weight_bytes,
    )
