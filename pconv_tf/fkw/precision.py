"""Changing the type in which kept weights are stored."""

from __future__ import annotations

import dataclasses

import numpy as np

from pconv_tf.fkw.layer import FkwLayer

_MOST_CHANGE = 0.01  # of the norm of the weights; plain rounding to float16 changes it by 0.0003


def cast_weights(layer: FkwLayer, dtype: str) -> FkwLayer:
    """The float32 `layer` with its weights stored as float32, float16 or int8.

    int8 is symmetric per filter: w = q * scale, q in -127..127, scale = max |w| / 127. float16
    rounds to 0 what is below 3e-8; a few such weights among larger ones do no harm.

    Raises:
        ValueError: if `dtype` is unknown, a weight is not finite in it, or the weights as a whole
            are too small for float16: its rounding would change them by more than 1 %.
    """
    if layer.weight.dtype != np.float32:
        raise ValueError(f"weight: expected float32, found {layer.weight.dtype}")
    if dtype == "float32":
        return layer
    if dtype == "float16":
        with np.errstate(over="ignore"):
            half = layer.weight.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError("weight: a value is not finite or too large for float16")
        largest = np.abs(layer.weight).max(initial=0) or np.float32(1)
        change = np.linalg.norm((half - layer.weight) / largest)
        if change > _MOST_CHANGE * np.linalg.norm(layer.weight / largest):
            lost = np.count_nonzero(layer.weight) - np.count_nonzero(half)
            raise ValueError(
                f"weight: values up to {largest:.1e} are too small for float16,"
                f" which would make {lost} of {layer.weight.size} zero; use float32 or int8"
            )
        return dataclasses.replace(layer, weight=half)
    if dtype == "int8":
        return _to_int8(layer)
    raise ValueError(f"weights: expected float32, float16 or int8, found {dtype!r}")


def _to_int8(layer: FkwLayer) -> FkwLayer:
    if not np.isfinite(layer.weight).all():
        raise ValueError("weight: a value is not finite, it cannot be stored as int8")
    starts = layer.offset[:-1].astype(np.int64)
    filled = np.diff(layer.offset.astype(np.int64)) > 0
    largest = np.zeros((layer.num_groups, layer.filter_block), np.float32)
    if filled.any():
        per_kernel = np.abs(layer.weight).max(axis=1)
        largest[filled] = np.maximum.reduceat(per_kernel, starts[filled], axis=0)
    steps = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    quantized = np.rint(layer.weight / steps[layer.kernel_groups()][:, None, :])
    scale = np.empty(layer.out_channels, np.float32)
    scale[layer.reorder.astype(np.int64)] = steps.reshape(-1)[: layer.out_channels]
    return dataclasses.replace(
        layer, weight=np.clip(quantized, -127, 127).astype(np.int8), scale=scale
    )


def dequantize(weights: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """Dense weights [O, ...] of any stored type as float32; `scale` [O] goes with int8."""
    floats = weights.astype(np.float32)
    if scale is None:
        return floats
    return floats * scale.reshape(-1, *[1] * (weights.ndim - 1))
