"""The arrays of one FKW-stored convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FILTER_BLOCKS = (1, 4, 8, 16)
MAX_KERNEL = 7
MAX_PATTERNS = 255
MAX_CHANNELS = 1 << 24
MAX_STEP = 65535  # strides, dilations and pads


@dataclass(frozen=True, eq=False)
class FkwLayer:
    """A sparse convolution weight in FKW (PatDNN section 5.3), with masks shared by filter blocks.

    O output channels (filters) are stored in G = ceil(O / B) groups of B = `filter_block` filters.
    All filters of a group keep the same kernels with the same patterns. K kernels are stored per
    group, each with T weights (taps) for every filter of its group.

    Attributes:
        kernel_size: (kh, kw), each 1..7.
        in_channels: I, the number of input channels of the whole convolution.
        filter_block: B, one of 1, 4, 8, 16.
        patterns: P bit masks; bit r * kw + c stands for the tap at row r, column c.
        offset: [G + 1] unsigned, cumulative number of kernels per group.
        reorder: [O] unsigned, original output channel of the filter at each position.
        index: [K] unsigned, original input channel of each kernel.
        stride: [G, P + 1] unsigned, cumulative number of kernels per pattern inside each group.
        weight: [K, T, B] float32, float16 or int8; taps ascend by bit number.
        scale: [O] float32 in original channel order with int8 weights, otherwise None.
    """

    kernel_size: tuple[int, int]
    in_channels: int
    filter_block: int
    patterns: tuple[int, ...]
    offset: np.ndarray
    reorder: np.ndarray
    index: np.ndarray
    stride: np.ndarray
    weight: np.ndarray
    scale: np.ndarray | None = None

    @property
    def out_channels(self) -> int:
        """O, the number of filters."""
        return int(self.reorder.shape[0])

    @property
    def num_groups(self) -> int:
        """G, the number of filter groups."""
        return int(self.stride.shape[0])

    @property
    def num_kernels(self) -> int:
        """K, the number of stored kernels; each stands for up to `filter_block` filters."""
        return int(self.index.shape[0])

    @property
    def num_taps(self) -> int:
        """T, the number of weights kept in each kernel."""
        return int(self.weight.shape[1])

    @property
    def taps(self) -> np.ndarray:
        """[P, T] int64: the bit numbers of each pattern, ascending."""
        return pattern_taps(self.patterns)

    @property
    def kernels_per_pattern(self) -> np.ndarray:
        """[P] int64: how many stored kernels use each pattern."""
        return _steps(self.stride).sum(axis=0)

    def filters_in_group(self) -> np.ndarray:
        """[G] int64: the number of real filters in each group (the last may be ragged)."""
        first = np.arange(self.num_groups) * self.filter_block
        return np.minimum(self.out_channels - first, self.filter_block)

    def arrays(self) -> dict[str, np.ndarray]:
        """The stored arrays by their name in the specification, in the op's input order."""
        names = ("offset", "reorder", "index", "stride", "weight", "scale")
        return {name: array for name in names if (array := getattr(self, name)) is not None}

    def kernel_groups(self) -> np.ndarray:
        """[K] int64: the filter group of each kernel."""
        return np.repeat(np.arange(self.num_groups), _steps(self.offset))

    def kernel_patterns(self) -> np.ndarray:
        """[K] int64: the pattern number of each kernel."""
        counts = _steps(self.stride).reshape(-1)
        return np.repeat(np.tile(np.arange(len(self.patterns)), self.num_groups), counts)


def pattern_taps(patterns: tuple[int, ...]) -> np.ndarray:
    """The set bits of each mask, ascending: [P, T] int64. All masks must have the same T bits."""
    return np.array(
        [[bit for bit in range(mask.bit_length()) if mask >> bit & 1] for mask in patterns],
        np.int64,
    )


def _steps(cumulative: np.ndarray) -> np.ndarray:
    """The differences along the last axis, in a type that can be negative."""
    wide = cumulative.astype(np.int64)
    return wide[..., 1:] - wide[..., :-1]
