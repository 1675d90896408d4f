"""Pruning at once, without training: to learn a network's latency and size before the effort."""

from __future__ import annotations

from typing import Any, TypeVar

from pconv_tf.config import ConfigLike, PruningConfig
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.plan import bind, make_plan
from pconv_tf.training.pruned_memory import remember_pruned, warn_when_zeros_go
from pconv_tf.training.refitting import DenseWeights, refit_to
from pconv_tf.training.saliency import input_scales, require_samples, salient

Model = TypeVar("Model")


def prune_one_shot(model: Model, config: ConfigLike, *, calibration: Any = None) -> Model:
    """Projects the weights of `model` onto the constraints of `config`, in place.

    The result is the nearest model (in the Euclidean norm) that meets the constraints, unless
    `saliency: activation` of the configuration weighs each weight by what it reads. Its accuracy
    is that of magnitude pruning without retraining. With `calibration` the kept weights then make
    up for the removed ones as well as they can without training (see `pconv_tf.refit`). Use
    `PConvCallback` to keep accuracy.

    Args:
        model: A built Keras 3 or tf_keras model.
        config: A `PruningConfig`, a mapping of its fields or the path of a YAML file.
        calibration: Inputs without labels, as `pconv_tf.training.Calibration` takes them, for the
            refit, for the statistics of batch normalisation and for `saliency: activation`; None
            projects only.

    Returns:
        The same model.

    Raises:
        ValueError: Bad configuration, or it does not fit the model, or unusable inputs; nothing is
            changed then.
    """
    settings = PruningConfig.from_any(config)
    samples = None if calibration is None else Calibration.of(calibration)
    require_samples(settings, samples)
    plan, scales = make_plan(model, settings), {}
    if samples is not None and settings.saliency == "activation":
        scales = input_scales(model, [layer.kernel for layer in plan.layers], samples)
    plan = bind(plan, settings, scales)
    masks, pruned = {}, []
    for layer in plan.layers:
        weights = layer.kernel.read()
        judged = salient(layer.kernel, weights, scales)
        mask = layer.constraint.expand(layer.constraint.project(judged))
        weights[~mask] = 0
        masks[layer.name] = mask
        pruned.append(weights)
    dense = None if samples is None else DenseWeights(model)
    for layer, weights in zip(plan.layers, pruned, strict=True):
        layer.kernel.write(weights)
    if samples is not None and dense is not None:
        refit_to(model, dense, samples, masks)
    remember_pruned(model, plan)
    warn_when_zeros_go(model)
    return model
