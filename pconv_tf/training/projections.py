"""Euclidean projections of a layer's weights onto its pattern and connectivity constraints.

Weights are float32 [kh, kw, I, O] throughout: I input channels that one filter sees, O filters.
With `block` > 1, groups of that many filters share pattern and connectivity; G is the number of
groups. A projection keeps some weights and zeroes the others, so it is the nearest point of the
constraint set exactly when the kept weights have the largest possible energy (sum of squares).
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from pconv_tf.training.patterns import PatternSet

Weights = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Support:
    """Which weights a projection keeps, stored per kernel instead of per weight.

    Attributes:
        pattern: uint8 [I, G], the index of each kernel's pattern; None where all taps are kept.
        kept: bool [I, G], whether the kernel is kept at all; None where every kernel is.
    """

    pattern: npt.NDArray[np.uint8] | None
    kept: npt.NDArray[np.bool_] | None


@dataclasses.dataclass(frozen=True)
class KernelConstraint:
    """The constraint sets of one layer.

    Attributes:
        shape: (kh, kw, I, O).
        patterns: The layer's pattern set, or None for connectivity only.
        rate: Connectivity rate: 1/rate of the kernels are kept.
        balance: "layer" ranks all kernels of the layer; "filter" keeps equally many per filter.
        block: Filters that share pattern and connectivity.
        order: Permutation of the filters before they are cut into blocks; None for the identity.
        unit: Neighbouring input channels whose kernels are kept or dropped together.
    """

    shape: tuple[int, int, int, int]
    patterns: PatternSet | None
    rate: float
    balance: Literal["layer", "filter"] = "layer"
    block: int = 1
    order: npt.NDArray[np.intp] | None = None
    unit: int = 1

    @property
    def groups(self) -> int:
        """Number of filter groups, the last of which may be smaller than `block`."""
        return -(-self.shape[3] // self.block)

    @property
    def ranked(self) -> int:
        """Kernels (of groups and units) that are ranked together, 1/rate of which are kept."""
        units = -(-self.shape[2] // self.unit)
        return units if self.balance == "filter" else units * self.groups

    def project_pattern(self, weights: Weights) -> Support:
        """Assigns to every kernel the pattern that keeps most of its energy."""
        return Support(self._assign(self.tap_energy(weights))[0], None)

    def project_connectivity(self, weights: Weights, rate: float | None = None) -> Support:
        """Keeps the kernels of largest L2 norm, 1/rate of them (default: the layer's rate)."""
        energy = self.tap_energy(weights).sum(axis=0)
        return Support(None, self._select(energy, self.rate if rate is None else rate))

    def project(self, weights: Weights, rate: float | None = None) -> Support:
        """Projects onto both constraints at once.

        Kernels are ranked by the energy that is left under their best pattern, which is what makes
        the result the nearest point of the intersection.
        """
        energy = self.tap_energy(weights)
        pattern, kernel_energy = None, energy.sum(axis=0)
        if self.patterns is not None:
            pattern, kernel_energy = self._assign(energy)
        return Support(pattern, self._select(kernel_energy, self.rate if rate is None else rate))

    def pattern_counts(self, weights: Weights) -> npt.NDArray[np.int64]:
        """By pattern, how many of the kernels with a non-zero weight it suits best: int64 [P]."""
        assert self.patterns is not None
        energy = self.tap_energy(weights)
        remaining = energy.any(axis=0)
        starts = np.arange(0, self.shape[3], self.block)
        sharing = np.diff(starts, append=self.shape[3])  # filters of each group
        return np.bincount(
            self._assign(energy)[0][remaining],
            weights=np.broadcast_to(sharing, remaining.shape)[remaining],
            minlength=len(self.patterns),
        ).astype(np.int64)

    def expand(self, support: Support) -> npt.NDArray[np.bool_]:
        """`support` as a mask of the weights: bool [kh, kw, I, O]."""
        kh, kw, channels, filters = self.shape
        mask = np.ones((kh * kw, channels, self.groups), dtype=bool)
        if support.pattern is not None:
            assert self.patterns is not None
            table = self.patterns.masks.reshape(len(self.patterns), -1).T
            mask = table[:, support.pattern]
        if support.kept is not None:
            mask = mask & support.kept
        if self.block > 1:
            mask = np.repeat(mask, self.block, axis=2)[:, :, :filters]
        if self.order is not None:
            restored = np.empty_like(mask)
            restored[:, :, self.order] = mask
            mask = restored
        return mask.reshape(self.shape)

    def tap_energy(self, weights: Weights) -> Weights:
        """Squared weights, summed over the filters of a group: float32 [kh * kw, I, G]."""
        kh, kw, channels, filters = self.shape
        energy = np.square(weights, dtype=np.float32).reshape(kh * kw, channels, filters)
        if self.order is not None:
            energy = energy[:, :, self.order]
        if self.block == 1:
            return energy
        starts = np.arange(0, filters, self.block)
        return np.add.reduceat(energy, starts, axis=2)

    def _assign(self, energy: Weights) -> tuple[npt.NDArray[np.uint8], Weights]:
        assert self.patterns is not None
        table = self.patterns.masks.reshape(len(self.patterns), -1).astype(np.float32)
        kept = (table @ energy.reshape(energy.shape[0], -1)).reshape(-1, *energy.shape[1:])
        pattern = np.argmax(kept, axis=0)
        best = np.take_along_axis(kept, pattern[None], axis=0)[0]
        return pattern.astype(np.uint8), best

    def _select(self, energy: Weights, rate: float) -> npt.NDArray[np.bool_] | None:
        if rate == 1:
            return None
        keep = kept_kernels(self.ranked, rate)
        channels = energy.shape[0]
        if self.unit > 1:
            energy = np.add.reduceat(energy, np.arange(0, channels, self.unit), axis=0)
        selected = self._largest(energy, keep)
        return selected if self.unit == 1 else np.repeat(selected, self.unit, axis=0)[:channels]

    def _largest(self, energy: Weights, keep: int) -> npt.NDArray[np.bool_]:
        if self.balance == "filter":
            selected = np.zeros(energy.shape, dtype=bool)
            largest = np.argpartition(-energy, keep - 1, axis=0)[:keep]
            np.put_along_axis(selected, largest, True, axis=0)
            return selected
        flat = np.zeros(energy.size, dtype=bool)
        flat[np.argpartition(-energy.ravel(), keep - 1)[:keep]] = True
        return flat.reshape(energy.shape)


def kept_kernels(kernels: int, rate: float) -> int:
    """How many of `kernels` a rate keeps: the nearest integer to kernels / rate.

    Raises:
        ValueError: Nothing would be left.
    """
    keep = int(kernels / rate + 0.5)
    if keep < 1:
        raise ValueError(f"rate {rate:g} keeps none of {kernels} kernels")
    return keep
