"""Writes a convolution into a TFLite graph as PConv2D, and back as stock operators."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pconv_tf.conversion.constants import NotConvertible, quantization_of
from pconv_tf.conversion.graph import BuiltinOperator, Graph, TensorType, ids
from pconv_tf.conversion.match import Convolution
from pconv_tf.fkw import (
    CUSTOM_CODE,
    INT8_VERSION,
    STEPS_VERSION,
    ActivationQuantization,
    ConvOptions,
    FkwLayer,
    Padding,
    bias_scale,
    decode,
    from_steps,
    infer_groups,
    stored_arrays,
    validate,
    validate_int8,
    version_for,
)

_INT32_MAX = 2**31 - 1
_ARRAYS = ("offset", "reorder", "index", "stride", "weight", "bias", "scale")


@dataclasses.dataclass(frozen=True)
class PConvOp:
    """A PConv2D operator of a file, read and validated.

    Attributes:
        operator: the operator.
        input: its activation tensor.
        output: its result tensor.
        options: its custom options.
        layer: its FKW arrays.
        bias: [O] float32, or int32 with int8 activations.
        quantization: of int8 activations; None if they are float32.
    """

    operator: Any
    input: int
    output: int
    options: ConvOptions
    layer: FkwLayer
    bias: np.ndarray
    quantization: ActivationQuantization | None


def to_pconv(graph: Graph, conv: Convolution, layer: FkwLayer, name: str) -> None:
    """Replaces `conv` by a PConv2D whose tensors are called `name`/fkw_*."""
    version = version_for(layer, int8_activations=conv.quantization is not None)
    arrays = stored_arrays(layer, version)
    scale = arrays.pop("scale", None)
    arrays["bias"] = conv.bias
    if scale is not None:
        arrays["scale"] = scale
    tensors = [graph.add_constant(f"{name}/fkw_{key}", array) for key, array in arrays.items()]
    if conv.quantization is not None:
        steps = bias_scale(layer, conv.quantization)
        _set_quantization(graph, tensors[list(arrays).index("bias")], steps, 0)
    options = ConvOptions.of(
        layer,
        version=version,
        strides=conv.strides,
        dilations=conv.dilations,
        padding=conv.padding,
        pads=conv.pads,
        activation=conv.activation,
    )
    operator = schema.OperatorT()
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.CUSTOM, custom_code=CUSTOM_CODE)
    operator.inputs = np.array([conv.input, *tensors], np.int32)
    operator.outputs = np.array([conv.output], np.int32)
    operator.customOptions = np.frombuffer(options.to_bytes(), np.uint8)
    graph.replace(conv.place, [operator])
    for absorbed in conv.absorbed:
        graph.remove_if_unread(absorbed)


def is_pconv(graph: Graph, operator: Any) -> bool:
    """Whether `operator` is a PConv2D."""
    return graph.custom_code(operator) == CUSTOM_CODE


def read_pconv(graph: Graph, operator: Any) -> PConvOp:
    """Reads and validates a PConv2D.

    Raises:
        ValueError: names the operator by its result, then the field that is wrong.
    """
    inputs, outputs = ids(operator.inputs), ids(operator.outputs)
    where = f"PConv2D {graph.name(outputs[0])}" if outputs and outputs[0] >= 0 else "PConv2D"
    try:
        return _read(graph, operator, inputs, outputs)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _read(graph: Graph, operator: Any, inputs: list[int], outputs: list[int]) -> PConvOp:
    if len(inputs) not in (7, 8) or min(inputs) < 0:
        raise ValueError(f"inputs: expected 7 or 8 tensors, found {inputs}")
    if len(outputs) != 1 or outputs[0] < 0:
        raise ValueError(f"outputs: expected 1 tensor, found {outputs}")
    if operator.customOptions is None:
        raise ValueError("custom options: missing")
    options = ConvOptions.from_bytes(bytes(bytearray(operator.customOptions)))
    names = _ARRAYS[: len(inputs) - 1]
    arrays = {
        name: _array(graph, tensor, name) for name, tensor in zip(names, inputs[1:], strict=True)
    }
    bias = arrays.pop("bias")
    layer = FkwLayer(
        options.kernel_size, options.in_channels, options.filter_block, options.patterns, **arrays
    )
    if layer.reorder.shape != (options.out_channels,):
        raise ValueError(
            f"reorder: expected shape [{options.out_channels}], found {list(layer.reorder.shape)}"
        )
    if options.version >= STEPS_VERSION:
        layer = from_steps(layer)
    validate(layer)
    quantization = _activations(graph, inputs[0], outputs[0])
    if quantization is not None:
        if options.version < INT8_VERSION:
            raise ValueError(
                f"version: expected at least {INT8_VERSION}, which has int8 activations,"
                f" found {options.version}"
            )
        validate_int8(layer, bias, quantization)
        return PConvOp(operator, inputs[0], outputs[0], options, layer, bias, quantization)
    if bias.shape != (options.out_channels,) or bias.dtype != np.float32:
        raise ValueError(
            f"bias: expected float32 [{options.out_channels}],"
            f" found {bias.dtype} {list(bias.shape)}"
        )
    return PConvOp(operator, inputs[0], outputs[0], options, layer, bias, None)


def _activations(graph: Graph, input_: int, output: int) -> ActivationQuantization | None:
    names = {TensorType.FLOAT32: "float32", TensorType.INT8: "int8"}
    found = graph.tensor(input_).type
    if found not in names:
        raise ValueError(f"activation: expected float32 or int8, found {graph.dtype(input_)}")
    if graph.tensor(output).type != found:
        raise ValueError(
            f"output: expected {names[found]} as the activation, found {graph.dtype(output)}"
        )
    if found == TensorType.FLOAT32:
        return None
    quantizations = []
    for name, tensor in (("activation", input_), ("output", output)):
        try:
            quantizations.append(quantization_of(graph, tensor))
        except NotConvertible as reason:
            raise ValueError(f"{name}: {reason}") from None
    return ActivationQuantization(*quantizations)


def _array(graph: Graph, tensor: int, name: str) -> np.ndarray:
    value = graph.constant(tensor)
    if value is not None:
        return value
    dtype, shape = graph.dtype(tensor), graph.shape(tensor)
    if dtype is None or 0 not in shape:  # an array without elements has no buffer
        raise ValueError(f"{name}: expected a constant tensor of a numeric type")
    return np.zeros(shape, dtype)


def dense_bytes(op: PConvOp) -> int:
    """Size of the weights that `to_stock` stores."""
    kh, kw = op.layer.kernel_size
    channels = op.layer.in_channels // infer_groups(op.layer)
    return op.layer.out_channels * kh * kw * channels * op.layer.weight.dtype.itemsize


def to_stock(graph: Graph, op: PConvOp) -> None:
    """Replaces a PConv2D by TFLite's own operators with the same weights, stored dense."""
    options, name = op.options, graph.name(op.output)
    groups = infer_groups(op.layer)
    weights = decode(op.layer, groups=groups)
    operators: list[Any] = []
    source = op.input
    if options.pads is not None:
        source = _add_pad(graph, operators, source, options.pads, name)

    depthwise = groups == options.in_channels > 1
    dense = len(graph.shape(op.input)) == 2
    if depthwise:
        weights = weights.transpose(3, 1, 2, 0)
    elif dense:
        weights = weights.reshape(weights.shape[0], -1)
    axis = 3 if depthwise else 0
    bias = graph.add_constant(f"{name}/bias", op.bias)
    if op.quantization is None:
        tensor = _add_weights(graph, operators, name, weights, op.layer.scale, axis)
    else:
        assert op.layer.scale is not None
        tensor = graph.add_constant(f"{name}/weights", weights)
        _set_quantization(graph, tensor, op.layer.scale, axis)
        _set_quantization(graph, bias, bias_scale(op.layer, op.quantization), 0)
    operator = schema.OperatorT()
    operator.inputs = np.array([source, tensor, bias], np.int32)
    operator.outputs = np.array([op.output], np.int32)
    int8 = op.quantization is not None
    if dense:
        _set_fully_connected(graph, operator, options, int8=int8)
    elif depthwise:
        _set_depthwise(graph, operator, options, int8=int8)
    else:
        _set_conv(graph, operator, options, grouped=groups > 1, int8=int8)
    graph.replace(op.operator, [*operators, operator])


