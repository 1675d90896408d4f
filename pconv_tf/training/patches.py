"""The parts of a layer's input that each of its outputs reads, as rows of a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.training.layers import Kernel

Array = npt.NDArray[np.float32]


def is_pointwise_part(kernel: Kernel) -> bool:
    """Whether the kernel is the 1x1 part of a separable convolution, which reads no layer input."""
    return kernel.name.endswith("/pointwise") and hasattr(kernel.layer, "depthwise_kernel")


def patches(kernel: Kernel, inputs: Array, rows: int | None, seed: int) -> Array:
    """What the outputs of a kernel read of the layer's inputs.

    Args:
        kernel: A convolution, depthwise or fully connected kernel. Of a separable convolution's
            two, the 1x1 part reads the outputs of the other one, which depend on its present
            weights.
        inputs: float32 input of the layer, [N, H, W, C] (or [N, C, H, W], as the layer has it), or
            [..., inputs] of a fully connected layer.
        rows: The most output positions wanted, chosen at random by `seed`; None for all.
        seed: At least 0. Equal seeds and shapes choose equal positions.

    Returns:
        float32 [groups, positions, kh * kw * I], such that the outputs of a group before bias and
        activation are its matrix times the group's weights [kh * kw * I, O / groups].
    """
    if kernel.kind == "dense":
        flat = inputs.reshape(-1, inputs.shape[-1])
        return flat[_choose(len(flat), rows, seed)][None]
    layer = kernel.layer
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        inputs = np.moveaxis(inputs, 1, -1)
    if is_pointwise_part(kernel):
        depthwise = kernel.framework.read(layer.depthwise_kernel).astype(np.float32)
        read = _windows(inputs, depthwise.shape[:2], layer, depthwise.shape[2], rows, seed)
        outputs = np.einsum("gpt,tgm->pgm", read, depthwise.reshape(-1, *depthwise.shape[2:]))
        return np.ascontiguousarray(outputs.reshape(1, outputs.shape[0], -1))
    return _windows(inputs, kernel.shape[:2], layer, kernel.groups, rows, seed)


def _windows(
    inputs: Array, size: tuple[int, ...], layer: Any, groups: int, rows: int | None, seed: int
) -> Array:
    """Windows of [N, H, W, C] as [groups, positions, kh * kw * C / groups]."""
    strides, dilations = _pair(layer.strides), _pair(layer.dilation_rate)
    samples, *extent, channels = inputs.shape
    padding, outputs = [(0, 0)], []
    for i in range(2):
        reach = (size[i] - 1) * dilations[i] + 1
        before = after = 0
        if layer.padding == "same":
            count = math.ceil(extent[i] / strides[i])
            total = max((count - 1) * strides[i] + reach - extent[i], 0)
            before, after = total // 2, total - total // 2
        else:
            count = (extent[i] - reach) // strides[i] + 1
        padding.append((before, after))
        outputs.append(count)
    padded = np.pad(inputs, [*padding, (0, 0)])
    chosen = _choose(samples * outputs[0] * outputs[1], rows, seed)
    sample, row, column = np.unravel_index(chosen, (samples, *outputs))
    read = np.empty((groups, len(chosen), size[0] * size[1], channels // groups), np.float32)
    for tap in range(size[0] * size[1]):
        down = row * strides[0] + tap // size[1] * dilations[0]
        across = column * strides[1] + tap % size[1] * dilations[1]
        taken = padded[sample, down, across]
        read[:, :, tap] = taken.reshape(len(chosen), groups, -1).transpose(1, 0, 2)
    return read.reshape(groups, len(chosen), -1)


def _choose(positions: int, rows: int | None, seed: int) -> npt.NDArray[np.intp]:
    if rows is None or positions <= rows:
        return np.arange(positions)
    chosen = np.random.default_rng(seed).choice(positions, rows, replace=False, shuffle=False)
    return np.sort(chosen)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
