"""Whether ADMM brought the weights to the constraints, and what to do where it did not."""

from __future__ import annotations

from collections.abc import Mapping

from absl import logging

from pconv_tf.config import PruningConfig

# The hard prune moves the weights by about this share of their norm.
_PRIMAL = 0.3
# From here on the constraints have not settled on what they keep.
_CHANGED = 0.5


def warn_if_unconverged(values: Mapping[str, float], config: PruningConfig) -> None:
    """Warns before a hard prune that will cost much, with what helps.

    With rho * terms * learning rate / (1 - momentum) * steps between updates, far below 1, weights
    hardly follow from update to update; the duals grow instead and turn the choice over.

    Args:
        values: The last update's `pconv_primal` and `pconv_changed`.
        config: Of the run.
    """
    primal, changed = values["pconv_primal"], values["pconv_changed"]
    if primal <= _PRIMAL:
        return
    unsettled = ""
    if changed > _CHANGED:
        unsettled = f", and the last update chose {changed:.0%} of the kept weights anew"
    logging.warning(
        "%s",
        f"PConvCallback: ADMM ended with pconv_primal {primal:.2f} (converged is at most "
        f"{_PRIMAL:g}){unsettled}: the hard prune moves the weights by about that share of their "
        f"norm. Raise the last rho ({config.rho[-1]:g}), epochs_per_stage "
        f"({config.epochs_per_stage}) or the learning rate, so that weights can follow from update "
        "to update; calibration=x makes up for part of the loss",
    )