def _add_pad(
    graph: Graph, operators: list[Any], source: int, pads: tuple[int, int, int, int], name: str
) -> int:
    top, bottom, left, right = pads
    amounts = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    batch, height, width, channels = graph.shape(source)
    grown = (batch, height + top + bottom, width + left + right, channels)
    if max(grown) > _INT32_MAX:
        raise ValueError(f"{name}: pads {list(pads)} make the map {grown[1]}x{grown[2]}")
    padded = _add_activation(
        graph, f"{name}/pad", grown, graph.signature(source), (top + bottom, left + right)
    )
    graph.tensor(padded).type = graph.tensor(source).type
    graph.tensor(padded).quantization = graph.tensor(source).quantization
    version = 1 if graph.tensor(source).type == TensorType.FLOAT32 else 2
    operator = schema.OperatorT()
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.PAD, version=version)
    operator.inputs = np.array([source, graph.add_constant(f"{name}/pads", amounts)], np.int32)
    operator.outputs = np.array([padded], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.PadOptions
    operator.builtinOptions = schema.PadOptionsT()
    operators.append(operator)
    return padded


def _add_activation(
    graph: Graph,
    name: str,
    shape: tuple[int, ...],
    signature: tuple[int, ...],
    grown: tuple[int, int],
) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, TensorType.FLOAT32, 0
    tensor.shape = np.array(shape, np.int32)
    if -1 in signature:
        growth = (0, *grown, 0)
        changing = [s if s < 0 else s + g for s, g in zip(signature, growth, strict=True)]
        tensor.shapeSignature = np.array(changing, np.int32)
    graph.subgraph.tensors.append(tensor)
    return len(graph.subgraph.tensors) - 1


def _add_weights(
    graph: Graph,
    operators: list[Any],
    name: str,
    weights: np.ndarray,
    scale: np.ndarray | None,
    channel_axis: int,
) -> int:
    """Adds dense weights; float16 and int8 ones are unpacked by a DEQUANTIZE."""
    stored = graph.add_constant(f"{name}/weights", weights)
    if weights.dtype == np.float32:
        return stored
    if scale is not None:
        _set_quantization(graph, stored, scale, channel_axis)
    unpacked = _add_activation(graph, f"{name}/weights_float32", weights.shape, (), (0, 0))
    operator = schema.OperatorT()
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.DEQUANTIZE, version=5)
    operator.inputs, operator.outputs = np.array([stored], np.int32), np.array([unpacked], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    operators.append(operator)
    return unpacked


def _set_quantization(graph: Graph, tensor: int, scale: np.ndarray, axis: int) -> None:
    """Says that a constant is symmetric with a scale per channel of `axis`."""
    quantization = schema.QuantizationParametersT()
    quantization.scale = scale
    quantization.zeroPoint = np.zeros(len(scale), np.int64)
    quantization.quantizedDimension = axis
    graph.tensor(tensor).quantization = quantization


def _set_conv(
    graph: Graph, operator: Any, options: ConvOptions, *, grouped: bool, int8: bool
) -> None:
    version = 6 if grouped else 3 if int8 else 1
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.CONV_2D, version=version)
    operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = schema.Conv2DOptionsT()
    _set_geometry(operator.builtinOptions, options)


def _set_depthwise(graph: Graph, operator: Any, options: ConvOptions, *, int8: bool) -> None:
    version = 3 if int8 else 2 if max(options.dilations) > 1 else 1
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.DEPTHWISE_CONV_2D, version=version)
    operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
    operator.builtinOptions = schema.DepthwiseConv2DOptionsT()
    operator.builtinOptions.depthMultiplier = options.out_channels // options.in_channels
    _set_geometry(operator.builtinOptions, options)


def _set_geometry(target: Any, options: ConvOptions) -> None:
    target.padding = int(Padding.VALID if options.pads is not None else options.padding)
    target.strideH, target.strideW = options.strides
    target.dilationHFactor, target.dilationWFactor = options.dilations
    target.fusedActivationFunction = int(options.activation)


def _set_fully_connected(graph: Graph, operator: Any, options: ConvOptions, *, int8: bool) -> None:
    version = 4 if int8 else 1
    operator.opcodeIndex = graph.operator_code(BuiltinOperator.FULLY_CONNECTED, version=version)
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    operator.builtinOptions.fusedActivationFunction = int(options.activation)
