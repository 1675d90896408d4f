"""Pruning at once, without training: to learn a network's latency and size before the effort."""

from __future__ import annotations

from typing import TypeVar

from pconv_tf.config import ConfigLike, PruningConfig
from pconv_tf.training.plan import bind, make_plan

Model = TypeVar("Model")


def prune_one_shot(model: Model, config: ConfigLike) -> Model:
    """Projects the weights of `model` onto the constraints of `config`, in place.

    The result is the nearest model (in the Euclidean norm) that meets the constraints. Its accuracy
    is that of magnitude pruning without retraining; use `PConvCallback` to keep accuracy.

    Args:
        model: A built Keras 3 or tf_keras model.
        config: A `PruningConfig`, a mapping of its fields or the path of a YAML file.

    Returns:
        The same model.

    Raises:
        ValueError: Bad configuration, or it does not fit the model; nothing is changed then.
    """
    settings = PruningConfig.from_any(config)
    plan = bind(make_plan(model, settings), settings)
    pruned = []
    for layer in plan.layers:
        weights = layer.kernel.read()
        weights[~layer.constraint.expand(layer.constraint.project(weights))] = 0
        pruned.append(weights)
    for layer, weights in zip(plan.layers, pruned, strict=True):
        layer.kernel.write(weights)
    return model
