"""What a .tflite model computes, in float64, and how far float32 may be off in each element.

Written as the definitions of the operators, from the file alone: neither TFLite's kernels nor ours
have a part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tflite_models import TYPES

# The rounding of one float32 operation, relative to its result.
UNIT_ROUNDOFF = 2.0**-24
# How often the estimated error a result may be off. Engines add in different orders, in parts, with
# and without fused multiplication: most results lie within one or two.
MOST_ERRORS = 16

_DTYPES = {type_: dtype for dtype, type_ in TYPES.items()}
_LIMITS = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}  # of fused activations


@dataclass(frozen=True)
class Estimate:
    """Values, float64, and the size of their errors in units of UNIT_ROUNDOFF.

    An error follows the size of the sum that makes an element, the magnitudes of all that is added:
    that may be large where the sum is small or where an activation clips it. Errors from before an
    operator pass through it as independent ones do, as the root of the sum of their squares.
    """

    value: np.ndarray
    error: np.ndarray

    def differences(self, found: np.ndarray) -> np.ndarray:
        """How far `found` is off, in parts of what is allowed: 1 is the limit."""
        allowed = MOST_ERRORS * UNIT_ROUNDOFF * self.error + np.finfo(np.float32).tiny
        return np.abs(found - self.value) / allowed


def run(model: bytes, x: np.ndarray) -> list[Estimate]:
    """The outputs of a model with one input, `x`, float32 in the input's layout.

    Raises:
        KeyError: The model has an operator that is unknown here.
    """
    root = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = root.subgraphs[0]
    values: dict[int, Estimate] = {graph.inputs[0]: _exact(x)}
    for index, tensor in enumerate(graph.tensors):
        data = root.buffers[tensor.buffer].data
        if data is not None:
            array = np.frombuffer(bytes(data), _DTYPES[tensor.type]).reshape(tensor.shape)
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                scales = np.ones(array.ndim, int)
                scales[tensor.quantization.quantizedDimension] = -1
                # The product is rounded where it is unpacked.
                array = array * tensor.quantization.scale.reshape(scales)
            values[index] = _exact(array)
    for op in graph.operators:
        code = root.operatorCodes[op.opcodeIndex].builtinCode
        inputs = [values[index] for index in op.inputs]
        values[op.outputs[0]] = _OPERATORS[code](op.builtinOptions, *inputs)
    return [values[index] for index in graph.outputs]


def _exact(array: np.ndarray) -> Estimate:
    value = array.astype(np.float64)
    return Estimate(value, np.zeros_like(value))


def _clipped(value: np.ndarray, error: np.ndarray, activation: int) -> Estimate:
    return Estimate(np.clip(value, *_LIMITS[activation]), error)


def _windows(
    array: np.ndarray, kernel: tuple[int, int], options: object, fill: float = 0
) -> np.ndarray:
    """[N, H, W, C] -> [N, H', W', C, kh, kw]."""
    dilations = getattr(options, "dilationHFactor", 1), getattr(options, "dilationWFactor", 1)
    strides = options.strideH, options.strideW
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if options.padding == schema.Padding.SAME:
        pads = []
        for size, extent, stride in zip(array.shape[1:3], extents, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            pads.append((total // 2, total - total // 2))
        array = np.pad(array, ((0, 0), *pads, (0, 0)), constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(array, extents, axis=(1, 2))
    return windows[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]


def _linear(
    product: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: Estimate,
    weights: np.ndarray,
    bias: np.ndarray,
    activation: int,
) -> Estimate:
    size = product(np.abs(x.value), np.abs(weights)) + np.abs(bias)
    error = np.sqrt(product(x.error**2, weights**2) + size**2)
    return _clipped(product(x.value, weights) + bias, error, activation)


def _conv(options: schema.Conv2DOptionsT, x: Estimate, weights: Estimate, bias: Estimate):
    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.einsum("nhwcij,oijc->nhwo", _windows(a, b.shape[1:3], options), b, optimize=True)

    return _linear(product, x, weights.value, bias.value, options.fusedActivationFunction)


def _depthwise(options: object, x: Estimate, weights: Estimate, bias: Estimate) -> Estimate:
    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        repeated = np.repeat(a, options.depthMultiplier, axis=3)
        return np.einsum("nhwcij,ijc->nhwc", _windows(repeated, b.shape[1:3], options), b[0])

    return _linear(product, x, weights.value, bias.value, options.fusedActivationFunction)


def _dense(options: object, x: Estimate, weights: Estimate, bias: Estimate) -> Estimate:
    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b.T

    return _linear(product, x, weights.value, bias.value, options.fusedActivationFunction)


def _max_pool(options: schema.Pool2DOptionsT, x: Estimate) -> Estimate:
    kernel = options.filterHeight, options.filterWidth
    value = _windows(x.value, kernel, options, fill=-np.inf).max(axis=(4, 5))
    return Estimate(value, _windows(x.error, kernel, options).max(axis=(4, 5)))


def _average_pool(options: schema.Pool2DOptionsT, x: Estimate) -> Estimate:
    kernel = options.filterHeight, options.filterWidth
    counts = _windows(np.ones_like(x.value), kernel, options).sum(axis=(4, 5))  # without padding
    value, error, size = (
        _windows(a, kernel, options).sum(axis=(4, 5)) / counts
        for a in (x.value, x.error, np.abs(x.value))
    )
    return Estimate(value, error + size)


def _mean(options: object, x: Estimate, axes: Estimate) -> Estimate:
    over = tuple(axes.value.astype(int))
    value, error, size = (
        a.mean(axis=over, keepdims=options.keepDims) for a in (x.value, x.error, np.abs(x.value))
    )
    # Stock LiteRT adds one after the other: roundings of a sum that only grows do not cancel.
    additions = np.prod([x.value.shape[axis] for axis in over])
    return Estimate(value, error + np.sqrt(additions) * size)


def _add(options: object, a: Estimate, b: Estimate) -> Estimate:
    size = np.abs(a.value) + np.abs(b.value)
    error = np.sqrt(a.error**2 + b.error**2 + size**2)
    return _clipped(a.value + b.value, error, options.fusedActivationFunction)


def _mul(options: object, a: Estimate, b: Estimate) -> Estimate:
    value = a.value * b.value
    error = np.sqrt((a.error * b.value) ** 2 + (a.value * b.error) ** 2 + value**2)
    return _clipped(value, error, options.fusedActivationFunction)


def _unary(function: Callable[[np.ndarray], np.ndarray], roundings: float = 0):
    """Functions whose slope is at most 1; `roundings` of results up to 1 are their own."""

    def compute(_: object, x: Estimate) -> Estimate:
        return Estimate(function(x.value), x.error + roundings)

    return compute


def _pad(_: object, x: Estimate, pads: Estimate) -> Estimate:
    amounts = pads.value.astype(int)
    return Estimate(np.pad(x.value, amounts), np.pad(x.error, amounts))


def _concat(_: object, *inputs: Estimate) -> Estimate:
    return Estimate(
        np.concatenate([x.value for x in inputs], axis=-1),
        np.concatenate([x.error for x in inputs], axis=-1),
    )


_BUILTIN = schema.BuiltinOperator
_OPERATORS: dict[int, Callable[..., Estimate]] = {
    _BUILTIN.CONV_2D: _conv,
    _BUILTIN.DEPTHWISE_CONV_2D: _depthwise,
    _BUILTIN.FULLY_CONNECTED: _dense,
    _BUILTIN.DEQUANTIZE: lambda _, x: x,  # of constants, which are read as what they stand for
    _BUILTIN.MAX_POOL_2D: _max_pool,
    _BUILTIN.AVERAGE_POOL_2D: _average_pool,
    _BUILTIN.MEAN: _mean,
    _BUILTIN.ADD: _add,
    _BUILTIN.MUL: _mul,
    _BUILTIN.RELU: _unary(lambda x: np.maximum(x, 0)),
    _BUILTIN.RELU6: _unary(lambda x: np.clip(x, 0, 6)),
    _BUILTIN.LOGISTIC: _unary(lambda x: 1 / (1 + np.exp(-x)), roundings=3),
    _BUILTIN.TANH: _unary(np.tanh, roundings=3),
    _BUILTIN.PAD: _pad,
    _BUILTIN.CONCATENATION: _concat,
}
