"""Averages of the weights that an optimizer keeps (its `use_ema`)."""

from __future__ import annotations

from typing import Any

from pconv_tf.training.frameworks import framework_of


def averages_weights(model: Any) -> bool:
    """Whether the model's optimizer averages the weights and puts the average in their place."""
    return bool(getattr(_innermost(model), "use_ema", False))


def restart_average(model: Any) -> None:
    """Lets the optimizer's averages begin anew at the present weights; does nothing without any.

    An average that reaches back past a jump of the weights mixes two different networks.
    """
    if not averages_weights(model):
        return
    averages = getattr(_innermost(model), "_model_variables_moving_average", [])
    if not averages:
        return  # The optimizer has made no step yet.
    framework = framework_of(model)
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        framework.assign(average, framework.read(variable))


def _innermost(model: Any) -> Any:
    """The optimizer itself, where one that scales the loss stands around it."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
