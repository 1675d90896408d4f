"""The closed-form fit of a layer's kept weights to wanted outputs, from sums over samples."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]

# Keeps the fit where it was in directions that the samples say nothing about. Relative to the mean
# energy of the inputs, it is far below what moves a well determined weight.
RIDGE = 1e-4
_CHUNK = 4096  # Rows that are summed in float32 before they join a float64 sum.


@dataclasses.dataclass
class NormalEquations:
    """Sums from which least squares are solved, so that no sample needs to be kept.

    Attributes:
        gram: float64 [groups, n, n], the sum of x x^T over positions.
        wanted: float64 [groups, n, O / groups], the sum of x y^T.
        inputs: float64 [groups, n, 1], the sum of x.
        outputs: float64 [groups, 1, O / groups], the sum of y.
        positions: How many output positions were summed.
    """

    gram: Sums
    wanted: Sums
    inputs: Sums
    outputs: Sums
    positions: int = 0

    @classmethod
    def empty(cls, groups: int, unknowns: int, filters: int) -> NormalEquations:
        """Sums of nothing, for `filters` filters per group."""
        return cls(
            np.zeros((groups, unknowns, unknowns)),
            np.zeros((groups, unknowns, filters)),
            np.zeros((groups, unknowns, 1)),
            np.zeros((groups, 1, filters)),
        )

    def add(self, inputs: Array, outputs: Array) -> None:
        """Adds positions: float32 [groups, positions, n] and [groups, positions, O / groups]."""
        for start in range(0, inputs.shape[1], _CHUNK):
            x = inputs[:, start : start + _CHUNK]
            y = outputs[:, start : start + _CHUNK]
            transposed = np.ascontiguousarray(x.transpose(0, 2, 1))
            self.gram += transposed @ x
            self.wanted += transposed @ y
            self.inputs += x.sum(axis=1, dtype=np.float64)[..., None]
            self.outputs += y.sum(axis=1, dtype=np.float64)[:, None]
        self.positions += inputs.shape[1]

    def centre(self) -> None:
        """Makes the products those of x and y less their means, for weights beside a constant."""
        mean = self.inputs / self.positions
        self.gram -= mean @ self.inputs.transpose(0, 2, 1)
        self.wanted -= mean @ self.outputs

    def constant(self, weights: Array) -> Array:
        """The constant that fits best beside weights: float32 [groups, 1, O / groups]."""
        rest = self.outputs - self.inputs.transpose(0, 2, 1) @ weights
        return np.asarray(rest / self.positions, np.float32)

    def solve(self, weights: Array, kept: npt.NDArray[np.bool_], ridge: float = RIDGE) -> Array:
        """The kept weights that bring the outputs nearest to the wanted ones.

        Minimises, filter by filter, the squared error plus ridge * mean(diag G) * the squared
        distance from `weights`. Filters of equal support share a factorisation.

        Args:
            weights: float32 [groups, n, O / groups], where the fit starts.
            kept: bool of that shape; every other weight stays as it is, which should be zero.
            ridge: See above.

        Returns:
            float32 of that shape. A filter whose error would not fall stays as it was.
        """
        fitted = weights.copy()
        for group in range(len(self.gram)):
            supports: dict[bytes, list[int]] = {}
            for i, mask in enumerate(np.packbits(kept[group], axis=0).T):
                supports.setdefault(mask.tobytes(), []).append(i)
            for members in supports.values():
                at = np.flatnonzero(kept[group, :, members[0]])
                if at.size:
                    self._solve_support(group, at, np.array(members), fitted, ridge)
        return fitted

    def _solve_support(
        self,
        group: int,
        at: npt.NDArray[np.intp],
        members: npt.NDArray[np.intp],
        fitted: Array,
        ridge: float,
    ) -> None:
        gram = self.gram[group][np.ix_(at, at)]
        before = fitted[group][np.ix_(at, members)].astype(np.float64)
        # What is left of the wanted outputs; the step from there needs no constant.
        slope = self.wanted[group][np.ix_(at, members)] - gram @ before
        damped = gram + ridge * gram.diagonal().mean() * np.eye(at.size)
        try:
            step = np.linalg.solve(damped, slope)
        except np.linalg.LinAlgError:
            return
        after = (before + step).astype(np.float32)
        step = after - before
        change = np.einsum("nf,nf->f", step, gram @ step - 2 * slope)
        better = np.isfinite(after).all(axis=0) & (change < 0)
        fitted[group][np.ix_(at, members[better])] = after[:, better]
