"""Small .tflite models made layer by layer, without a converter."""

from __future__ import annotations

from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
_PADDINGS = {"same": schema.Padding.SAME, "valid": schema.Padding.VALID}
TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
}


@dataclass(frozen=True)
class Value:
    """A tensor of the model under construction."""

    index: int
    shape: tuple[int, ...]


def pattern_weights(
    rng: np.random.Generator,
    filters: int,
    kernel: int,
    channels: int,
    *,
    density: float = 0.4,
    block: int = 1,
) -> np.ndarray:
    """Float32 [O, kh, kw, I]: `density` of the kernels kept, each with one of four patterns.

    `block` consecutive filters keep the same kernels and patterns. The values are multiples of 1/64
    below 2, each filter's largest 127/64: exact in float16 and in int8 with a scale of 1/64.
    """
    size = kernel * kernel
    taps = min(4, size)
    patterns = [rng.permutation(size)[:taps] for _ in range(4)]
    weights = np.zeros((filters, size, channels), np.float32)
    for first in range(0, filters, block):
        for i in range(channels):
            if rng.random() >= density:
                continue
            kept = patterns[rng.integers(4)]
            for o in range(first, min(first + block, filters)):
                weights[o, kept, i] = rng.integers(1, 128, taps) * rng.choice([-1, 1], taps) / 64
        for o in range(first, min(first + block, filters)):
            if weights[o].any():
                largest = np.unravel_index(np.abs(weights[o]).argmax(), weights[o].shape)
                weights[o][largest] = 127 / 64
    return weights.reshape(filters, kernel, kernel, channels)


