"""Cuts a .tflite model into models of one operator each, to time layers alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class SingleOp:
    """One operator of a model as a model of its own.

    Attributes:
        name: Name of its first output tensor.
        op: Builtin operator name such as "CONV_2D", or the code of a custom operator.
        output_shapes: Shapes of what it computes, as stored in the file.
        model: The .tflite bytes; constants are copied, with the operators that unpack them;
            activations become inputs and outputs.
    """

    name: str
    op: str
    output_shapes: tuple[tuple[int, ...], ...]
    model: bytes


def split_ops(model: bytes) -> Iterator[SingleOp]:
    """Yields every operator of the model's main subgraph, in execution order.

    Args:
        model: A .tflite file's bytes.

    Raises:
        ValueError: Not a .tflite file.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        whole = schema.ModelT.InitFromPackedBuf(model)
    except Exception as error:  # flatbuffers raises whatever reading out of bounds leads to
        raise ValueError(f"damaged .tflite data: {error}") from error
    graph = whole.subgraphs[0]
    unpackers: dict[int, list[Any]] = {}  # by constant results, the operators that lead to them
    for operator in graph.operators:
        before: list[Any] = []
        activations = []
        for number in operator.inputs:
            if number in unpackers:
                before += [maker for maker in unpackers[number] if maker not in before]
            elif number >= 0 and not _is_constant(whole, graph.tensors[number]):
                activations.append(number)
        if not activations:
            unpackers |= {number: [*before, operator] for number in operator.outputs}
        yield SingleOp(
            name=_text(graph.tensors[operator.outputs[0]].name),
            op=op_name(whole.operatorCodes[operator.opcodeIndex]),
            output_shapes=tuple(_shape(graph.tensors[number]) for number in operator.outputs),
            model=_model_of(schema, whole, [*before, operator], activations),
        )


def op_name(code: Any) -> str:
    """The name of an operator code: the custom code, or the schema's name of the builtin."""
    if code.customCode is not None:
        return _text(code.customCode)
    # Files made before the enumeration outgrew a byte use the deprecated field.
    return _builtin_names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


@cache
def _builtin_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {value: name for name, value in vars(BuiltinOperator).items() if isinstance(value, int)}


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _model_of(schema: Any, whole: Any, operators: list[Any], activations: list[int]) -> bytes:
    graph = whole.subgraphs[0]
    read_and_made = [n for op in operators for n in [*op.inputs, *op.outputs]]
    used = list(dict.fromkeys(n for n in read_and_made if n >= 0))
    place = {number: position for position, number in enumerate(used)} | {-1: -1}
    buffers, tensors = [schema.BufferT()], []
    for number in used:
        tensor = copy.copy(graph.tensors[number])
        if _is_constant(whole, tensor):
            buffers.append(whole.buffers[tensor.buffer])
            tensor.buffer = len(buffers) - 1
        else:
            tensor.buffer = 0
        tensors.append(tensor)
    copies = []
    for number, operator in enumerate(operators):
        single = copy.copy(operator)
        single.opcodeIndex = number
        single.inputs = [place[tensor] for tensor in operator.inputs]
        single.outputs = [place[tensor] for tensor in operator.outputs]
        copies.append(single)

    subgraph = schema.SubGraphT()
    subgraph.tensors = tensors
    subgraph.operators = copies
    subgraph.inputs = list(dict.fromkeys(place[number] for number in activations))
    subgraph.outputs = copies[-1].outputs
    model = schema.ModelT()
    model.version = whole.version
    model.operatorCodes = [whole.operatorCodes[operator.opcodeIndex] for operator in operators]
    model.buffers = buffers
    model.subgraphs = [subgraph]

    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
