"""Weights and biases of TFLite convolutions, behind the ways TFLite has of storing them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pconv_tf.conversion.graph import BuiltinOperator, Graph, ids
from pconv_tf.conversion.sparsity import densified
from pconv_tf.fkw import Quantization


class NotConvertible(Exception):
    """Why an operator stays what it is."""


@dataclass(frozen=True)
class Weights:
    """Constant weights as stored.

    Attributes:
        values: float32, float16 or int8, output channels first once a `Convolution` holds them.
        scale: [O] float32 with int8 values.
        operators: operators that only unpack these weights.
        tensor: the tensor they were read from.
    """

    values: np.ndarray
    scale: np.ndarray | None
    operators: list[Any] = field(default_factory=list)
    tensor: int = -1

    def with_values(self, values: np.ndarray) -> Weights:
        """The same weights in another shape."""
        return dataclasses.replace(self, values=values)


def weights_of(graph: Graph, tensor: int, channel_axis: int) -> Weights:
    """The weights that `tensor` holds.

    Args:
        graph: the graph.
        tensor: the weight input of a convolution.
        channel_axis: axis of the output channels.

    Raises:
        NotConvertible: if they are no constant, or of a type that FKW does not store.
    """
    source, operators = _unpacked(graph, tensor)
    values = graph.constant(source)
    if values is None:
        values = densified(graph, source)
    if values is None:
        raise NotConvertible("its weights are not constant")
    if values.dtype in (np.float32, np.float16):
        return Weights(values, None, operators, source)
    if values.dtype != np.int8:
        raise NotConvertible(f"its weights are {values.dtype}")
    if (values == -128).any():
        raise NotConvertible("its int8 weights use -128")
    return Weights(values, _scale(graph, source, values, channel_axis), operators, source)


def int32_bias_of(graph: Graph, tensor: int, channels: int) -> np.ndarray:
    """The bias [channels] int32 that `tensor` holds; zeros for tensor -1.

    Raises:
        NotConvertible: if it is no int32 constant of that size.
    """
    if tensor < 0:
        return np.zeros(channels, np.int32)
    values = graph.constant(tensor)
    if values is None or values.dtype != np.int32 or values.size != channels:
        raise NotConvertible("its bias is no constant of type int32")
    return values.reshape(-1)


def quantization_of(graph: Graph, tensor: int) -> Quantization:
    """What the int8 activations of `tensor` stand for.

    Raises:
        NotConvertible: if it has not one scale and one zero point, or they are out of range.
    """
    quantization = graph.tensor(tensor).quantization
    scales, zero_points = [], []
    if quantization is not None:
        scales = [] if quantization.scale is None else list(quantization.scale)
        zero_points = ids(quantization.zeroPoint)
    if len(scales) != 1 or len(zero_points) != 1:
        raise NotConvertible("its int8 activations have not one scale and one zero point")
    scale, zero_point = float(scales[0]), zero_points[0]
    if not (np.isfinite(scale) and scale > 0):
        raise NotConvertible(f"its activations have the scale {scale}")
    if not -128 <= zero_point <= 127:
        raise NotConvertible(f"its activations have the zero point {zero_point}")
    return Quantization(scale, zero_point)


def bias_of(graph: Graph, tensor: int, channels: int) -> np.ndarray:
    """The bias [channels] float32 that `tensor` holds; zeros for tensor -1.

    Raises:
        NotConvertible: if it is no float constant of that size.
    """
    if tensor < 0:
        return np.zeros(channels, np.float32)
    source, _ = _unpacked(graph, tensor)
    values = graph.constant(source)
    if values is None or values.dtype not in (np.float32, np.float16) or values.size != channels:
        raise NotConvertible("its bias is no constant of float type")
    return values.reshape(-1).astype(np.float32)


def is_constant_to_delegate(graph: Graph, tensor: int) -> bool:
    """Whether the delegate has `tensor` as a constant: as it is, or unpacked by a DEQUANTIZE.

    It unpacks float16 and symmetric int8 (delegate/stored_constant.h).
    """
    if graph.constant(tensor) is not None:
        return True
    operator = graph.producer(tensor)
    if operator is None or graph.builtin(operator) != BuiltinOperator.DEQUANTIZE:
        return False
    source = ids(operator.inputs)[0]
    values = graph.constant(source)
    if values is None or values.dtype == np.float16:
        return values is not None
    quantization = graph.tensor(source).quantization
    has_scales = quantization is not None and quantization.scale is not None
    return values.dtype == np.int8 and has_scales and not any(ids(quantization.zeroPoint))


def _unpacked(graph: Graph, tensor: int) -> tuple[int, list[Any]]:
    """Follows DEQUANTIZE and DENSIFY back to the stored constant."""
    operators = []
    while (operator := graph.producer(tensor)) is not None:
        if graph.builtin(operator) not in (BuiltinOperator.DEQUANTIZE, BuiltinOperator.DENSIFY):
            break
        operators.append(operator)
        tensor = ids(operator.inputs)[0]
    return tensor, operators


def _scale(graph: Graph, tensor: int, values: np.ndarray, channel_axis: int) -> np.ndarray:
    quantization = graph.tensor(tensor).quantization
    if quantization is None or quantization.scale is None or not len(quantization.scale):
        raise NotConvertible("its int8 weights have no scale")
    if any(ids(quantization.zeroPoint)):
        raise NotConvertible("its int8 weights are not symmetric")
    scale = np.asarray(quantization.scale, np.float32)
    if not (np.isfinite(scale) & (scale >= 0)).all():
        raise NotConvertible("its int8 weights have a scale that is negative or not finite")
    channels = values.shape[channel_axis]
    if len(scale) == 1:
        return np.full(channels, scale[0], np.float32)
    if len(scale) != channels or quantization.quantizedDimension != channel_axis:
        raise NotConvertible("its int8 weights are not scaled per output channel")
    return scale