class ModelBuilder:
    """Builds a model of float32 activations, batch size 1, dimension 0 free."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.description = "test model"
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._graph.inputs, self._graph.outputs = [], []
        self._model.subgraphs = [self._graph]

    def _tensor(self, name: str, shape: tuple[int, ...], type_: int, buffer: int) -> Value:
        tensor = schema.TensorT()
        tensor.name = f"{name}_{len(self._graph.tensors)}"
        tensor.shape, tensor.type, tensor.buffer = list(shape), type_, buffer
        if buffer == 0 and shape:
            tensor.shapeSignature = [-1, *shape[1:]]
        self._graph.tensors.append(tensor)
        return Value(len(self._graph.tensors) - 1, tuple(shape))

    def constant(self, array: np.ndarray) -> Value:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return self._tensor(
            "constant", array.shape, TYPES[array.dtype], len(self._model.buffers) - 1
        )

    def unpacked(self, array: np.ndarray, dtype: type) -> Value:
        """A constant stored as float16, or as int8 with a scale for each filter, and unpacked."""
        if dtype == np.float16:
            stored = self.constant(array.astype(np.float16))
        else:
            # Filters are the last dimension of depthwise convolutions, else the first.
            axis = array.ndim - 1 if array.ndim == 4 and array.shape[0] == 1 else 0
            others = tuple(i for i in range(array.ndim) if i != axis)
            scale = np.maximum(np.abs(array).max(axis=others, keepdims=True) / 127, 2.0**-20)
            scale = scale.astype(np.float32)
            stored = self.constant(np.clip(np.round(array / scale), -127, 127).astype(np.int8))
            self.quantized(stored, np.int8, scale.ravel(), axis=axis)
        output = self.op("DEQUANTIZE", [stored], array.shape, schema.DequantizeOptionsT())
        self._graph.tensors[output.index].shapeSignature = None
        return output

    def input(self, *shape: int) -> Value:
        value = self._tensor("input", (1, *shape), schema.TensorType.FLOAT32, 0)
        self._graph.inputs.append(value.index)
        return value

    def op(
        self,
        name: str,
        inputs: list[Value],
        shape: tuple[int, ...],
        options: object = None,
        type_: int = schema.TensorType.FLOAT32,
        version: int = 1,
    ) -> Value:
        """Adds builtin operator `name` with one output of `shape`."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self._model.operatorCodes.append(code)
        output = self._tensor(name.lower(), shape, type_, 0)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs = [v.index for v in inputs]
        operator.outputs = [output.index]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._graph.operators.append(operator)
        return output

    def quantized(
        self,
        x: Value,
        dtype: type,
        scale: float | np.ndarray,
        zero_point: int = 0,
        *,
        axis: int = 0,
    ) -> Value:
        """Makes `x` a tensor of that type; several scales are of dimension `axis`."""
        tensor = self._graph.tensors[x.index]
        tensor.type = TYPES[np.dtype(dtype)]
        tensor.quantization = schema.QuantizationParametersT()
        scales = np.atleast_1d(np.float32(scale))
        tensor.quantization.scale = list(scales)
        tensor.quantization.zeroPoint = [zero_point] * len(scales)
        tensor.quantization.quantizedDimension = axis
        return x

    def _window(
        self, x: Value, kernel: int, stride: int, dilation: int, padding: str
    ) -> tuple[int, int]:
        extent = (kernel - 1) * dilation + 1
        if padding == "same":
            return tuple(-(-n // stride) for n in x.shape[1:3])
        return tuple((n - extent) // stride + 1 for n in x.shape[1:3])

    def conv(
        self,
        x: Value,
        weights: np.ndarray,
        bias: np.ndarray,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: str = "same",
        activation: str = "none",
    ) -> Value:
        options = schema.Conv2DOptionsT()
        options.padding = _PADDINGS[padding]
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = dilation
        options.fusedActivationFunction = ACTIVATIONS[activation]
        h, w = self._window(x, weights.shape[1], stride, dilation, padding)
        inputs = [x, self.constant(weights), self.constant(bias)]
        return self.op("CONV_2D", inputs, (1, h, w, len(bias)), options)

    def depthwise(
        self,
        x: Value,
        weights: np.ndarray,
        bias: np.ndarray,
        *,
        stride: int = 1,
        padding: str = "same",
        activation: str = "none",
    ) -> Value:
        options = schema.DepthwiseConv2DOptionsT()
        options.padding = _PADDINGS[padding]
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.depthMultiplier = weights.shape[3] // x.shape[3]
        options.fusedActivationFunction = ACTIVATIONS[activation]
        h, w = self._window(x, weights.shape[1], stride, 1, padding)
        inputs = [x, self.constant(weights), self.constant(bias)]
        return self.op("DEPTHWISE_CONV_2D", inputs, (1, h, w, len(bias)), options)

    def dense(self, x: Value, weights: np.ndarray, bias: np.ndarray) -> Value:
        options = schema.FullyConnectedOptionsT()
        inputs = [x, self.constant(weights), self.constant(bias)]
        return self.op("FULLY_CONNECTED", inputs, (1, len(bias)), options)

    def pool(
        self, x: Value, kind: str, kernel: int, *, stride: int = 1, padding: str = "valid"
    ) -> Value:
        options = schema.Pool2DOptionsT()
        options.padding = _PADDINGS[padding]
        options.strideH = options.strideW = stride
        options.filterHeight = options.filterWidth = kernel
        h, w = self._window(x, kernel, stride, 1, padding)
        return self.op(f"{kind.upper()}_POOL_2D", [x], (1, h, w, x.shape[3]), options)

    def binary(self, kind: str, a: Value, b: Value, activation: str = "none") -> Value:
        options = getattr(schema, f"{kind.capitalize()}OptionsT")()
        options.fusedActivationFunction = ACTIVATIONS[activation]
        shape = np.broadcast_shapes(a.shape, b.shape)
        return self.op(kind.upper(), [a, b], tuple(shape), options)

    def concat(self, *values: Value) -> Value:
        options = schema.ConcatenationOptionsT()
        options.axis = -1
        channels = sum(v.shape[3] for v in values)
        return self.op("CONCATENATION", list(values), (*values[0].shape[:3], channels), options)

    def pad(self, x: Value, pads: list[tuple[int, int]]) -> Value:
        shape = tuple(n + before + after for n, (before, after) in zip(x.shape, pads, strict=True))
        paddings = self.constant(np.array(pads, np.int32))
        return self.op("PAD", [x, paddings], shape, schema.PadOptionsT())

    def mean(self, x: Value, *, keep_dims: bool = False) -> Value:
        options = schema.ReducerOptionsT()
        options.keepDims = keep_dims
        shape = (1, 1, 1, x.shape[3]) if keep_dims else (1, x.shape[3])
        axes = self.constant(np.array([1, 2], np.int32))
        return self.op("MEAN", [x, axes], shape, options)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        """To [-1, *shape]."""
        target = self.constant(np.array([-1, *shape], np.int32))
        return self.op("RESHAPE", [x, target], (1, *shape), schema.ReshapeOptionsT())

    def dynamic_reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        """To [batch, *shape], the batch read from x when the model runs, as Keras' Reshape does."""
        int32 = schema.TensorType.INT32
        options = schema.ShapeOptionsT()
        options.outType = int32
        dims = self.op("SHAPE", [x], (len(x.shape),), options, int32)
        ends = [self.constant(np.array([i], np.int32)) for i in (0, 1, 1)]
        options = schema.StridedSliceOptionsT()
        options.shrinkAxisMask = 1
        batch = self.op("STRIDED_SLICE", [dims, *ends], (), options, int32)
        options = schema.PackOptionsT()
        options.valuesCount = len(shape) + 1
        rest = [self.constant(np.array(n, np.int32)) for n in shape]
        target = self.op("PACK", [batch, *rest], (len(shape) + 1,), options, int32)
        return self.op("RESHAPE", [x, target], (1, *shape), schema.ReshapeOptionsT())

    def unary(self, kind: str, x: Value, options: object = None) -> Value:
        return self.op(kind.upper(), [x], x.shape, options)

    def gelu(self, x: Value, *, approximate: bool) -> Value:
        options = schema.GeluOptionsT()
        options.approximate = approximate
        return self.op("GELU", [x], x.shape, options)

    def depth_to_space(self, x: Value, block: int) -> Value:
        options = schema.DepthToSpaceOptionsT()
        options.blockSize = block
        batch, h, w, c = x.shape
        shape = (batch, h * block, w * block, c // block**2)
        return self.op("DEPTH_TO_SPACE", [x], shape, options)

    def resize(
        self,
        x: Value,
        size: tuple[int, int],
        *,
        nearest: bool,
        align_corners: bool,
        half_pixel_centers: bool,
    ) -> Value:
        name = "NearestNeighbor" if nearest else "Bilinear"
        options = getattr(schema, f"Resize{name}OptionsT")()
        options.alignCorners = align_corners
        options.halfPixelCenters = half_pixel_centers
        sizes = self.constant(np.array(size, np.int32))
        kind = "RESIZE_NEAREST_NEIGHBOR" if nearest else "RESIZE_BILINEAR"
        return self.op(kind, [x, sizes], (x.shape[0], *size, x.shape[3]), options)

    def finish(self, *outputs: Value) -> bytes:
        self._graph.outputs = [v.index for v in outputs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
