"""Keras models with random sparse weights, pruned without the training code."""

from __future__ import annotations

from typing import Any

import numpy as np


def prune(model: Any, rng: np.random.Generator, *, rate: float = 3.6, patterns: int = 8) -> Any:
    """Gives every kernel of a Keras model random zeros, and every other weight random values.

    Square kernels keep half their taps in one of a few patterns; depthwise ones keep all kernels.
    """
    for weight in model.weights:
        name = getattr(weight, "path", weight.name)
        value = np.array(weight)
        if "kernel" in name and value.ndim in (2, 4):
            weight.assign(value * _mask(value.shape, rng, rate, patterns, "depthwise" in name))
        elif value.ndim == 1 and value.size:
            weight.assign(rng.uniform(0.5, 1.5, value.shape).astype(np.float32))
    return model


def _mask(
    shape: tuple[int, ...], rng: np.random.Generator, rate: float, patterns: int, depthwise: bool
) -> np.ndarray:
    if len(shape) == 2 or shape[:2] == (1, 1):
        return (rng.random(shape) < 1 / rate).astype(np.float32)
    taps = shape[0] * shape[1]
    table = np.zeros((patterns, taps), np.float32)
    for row in table:
        row[rng.choice(taps, taps // 2, replace=False)] = 1
    kept = rng.random((*shape[2:], 1)) < (1.0 if depthwise else 1 / rate)
    masks = table[rng.integers(0, patterns, shape[2:])] * kept
    return masks.transpose(2, 0, 1).reshape(shape)


def small_net(keras: Any, rng: np.random.Generator, *, size: int = 12) -> Any:
    """One of each kind of layer that becomes a PConv2D, pruned."""
    layers = keras.layers
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="first")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(24, 3, strides=2, activation="relu6", name="strided")(x)
    x = layers.Conv2D(24, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.ReLU(name="relu_dilated")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(32, 1, activation="relu", name="pointwise")(x)
    x = layers.Conv2D(16, 5, padding="valid", name="large")(x)
    x = layers.Flatten(name="flat")(x)
    return prune(keras.Model(inputs, layers.Dense(10, name="top")(x), name="net"), rng)
