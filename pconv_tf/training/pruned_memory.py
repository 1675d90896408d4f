"""A model that was pruned remembers it, as long as its object lives."""

from __future__ import annotations

from typing import Any

import numpy as np

from pconv_tf.training.plan import Plan

PRUNED_ATTRIBUTE = "_pconv_pruned"  # read by the converter, which knows nothing of training


def remember_pruned(model: Any, plan: Plan) -> None:
    """Keeps on `model` the share of zeros that each layer of `plan` has now."""
    zeros = {}
    for layer in plan.layers:
        weights = layer.kernel.read()
        zeros[layer.name] = 1 - np.count_nonzero(weights) / weights.size
    # Past Keras, which would take it for a part of the model to track.
    object.__setattr__(model, PRUNED_ATTRIBUTE, zeros)


def pruned_before(model: Any) -> dict[str, float]:
    """The share of zeros of each layer of `model` when it was pruned; empty if it never was."""
    return dict(getattr(model, PRUNED_ATTRIBUTE, {}))
