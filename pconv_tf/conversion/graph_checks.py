"""What the converter relies on in a parsed .tflite file, checked once for all readers."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

BuiltinOperator = schema.BuiltinOperator

# A file from a stranger may say in a few bytes that it means gigabytes. What is unpacked of a file
# is at most MAX_GROWTH times as large as the file, and ALLOWANCE bytes where that is more.
MAX_GROWTH = 256
ALLOWANCE = 64 << 20

# Operators whose inputs, outputs and options are looked at beside those of convolutions: how many
# inputs they have at least, and the name of their options.
_LOOKED_AT = {
    BuiltinOperator.ADD: (2, "AddOptionsT"),
    BuiltinOperator.BATCH_TO_SPACE_ND: (3, None),
    BuiltinOperator.DENSIFY: (1, None),
    BuiltinOperator.DEQUANTIZE: (1, None),
    BuiltinOperator.PAD: (2, None),
    BuiltinOperator.PADV2: (3, None),
    BuiltinOperator.RELU: (1, None),
    BuiltinOperator.RELU6: (1, None),
    BuiltinOperator.RELU_N1_TO_1: (1, None),
    BuiltinOperator.RESHAPE: (1, None),
    BuiltinOperator.SPACE_TO_BATCH_ND: (3, None),
}
_CONVOLUTION_OPTIONS = {
    BuiltinOperator.CONV_2D: "Conv2DOptionsT",
    BuiltinOperator.DEPTHWISE_CONV_2D: "DepthwiseConv2DOptionsT",
    BuiltinOperator.FULLY_CONNECTED: "FullyConnectedOptionsT",
}


def check_references(model: Any, name: str) -> None:
    """Refuses references to what is not there, and operators that read what is made later.

    Args:
        model: the `ModelT`; lists that it lacks become empty ones.
        name: what to call the file in errors.

    Raises:
        ValueError: says what is wrong.
    """

    def expect(condition: bool, what: str) -> None:
        if not condition:
            raise ValueError(f"{name}: damaged .tflite file ({what})")

    for attribute in ("operatorCodes", "subgraphs", "buffers"):
        expect(bool(getattr(model, attribute)), f"no {attribute}")
    for number, graph in enumerate(model.subgraphs):
        where = f"subgraph {number}"
        graph.tensors = graph.tensors if graph.tensors is not None else []
        graph.operators = graph.operators if graph.operators is not None else []
        count = len(graph.tensors)
        for tensor in graph.tensors:
            expect(0 <= tensor.buffer < len(model.buffers), f"{where}: a tensor without buffer")
            expect(_is_shape(tensor.shape), f"{where}: a tensor with a negative dimension")
        for operator in graph.operators:
            expect(0 <= operator.opcodeIndex < len(model.operatorCodes), f"{where}: unknown op")
        lists = [graph.inputs, graph.outputs]
        lists += [
            tensors
            for op in graph.operators
            for tensors in (op.inputs, op.outputs, op.intermediates)
        ]
        for tensors in lists:
            ids = _numbers(tensors)
            expect(bool(((ids >= -1) & (ids < count)).all()), f"{where}: an unknown tensor")
        for operator in graph.operators:
            problem = _problem_of(model, operator)
            expect(not problem, f"{where}: {problem}")
        expect(_is_in_order(graph), f"{where}: an operator reads what is made after it")
    for entry in model.metadata or []:
        expect(0 <= entry.buffer < len(model.buffers), "metadata without buffer")
    buffers = _numbers(model.metadataBuffer)
    expect(bool(((buffers >= 0) & (buffers < len(model.buffers))).all()), "metadata without buffer")
    for signature in model.signatureDefs or []:
        expect(0 <= signature.subgraphIndex < len(model.subgraphs), "a signature without subgraph")
        count = len(model.subgraphs[signature.subgraphIndex].tensors)
        for entry in [*(signature.inputs or []), *(signature.outputs or [])]:
            expect(0 <= entry.tensorIndex < count, "a signature without tensor")


def check_sizes(model: Any, file_bytes: int, name: str) -> None:
    """Refuses constants that would unpack to much more than the file holds.

    Buffers that several tensors share count for each, sparse tensors with their dense size.

    Raises:
        ValueError: says how much it would be.
    """
    total = 0.0
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if model.buffers[tensor.buffer].data is not None:
                total += 4 * float(np.prod(_numbers(tensor.shape), dtype=np.float64))
    check_growth(total, file_bytes, name)


def check_growth(unpacked: float, file_bytes: int, name: str) -> None:
    """Refuses to unpack many times what a file holds.

    Args:
        unpacked: bytes that its weights take as dense arrays.
        file_bytes: size of the file.
        name: what to call the file in errors.

    Raises:
        ValueError: says how much it would be.
    """
    limit = max(ALLOWANCE, MAX_GROWTH * file_bytes)
    if unpacked > limit:
        raise ValueError(
            f"{name}: its weights would take {unpacked / 1e6:.0f} MB as dense arrays; of a file of"
            f" {file_bytes} bytes no more than {limit / 1e6:.0f} MB are unpacked"
        )


def _problem_of(model: Any, operator: Any) -> str:
    """What is wrong with an operator that the converter looks at; empty if nothing is."""
    code = model.operatorCodes[operator.opcodeIndex]
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    fewest, options = _LOOKED_AT.get(builtin, (0, _CONVOLUTION_OPTIONS.get(builtin)))
    inputs, outputs = _numbers(operator.inputs), _numbers(operator.outputs)
    if len(inputs) < fewest or (inputs[:fewest] < 0).any():
        return f"{_name(builtin)} with inputs {inputs.tolist()}"
    if fewest and (len(outputs) < 1 or outputs[0] < 0):
        return f"{_name(builtin)} with outputs {outputs.tolist()}"
    found = operator.builtinOptions
    if options and found is not None and type(found).__name__ != options:
        return f"{_name(builtin)} with options {type(found).__name__}"
    return ""


def _name(builtin: int) -> str:
    return next(name for name, number in vars(BuiltinOperator).items() if number == builtin)


def _is_in_order(graph: Any) -> bool:
    """Whether each result is made once, and before it is read."""
    makers: dict[int, int] = {}
    for position, operator in enumerate(graph.operators):
        for tensor in _numbers(operator.outputs).tolist():
            if tensor >= 0 and makers.setdefault(tensor, position) != position:
                return False
    return all(
        makers.get(tensor, -1) < position
        for position, operator in enumerate(graph.operators)
        for tensor in _numbers(operator.inputs).tolist()
    )


def _is_shape(shape: Any) -> bool:
    return bool((_numbers(shape) >= 0).all())


def _numbers(vector: Any) -> np.ndarray:
    return np.asarray([] if vector is None else vector, np.int64)
