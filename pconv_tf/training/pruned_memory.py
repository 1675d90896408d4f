"""A model that was pruned remembers it, as long as its object lives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pconv_tf.training.fit_watch import after_next_first_step
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.plan import Plan

PRUNED_ATTRIBUTE = "_pconv_pruned"  # read by the converter, which knows nothing of training
_PLAN_ATTRIBUTE = "_pconv_pruned_plan"


def remember_pruned(model: Any, plan: Plan) -> None:
    """Keeps on `model` the share of zeros that each layer of `plan` has now."""
    # Past Keras, which would take them for parts of the model to track.
    object.__setattr__(model, PRUNED_ATTRIBUTE, _zeros(plan))
    object.__setattr__(model, _PLAN_ATTRIBUTE, plan)


def pruned_before(model: Any) -> dict[str, float]:
    """The share of zeros of each layer of `model` when it was pruned; empty if it never was."""
    return dict(getattr(model, PRUNED_ATTRIBUTE, {}))


def warn_when_zeros_go(model: Any) -> None:
    """Lets the next `fit` of a pruned `model` warn after its first step if that cost zeros.

    `fit` with `KeepZeros` or a `PConvCallback` keeps them and says nothing. Loops that call no
    train step of Keras are not heard, nor is JAX, whose `fit` holds the weights until an epoch
    ends; `convert` tells then. Does nothing for a model that was not pruned.
    """
    before, plan = pruned_before(model), getattr(model, _PLAN_ATTRIBUTE, None)
    if plan is None or framework_of(model).backend == "jax":
        return

    def look() -> None:
        now = _zeros(plan)
        losing = [name for name, share in before.items() if now[name] < share]
        if not losing:
            return
        warnings.warn(
            f"fit: this model was pruned, and one step of training without its masks has made "
            f"zeros of {len(losing)} of {len(before)} pruned layers other numbers ({losing[0]!r}: "
            f"{before[losing[0]]:.0%} zeros, now {now[losing[0]]:.0%}): nothing of the pruning is "
            "left in them. Start again from the pruned model, with "
            "callbacks=[pconv_tf.training.KeepZeros()]",
            stacklevel=2,
        )

    after_next_first_step(model, look)


def _zeros(plan: Plan) -> dict[str, float]:
    """The share of zeros of each layer now."""
    zeros: dict[str, float] = {}
    for layer in plan.layers:
        weights = layer.kernel.read()
        zeros[layer.name] = 1.0 - float(np.count_nonzero(weights)) / weights.size
    return zeros
