"""Sets of sparse convolution patterns (SCPs): which taps a kernel may keep.

A pattern is a binary mask over the kh x kw taps of one kernel; every pattern of a set keeps equally
many taps. Different kernels of a layer may use different patterns of the layer's set.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.config import Mask

# PCONV, equation 12: the centre and three of its four neighbours. The "enhanced Laplacian of
# Gaussian" filter has its weight on the plus-shaped five taps; interpolating it over layers keeps
# each arm with probability 0.75, which is three arms of four.
_PCONV4 = (".X. XXX ...", ".X. XX. .X.", "... XXX .X.", ".X. .XX .X.")
# The four 2x2 corners that contain the centre: what mining finds on trained VGG-16.
_SQUARES4 = ("... .XX .XX", "XX. XX. ...", "... XX. XX.", ".XX .XX ...")

# Above this many candidates hardly two kernels agree on their best one, so counting says nothing.
_COUNTABLE = 1000
_REFINEMENTS = 20


@dataclasses.dataclass(frozen=True, eq=False)
class PatternSet:
    """An ordered set of patterns of one kernel size.

    Attributes:
        masks: bool [P, kh, kw], True where a tap is kept; all rows distinct, with equal sums.
    """

    masks: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.masks.ndim != 3 or self.masks.dtype != np.bool_ or self.masks.shape[0] == 0:
            raise ValueError(
                "masks: expected a bool array [patterns, kh, kw]. "
                f"Received: {self.masks.dtype} {self.masks.shape}"
            )
        if len({int(mask.sum()) for mask in self.masks}) > 1:
            raise ValueError("masks: every pattern of a set must keep equally many taps")

    def __len__(self) -> int:
        return len(self.masks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatternSet) and np.array_equal(self.masks, other.masks)

    @property
    def kernel_size(self) -> tuple[int, int]:
        """(kh, kw)."""
        return self.masks.shape[1], self.masks.shape[2]

    @property
    def entries(self) -> int:
        """Taps kept by each pattern."""
        return int(self.masks[0].sum())

    @property
    def bits(self) -> list[int]:
        """Each pattern as an integer: bit r * kw + c is set where tap (r, c) is kept."""
        return [mask_integer(mask) for mask in self.masks]

    def __str__(self) -> str:
        """The patterns drawn side by side with "X" and "."."""
        rows = range(self.kernel_size[0])
        return "\n".join(
            "  ".join("".join("X" if tap else "." for tap in mask[r]) for mask in self.masks)
            for r in rows
        )


def fixed_set(name: str) -> PatternSet:
    """The set named "pconv4" or "squares4" (3x3, four taps each).

    Raises:
        ValueError: There is no set of that name.
    """
    drawings = {"pconv4": _PCONV4, "squares4": _SQUARES4}
    if name not in drawings:
        raise ValueError(f"pattern set: expected one of {', '.join(drawings)}. Received: {name!r}")
    return explicit_set(
        tuple(tuple(int(c == "X") for c in row) for row in drawing.split())
        for drawing in drawings[name]
    )


def explicit_set(masks: Iterable[Mask]) -> PatternSet:
    """The set with exactly these masks, in this order."""
    return PatternSet(np.array(list(masks), dtype=bool))


def candidate_count(kernel_size: tuple[int, int], entries: int, centre: bool) -> int:
    """How many patterns of `entries` taps exist; with `centre`, those that keep the centre tap.

    3x3 with 4 entries: 56 with the centre (PatDNN's natural patterns), 126 in all.
    """
    taps = kernel_size[0] * kernel_size[1]
    return math.comb(taps - 1, entries - 1) if centre else math.comb(taps, entries)


def mine(
    energies: Sequence[npt.NDArray[np.float32]],
    kernel_size: tuple[int, int],
    count: int,
    entries: int,
    *,
    centre: bool = True,
) -> PatternSet:
    """Mines the `count` patterns that serve a network's kernels best (PatDNN, section 4.1).

    Every kernel votes for the candidate that keeps most of its energy, and the candidates with most
    votes win. For large kernels, where nearly every vote differs, the winners only start a
    refinement that alternates assignment and re-selection of taps; it never lowers the kept energy.

    Args:
        energies: For every layer float32 [kh * kw, N], the squared taps of its N kernels (or sums
            over kernels that share a pattern). Layers are taken one at a time, so that no other
            array is as large as all of them together.
        kernel_size: (kh, kw).
        count: Patterns wanted. Fewer come back when the kernels vote for fewer.
        entries: Taps kept by a pattern.
        centre: Whether every pattern keeps the centre tap; has no effect on even kernel sizes,
            which have none.

    Raises:
        ValueError: More patterns are asked for than candidates exist, or there is no kernel.
    """
    centre = centre and kernel_size[0] % 2 == 1 and kernel_size[1] % 2 == 1
    candidates = candidate_count(kernel_size, entries, centre)
    size = f"{kernel_size[0]}x{kernel_size[1]}"
    if count > candidates:
        raise ValueError(
            f"pattern_set: natural{count} asks for more patterns than the {candidates} candidates "
            f"of {entries} taps in a {size} kernel"
        )
    if not any(energy.shape[1] for energy in energies):
        raise ValueError(f"pattern_set: no {size} kernel to mine patterns from")
    votes = [mask_bits(top_taps(energy, kernel_size, entries, centre)) for energy in energies]
    bits, frequency = np.unique(np.concatenate(votes), return_counts=True)
    # A stable sort of ascending bit masks: ties go to the smaller one on every machine.
    masks = _masks_of(bits[np.argsort(-frequency, kind="stable")[:count]], math.prod(kernel_size))
    if candidates > _COUNTABLE:
        masks = _refine(energies, masks, kernel_size, entries, centre)
    return PatternSet(np.ascontiguousarray(masks.T).reshape(-1, *kernel_size))


def top_taps(
    energy: npt.NDArray[np.floating[Any]], kernel_size: tuple[int, int], entries: int, centre: bool
) -> npt.NDArray[np.bool_]:
    """For each column of `energy` [kh * kw, N], the mask of its `entries` largest taps."""
    ranked = energy
    if centre:
        ranked = energy.copy()
        ranked[(kernel_size[0] // 2) * kernel_size[1] + kernel_size[1] // 2] = np.inf
    order = np.argsort(-ranked, axis=0, kind="stable")[:entries]
    mask = np.zeros(energy.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=0)
    return mask


def mask_integer(mask: npt.NDArray[np.bool_]) -> int:
    """A mask of any size as an integer, tap t being bit t."""
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def mask_bits(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Columns of a bool array [kh * kw, N] as integers, tap t being bit t; at most 62 taps."""
    return (np.int64(1) << np.arange(masks.shape[0], dtype=np.int64)) @ masks


def _masks_of(bits: npt.NDArray[np.int64], taps: int) -> npt.NDArray[np.bool_]:
    return (bits[None, :] >> np.arange(taps, dtype=np.int64)[:, None] & 1).astype(bool)


def _refine(
    energies: Sequence[npt.NDArray[np.float32]],
    masks: npt.NDArray[np.bool_],
    kernel_size: tuple[int, int],
    entries: int,
    centre: bool,
) -> npt.NDArray[np.bool_]:
    for _ in range(_REFINEMENTS):
        totals = np.zeros(masks.shape)  # By pattern, the energy of the kernels that it suits best.
        used = np.zeros(masks.shape[1], dtype=bool)
        for energy in energies:
            nearest = np.argmax(masks.T.astype(np.float32) @ energy, axis=0)
            for p in np.unique(nearest):
                totals[:, p] += energy[:, nearest == p].sum(axis=1)
                used[p] = True
        refined = np.unique(mask_bits(top_taps(totals[:, used], kernel_size, entries, centre)))
        if np.array_equal(refined, np.sort(mask_bits(masks))):
            break
        masks = _masks_of(refined, masks.shape[0])
    return masks
