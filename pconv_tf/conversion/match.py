"""Recognises convolutions in a TFLite graph, with the padding and dilation ops around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pconv_tf.conversion.constants import (
    NotConvertible,
    Weights,
    bias_of,
    int32_bias_of,
    quantization_of,
    weights_of,
)
from pconv_tf.conversion.graph import BuiltinOperator, Graph, TensorType, ids
from pconv_tf.fkw import MAX_KERNEL, MAX_STEP, Activation, ActivationQuantization, Padding

CONVOLUTIONS = {
    BuiltinOperator.CONV_2D: "CONV_2D",
    BuiltinOperator.DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D",
    BuiltinOperator.FULLY_CONNECTED: "FULLY_CONNECTED",
}
LEFT_DENSE = {
    BuiltinOperator.TRANSPOSE_CONV: ("TRANSPOSE_CONV", "PConv2D has no transposed convolution"),
    BuiltinOperator.CONV_3D: ("CONV_3D", "PConv2D has two dimensions"),
}
_FUSABLE = {
    BuiltinOperator.RELU: Activation.RELU,
    BuiltinOperator.RELU6: Activation.RELU6,
    BuiltinOperator.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}


@dataclass
class Convolution:
    """A convolution read off one operator and the padding or dilation ops around it.

    Attributes:
        place: the operator whose place the convolution takes.
        absorbed: operators that the convolution makes superfluous.
        input: its activation tensor.
        output: its result tensor.
        weights: [O, kh, kw, I / groups] as stored, with scales if int8.
        bias: [O] float32, or int32 with int8 activations.
        groups: number of groups; as many as input channels for a depthwise convolution.
        quantization: of int8 activations; None if they are float32.
    """

    place: Any
    input: int
    output: int
    weights: Weights
    bias: np.ndarray
    groups: int
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: Padding = Padding.VALID
    pads: tuple[int, int, int, int] | None = None
    activation: Activation = Activation.NONE
    absorbed: list[Any] = field(default_factory=list)
    quantization: ActivationQuantization | None = None


def match(graph: Graph, operator: Any) -> Convolution:
    """The convolution that `operator` performs.

    Raises:
        NotConvertible: says why PConv2D cannot take its place.
    """
    inputs, outputs = ids(operator.inputs), ids(operator.outputs)
    if len(inputs) < 2 or min(inputs[:2]) < 0 or len(outputs) != 1:
        raise NotConvertible("no weights")
    quantization = _quantization(graph, inputs[0], outputs[0])
    builtin = graph.builtin(operator)
    weights = weights_of(graph, inputs[1], channel_axis=_channel_axis(builtin))
    if quantization is not None and (weights.scale is None or weights.operators):
        raise NotConvertible("its activations are int8, its weights are not")
    conv = _reshaped(graph, operator, inputs[0], outputs[0], weights)
    conv.quantization = quantization
    read_bias = bias_of if quantization is None else int32_bias_of
    conv.bias = read_bias(graph, inputs[2] if len(inputs) > 2 else -1, len(conv.weights.values))
    conv.absorbed += conv.weights.operators
    if max(conv.weights.values.shape[1:3]) > MAX_KERNEL:
        raise NotConvertible(f"kernels larger than {MAX_KERNEL}x{MAX_KERNEL}")
    if builtin == BuiltinOperator.FULLY_CONNECTED:
        _absorb_reshapes(graph, conv)
    else:
        _absorb_space_to_batch(graph, conv)
        _absorb_pad(graph, conv)
        _simplify_pads(conv)
        _check_geometry(conv)
    return conv


def _quantization(graph: Graph, input_: int, output: int) -> ActivationQuantization | None:
    """The quantisation of int8 activations, None for float32."""
    types = {graph.tensor(tensor).type for tensor in (input_, output)}
    if types == {TensorType.FLOAT32}:
        return None
    if types == {TensorType.INT8}:
        return ActivationQuantization(
            quantization_of(graph, input_), quantization_of(graph, output)
        )
    found = dict.fromkeys(_type_name(graph, tensor) for tensor in (input_, output))
    raise NotConvertible(f"its activations are {' and '.join(found)}, not float32 or int8")


def _same_quantization(graph: Graph, conv: Convolution, tensor: int, other: int) -> bool:
    """Whether two tensors of activations hold the same integers for the same numbers."""
    if conv.quantization is None:
        return True
    try:
        return quantization_of(graph, tensor) == quantization_of(graph, other)
    except NotConvertible:
        return False


def _check_geometry(conv: Convolution) -> None:
    for name, least, values in (
        ("strides", 1, conv.strides),
        ("dilations", 1, conv.dilations),
        ("pads", 0, conv.pads or (0, 0, 0, 0)),
    ):
        if min(values) < least or max(values) > MAX_STEP:
            raise NotConvertible(f"{name} {values}, expected {least} to {MAX_STEP}")


def _channel_axis(builtin: int) -> int:
    return 3 if builtin == BuiltinOperator.DEPTHWISE_CONV_2D else 0


def _reshaped(
    graph: Graph, operator: Any, input_: int, output: int, weights: Weights
) -> Convolution:
    """The convolution with its weights brought to [O, kh, kw, I / groups]."""
    builtin, options = graph.builtin(operator), operator.builtinOptions
    values, channels = weights.values, graph.shape(input_)[-1] if graph.shape(input_) else 0
    if options is None:
        raise NotConvertible("no options")
    activation = _activation(options.fusedActivationFunction)
    if builtin == BuiltinOperator.FULLY_CONNECTED:
        if values.ndim != 2 or options.weightsFormat != 0:
            raise NotConvertible("shuffled weights")
        rank = len(graph.shape(input_))
        if rank != 2 and not (rank == 4 and options.keepNumDims):
            raise NotConvertible(f"its input has {rank} dimensions")
        if channels != values.shape[1] and graph.signature(input_)[-1] >= 0:
            raise NotConvertible(
                f"its input has {channels} channels, its weights {values.shape[1]}"
            )
        reshaped = weights.with_values(values.reshape(values.shape[0], 1, 1, values.shape[1]))
        return Convolution(
            operator, input_, output, reshaped, np.empty(0), 1, activation=activation
        )
    if values.ndim != 4 or len(graph.shape(input_)) != 4:
        raise NotConvertible("its weights or input do not have 4 dimensions")
    if builtin == BuiltinOperator.DEPTHWISE_CONV_2D:
        values, groups = values.transpose(3, 1, 2, 0), channels
    else:
        groups = channels // max(values.shape[3], 1)
    if groups < 1 or values.shape[3] * groups != channels or values.shape[0] % groups:
        raise NotConvertible(
            f"weights of shape {list(weights.values.shape)} for {channels} channels"
        )
    return Convolution(
        place=operator,
        input=input_,
        output=output,
        weights=weights.with_values(values),
        bias=np.empty(0),
        groups=groups,
        strides=(options.strideH, options.strideW),
        dilations=(options.dilationHFactor, options.dilationWFactor),
        padding=_padding(options.padding),
        activation=activation,
    )


def _padding(number: int) -> Padding:
    try:
        return Padding(number)
    except ValueError:
        raise NotConvertible(f"padding number {number}") from None


def _activation(number: int) -> Activation:
    try:
        return Activation(number)
    except ValueError:
        raise NotConvertible(f"fused activation number {number}") from None


def _absorb_reshapes(graph: Graph, conv: Convolution) -> None:
    """Turns a fully connected layer over the channels of a map into a 1x1 convolution.

    Keras' Dense on [N, H, W, I] becomes RESHAPE to rows of I, FULLY_CONNECTED, RESHAPE to
    [N, H, W, O] and an ADD for the bias.
    """
    before, after = graph.producer(conv.input), graph.only_consumer(conv.output)
    if before is None or after is None:
        return
    if {graph.builtin(before), graph.builtin(after)} != {BuiltinOperator.RESHAPE}:
        return
    source, result = ids(before.inputs)[0], ids(after.outputs)[0]
    outputs, _, _, inputs = conv.weights.values.shape
    batch, *size = graph.signature(source)[:-1]
    if len(size) != 2 or min(size) < 1 or graph.signature(source)[-1] != inputs:
        return
    if graph.signature(result) != (batch, *size, outputs):
        return
    if not _same_quantization(graph, conv, source, conv.input):
        return
    if not _same_quantization(graph, conv, conv.output, result):
        return
    conv.absorbed += [before, conv.place]
    conv.input, conv.output, conv.place = source, result, after
    _absorb_bias(graph, conv)


def _absorb_bias(graph: Graph, conv: Convolution) -> None:
    """Takes over an ADD of one constant per channel that a convolution without bias feeds."""
    add = graph.only_consumer(conv.output)
    if add is None or graph.builtin(add) != BuiltinOperator.ADD:
        return
    if conv.activation != Activation.NONE or conv.bias.any():
        return
    if conv.quantization is not None:
        return  # in integers the ADD rounds once more, with scales of its own
    others = [tensor for tensor in ids(add.inputs) if tensor != conv.output]
    if len(others) != 1 or graph.shape(others[0])[-1:] != (len(conv.bias),):
        return
    try:
        bias = bias_of(graph, others[0], len(conv.bias))
        options = add.builtinOptions
        conv.activation = _activation(0 if options is None else options.fusedActivationFunction)
    except NotConvertible:
        return
    conv.absorbed.append(conv.place)
    conv.bias, conv.place, conv.output = bias, add, ids(add.outputs)[0]


def _absorb_pad(graph: Graph, conv: Convolution) -> None:
    """Turns a zero-padding op in front of a VALID convolution into explicit pads."""
    pad = graph.producer(conv.input)
    if pad is None or conv.padding != Padding.VALID or conv.pads is not None:
        return
    builtin, inputs = graph.builtin(pad), ids(pad.inputs)
    if builtin not in (BuiltinOperator.PAD, BuiltinOperator.PADV2):
        return
    if builtin == BuiltinOperator.PADV2:
        value = graph.constant(inputs[2])
        zero = 0 if conv.quantization is None else conv.quantization.input.zero_point
        if value is None or (value != zero).any():
            return
    if not _same_quantization(graph, conv, inputs[0], conv.input):
        return
    amounts = graph.constant(inputs[1])
    if amounts is None or amounts.shape != (4, 2) or amounts.min() < 0 or amounts[[0, 3]].any():
        return
    (top, bottom), (left, right) = amounts[1:3].tolist()
    conv.input = inputs[0]
    conv.pads = (top, bottom, left, right)
    conv.absorbed.append(pad)


def _simplify_pads(conv: Convolution) -> None:
    """Says SAME or VALID where the explicit pads mean just that."""
    if conv.pads is None:
        return
    kernel = conv.weights.values.shape[1:3]
    same: list[int] = []
    for size, dilation in zip(kernel, conv.dilations, strict=True):
        total = (size - 1) * dilation
        same += [total // 2, total - total // 2]
    if not any(conv.pads):
        conv.pads = None
    elif conv.strides == (1, 1) and list(conv.pads) == same:
        conv.padding, conv.pads = Padding.SAME, None


def _absorb_space_to_batch(graph: Graph, conv: Convolution) -> None:
    """Turns SPACE_TO_BATCH_ND, VALID convolution, BATCH_TO_SPACE_ND into a dilated convolution.

    With block size d, padding p before and crop c after (none before), the three are a convolution
    dilated by d with zero padding p before and (padding after - c) after.
    """
    before, after = graph.producer(conv.input), graph.only_consumer(conv.output)
    if before is None or after is None:
        return
    if graph.builtin(before) != BuiltinOperator.SPACE_TO_BATCH_ND:
        return
    if graph.builtin(after) != BuiltinOperator.BATCH_TO_SPACE_ND:
        return
    if (conv.padding, conv.strides, conv.dilations) != (Padding.VALID, (1, 1), (1, 1)):
        return
    inputs, outputs = ids(before.inputs), ids(after.inputs)
    block, paddings = graph.constant(inputs[1]), graph.constant(inputs[2])
    unblock, crops = graph.constant(outputs[1]), graph.constant(outputs[2])
    if block is None or paddings is None or unblock is None or crops is None:
        return
    if (block.shape, paddings.shape, crops.shape) != ((2,), (2, 2), (2, 2)):
        return
    if not np.array_equal(block, unblock) or (block < 1).any():
        return
    ends = paddings[:, 1] - crops[:, 1]
    if crops[:, 0].any() or (ends < 0).any():
        return
    if not _same_quantization(graph, conv, inputs[0], conv.input):
        return
    if not _same_quantization(graph, conv, conv.output, ids(after.outputs)[0]):
        return
    conv.input = inputs[0]
    conv.dilations = (int(block[0]), int(block[1]))
    conv.pads = (int(paddings[0, 0]), int(ends[0]), int(paddings[1, 0]), int(ends[1]))
    conv.absorbed += [before, conv.place]
    conv.place, conv.output = after, ids(after.outputs)[0]
    _absorb_bias(graph, conv)
    _absorb_activation(graph, conv)


def _absorb_activation(graph: Graph, conv: Convolution) -> None:
    """Fuses an activation that BATCH_TO_SPACE_ND kept apart from its convolution."""
    reader = graph.only_consumer(conv.output)
    if conv.activation != Activation.NONE or reader is None or conv.quantization is not None:
        return
    if (activation := _FUSABLE.get(graph.builtin(reader))) is not None:
        conv.absorbed.append(conv.place)
        conv.activation, conv.place, conv.output = activation, reader, ids(reader.outputs)[0]


def _type_name(graph: Graph, tensor: int) -> str:
    number = graph.tensor(tensor).type
    names = (name.lower() for name, value in vars(TensorType).items() if value == number)
    return next(names, f"of an unknown type ({number})")
