"""The ADMM iteration of one layer (PCONV, section 4; PatDNN, section 4.2).

Minimise loss(W) so that every kernel uses one pattern of the set (auxiliary Z, scaled dual U) and
few enough kernels are non-zero (auxiliary Y, scaled dual V):

    W    minimises loss(W) + rho/2 ||W - Z + U||^2 + rho/2 ||W - Y + V||^2   (any optimizer)
    Z    = projection of W + U on the patterns,   U += W - Z
    Y    = projection of W + V on connectivity,   V += W - Y

A projection P -> Z only zeroes entries, so after U += W - Z the pair (Z, U) is P itself split by
the kept mask: Z holds the kept entries and U the others. One array and one compact support
therefore store both, and the point that the penalty pulls towards, Z - U, is P with the signs of
the dropped entries flipped. The two penalties add up to one squared distance to the mean of their
two points, plus a constant that no gradient sees.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from pconv_tf.training.projections import KernelConstraint, Support

Weights = npt.NDArray[np.float32]
ConstraintSet = Literal["pattern", "connectivity"]


@dataclasses.dataclass(frozen=True)
class Residuals:
    """Squared norms of one update, to be summed over constraints and layers.

    Attributes:
        primal: ||W - Z||^2, how far the weights are from the constraint.
        dual: ||Z - Z_before||^2, how far the auxiliary moved.
        changed: Entries that the auxiliary keeps and did not keep before.
        kept: Entries that it keeps.
    """

    primal: float = 0.0
    dual: float = 0.0
    changed: int = 0
    kept: int = 0

    def __add__(self, other: Residuals) -> Residuals:
        return Residuals(
            self.primal + other.primal,
            self.dual + other.dual,
            self.changed + other.changed,
            self.kept + other.kept,
        )


@dataclasses.dataclass
class Splitting:
    """One auxiliary variable and its scaled dual, for one of a layer's two constraint sets.

    Attributes:
        constraint: The layer's constraint sets.
        on: Which of them this is.
        support: Which entries of `point` belong to the auxiliary.
        point: float32 [kh, kw, I, O]: the auxiliary where it is kept, the dual elsewhere.
    """

    constraint: KernelConstraint
    on: ConstraintSet
    support: Support
    point: Weights

    @classmethod
    def start(
        cls, constraint: KernelConstraint, on: ConstraintSet, weights: Weights, rate: float | None
    ) -> Splitting:
        """Starts from Z = projection of `weights` and a dual of zero."""
        support = _project(constraint, on, weights, rate)
        kept = constraint.expand(support)
        return cls(constraint, on, support, np.where(kept, weights, np.float32(0)))

    def update(self, weights: Weights, rate: float | None) -> Residuals:
        """Projects W + U and updates the dual."""
        kept_before = self._kept()
        before = np.where(kept_before, self.point, np.float32(0))
        self.point = weights + (self.point - before)
        self.support = _project(self.constraint, self.on, self.point, rate)
        kept = self._kept()
        after = np.where(kept, self.point, np.float32(0))
        return Residuals(
            _energy(weights - after),
            _energy(after - before),
            int(np.count_nonzero(kept & ~kept_before)),
            int(np.count_nonzero(kept)),
        )

    def target(self) -> Weights:
        """Z - U."""
        return np.where(self._kept(), self.point, -self.point)

    def _kept(self) -> npt.NDArray[np.bool_]:
        return self.constraint.expand(self.support)


@dataclasses.dataclass
class LayerAdmm:
    """ADMM state of one layer: a splitting per active constraint set.

    A new one is made for every rho stage, so that the dual starts from zero. A dual that grew while
    a small rho left the weights where they were would otherwise dominate W + U and make the
    projections flip from update to update; the authors' later code restarts its stages too.

    Attributes:
        splittings: By constraint set, "pattern" and "connectivity"; at least one.
    """

    splittings: dict[ConstraintSet, Splitting]

    @classmethod
    def start(
        cls, constraint: KernelConstraint, weights: Weights, scheduled_rate: float | None = None
    ) -> LayerAdmm:
        """Starts at `weights`.

        Args:
            constraint: The layer's constraint sets.
            weights: float32 [kh, kw, I, O].
            scheduled_rate: The current connectivity rate where it changes over time; connectivity
                is then active even while this is 1.
        """
        active: list[ConstraintSet] = []
        if constraint.patterns is not None:
            active.append("pattern")
        if constraint.rate > 1 or scheduled_rate is not None:
            active.append("connectivity")
        return cls({on: Splitting.start(constraint, on, weights, scheduled_rate) for on in active})

    @property
    def terms(self) -> int:
        """Number of penalty terms: the penalty is rho * terms/2 * ||W - target||^2 + constant."""
        return len(self.splittings)

    def update(self, weights: Weights, rate: float | None = None) -> Residuals:
        """One auxiliary and dual update; `rate` overrides the layer's connectivity rate."""
        total = Residuals()
        for splitting in self.splittings.values():
            total += splitting.update(weights, rate)
        return total

    def target(self) -> Weights:
        """The point that the penalty pulls the weights towards, float32 [kh, kw, I, O]."""
        targets = [splitting.target() for splitting in self.splittings.values()]
        return targets[0] if len(targets) == 1 else (targets[0] + targets[1]) * np.float32(0.5)


def _project(
    constraint: KernelConstraint, on: ConstraintSet, weights: Weights, rate: float | None
) -> Support:
    if on == "pattern":
        return constraint.project_pattern(weights)
    return constraint.project_connectivity(weights, rate)


def _energy(array: Weights) -> float:
    return float(np.vdot(array, array))
