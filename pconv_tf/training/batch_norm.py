"""Batch normalisation statistics of a network whose weights have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.training.calibration import BATCH_SIZE, SAMPLES, Calibration
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.watching import Watcher


def recalibrate(
    model: Any, inputs: Any, *, samples: int = SAMPLES, batch_size: int = BATCH_SIZE
) -> Any:
    """Sets the moving statistics of all batch normalisation layers to those of `inputs`.

    Pruning changes what the layers read, and the stored means and variances no longer fit: most of
    what a network seems to lose by pruning without training comes from there. Layers are set in the
    order in which they run, each from the exact mean and variance over all samples.

    A batch of samples is held at a time, and what one layer reads of it.

    Args:
        model: A built Keras 3 or tf_keras model; changed in place.
        inputs: As `Calibration`: arrays or a data set, without labels.
        samples: How many are used at most.
        batch_size: Samples that are run at a time, where `inputs` are arrays.

    Returns:
        The same model.

    Raises:
        ValueError: Not a Keras model, or unusable inputs.
    """
    recalibrate_with(model, Calibration(inputs, samples=samples, batch_size=batch_size))
    return model


def recalibrate_with(model: Any, calibration: Calibration) -> None:
    """`recalibrate` with samples that are chosen already."""
    layers = norm_layers(model)
    watcher = Watcher(model)
    if layers:
        for index, calls in watcher.order(layers, calibration.first()).items():
            recalibrate_layer(watcher, layers[index], calls, calibration)


def norm_layers(model: Any) -> list[Any]:
    """All batch normalisation layers inside a model, also of nested ones."""
    framework = framework_of(model)
    found: list[Any] = []
    seen: set[int] = set()

    def visit(parent: Any) -> None:
        for layer in framework.sublayers(parent):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if isinstance(layer, framework.layers.BatchNormalization):
                found.append(layer)
            visit(layer)

    visit(model)
    return found


def recalibrate_layer(watcher: Watcher, layer: Any, calls: int, calibration: Calibration) -> None:
    """Sets one layer's moving mean and variance to those of what it reads."""
    count = 0
    mean: npt.NDArray[np.float64] | float = 0.0
    squares: npt.NDArray[np.float64] | float = 0.0  # Sum of squared distances from the mean.
    axis = layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis
    for batch in calibration.batches():
        for inputs in watcher.inputs_of(layer, calls, batch):
            values = np.moveaxis(inputs, axis, -1)
            values = values.reshape(-1, values.shape[-1])
            # Means are joined pair by pair, which loses no digits where they are far from zero.
            added = len(values)
            centre = values.mean(axis=0, dtype=np.float64)
            spread = np.square(values - centre.astype(np.float32)).sum(axis=0, dtype=np.float64)
            distance = centre - mean
            total = count + added
            squares = squares + spread + np.square(distance) * count * added / total
            mean = mean + distance * added / total
            count = total
    framework = watcher.framework
    framework.assign(layer.moving_mean, np.asarray(mean, np.float32))
    framework.assign(layer.moving_variance, np.asarray(squares / count, np.float32))
