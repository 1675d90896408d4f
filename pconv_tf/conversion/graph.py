"""One subgraph of a .tflite model: who makes and who reads each tensor, constants, editing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pconv_tf.conversion import model_file

BuiltinOperator = schema.BuiltinOperator
TensorType = schema.TensorType

_NUMPY_TYPES: dict[int, np.dtype] = {
    TensorType.FLOAT32: np.dtype("<f4"),
    TensorType.FLOAT16: np.dtype("<f2"),
    TensorType.INT8: np.dtype("i1"),
    TensorType.UINT8: np.dtype("u1"),
    TensorType.INT16: np.dtype("<i2"),
    TensorType.UINT16: np.dtype("<u2"),
    TensorType.INT32: np.dtype("<i4"),
    TensorType.UINT32: np.dtype("<u4"),
    TensorType.INT64: np.dtype("<i8"),
}
_TENSOR_TYPES = {dtype: number for number, dtype in _NUMPY_TYPES.items()}


# Operators that may do more than make their results.
_CONTROL_FLOW = {
    BuiltinOperator.CUSTOM,
    BuiltinOperator.CALL,
    BuiltinOperator.IF,
    BuiltinOperator.WHILE,
    BuiltinOperator.STABLEHLO_CUSTOM_CALL,
    BuiltinOperator.STABLEHLO_WHILE,
}


class Graph:
    """A subgraph with lookup tables; edits are collected and carried out by `commit`."""

    def __init__(self, model: Any, subgraph: Any) -> None:
        self.model = model
        self.subgraph = subgraph
        self.operators: list[Any] = list(subgraph.operators)
        self._producers: dict[int, Any] = {}
        self._consumers: dict[int, list[Any]] = defaultdict(list)
        for operator in self.operators:
            for tensor in ids(operator.outputs):
                self._producers[tensor] = operator
            for tensor in ids(operator.inputs):
                self._consumers[tensor].append(operator)
        self._outputs = set(ids(subgraph.outputs))
        self._replaced: dict[int, Any] = {}
        self._removable: set[int] = set()
        self._added: dict[bytes, int] = {}  # buffers by the digest of what they hold

    def builtin(self, operator: Any) -> int:
        """The operator's builtin code; CUSTOM for custom operators."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    def custom_code(self, operator: Any) -> str | None:
        """The name of a custom operator, None for a builtin one."""
        if self.builtin(operator) != BuiltinOperator.CUSTOM:
            return None
        return text(self.model.operatorCodes[operator.opcodeIndex].customCode)

    def producer(self, tensor: int) -> Any | None:
        """The operator that makes `tensor`; None for inputs and constants."""
        return self._producers.get(tensor)

    def only_consumer(self, tensor: int) -> Any | None:
        """The one operator that reads `tensor`, None if others or the caller do as well."""
        readers = self._consumers.get(tensor, [])
        return readers[0] if len(readers) == 1 and tensor not in self._outputs else None

    def tensor(self, index: int) -> Any:
        """The tensor's `TensorT`."""
        return self.subgraph.tensors[index]

    def name(self, index: int) -> str:
        """The tensor's name."""
        return text(self.tensor(index).name)

    def shape(self, index: int) -> tuple[int, ...]:
        """The tensor's shape as stored; a dimension that may change has its default size."""
        return tuple(ids(self.tensor(index).shape))

    def signature(self, index: int) -> tuple[int, ...]:
        """The tensor's shape with -1 for each dimension that may change."""
        changing = self.tensor(index).shapeSignature
        return self.shape(index) if changing is None else tuple(ids(changing))

    def dtype(self, index: int) -> np.dtype | None:
        """The tensor's numpy type, None if numpy has none."""
        return _NUMPY_TYPES.get(self.tensor(index).type)

    def constant(self, index: int) -> np.ndarray | None:
        """The value of a constant tensor without TFLite's sparse storage, as stored; else None.

        Raises:
            ValueError: if the buffer does not hold what the shape says.
        """
        tensor = self.tensor(index)
        data = model_file.buffer_bytes(self.model, tensor.buffer)
        dtype = self.dtype(index)
        if data is None or dtype is None or tensor.sparsity is not None:
            return None
        shape = self.shape(index)
        expected = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
        if min(shape, default=0) < 0 or expected != data.nbytes:
            raise ValueError(
                f"tensor {self.name(index)}: shape {list(shape)} of {dtype} needs {expected}"
                f" bytes, found {data.nbytes}"
            )
        return data.view(dtype).reshape(shape)

    def add_constant(self, name: str, value: np.ndarray) -> int:
        """Adds a constant tensor and returns its index; equal constants share a buffer."""
        little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        data = little.reshape(-1).view(np.uint8)
        digest = hashlib.blake2b(data.data).digest()
        if digest not in self._added:
            buffer = schema.BufferT()  # takes no arguments before LiteRT 2.1
            buffer.data = data
            self.model.buffers.append(buffer)
            self._added[digest] = len(self.model.buffers) - 1
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(value.shape, np.int32)
        tensor.type = _TENSOR_TYPES[little.dtype]
        tensor.buffer = self._added[digest]
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def operator_code(self, builtin: int, version: int = 1, custom_code: str = "") -> int:
        """The index of the operator code, added if it is not there."""
        for index, code in enumerate(self.model.operatorCodes):
            same = max(code.builtinCode, code.deprecatedBuiltinCode) == builtin
            if same and code.version >= version and text(code.customCode) == custom_code:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode = builtin
        code.deprecatedBuiltinCode = min(builtin, BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        code.version = version
        code.customCode = custom_code or None
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def replace(self, operator: Any, new: list[Any]) -> None:
        """Puts the operators `new` where `operator` is; what only `operator` needed goes."""
        self._replaced[id(operator)] = new
        self._let_go(operator)

    def remove_if_unread(self, operator: Any) -> None:
        """Removes `operator`, and what only it needs, unless something else reads their results."""
        self._removable.add(id(operator))
        self._let_go(operator)

    def _let_go(self, operator: Any) -> None:
        pending = ids(operator.inputs)
        while pending:
            maker = self.producer(pending.pop())
            if maker is None or id(maker) in self._removable:
                continue
            if self.builtin(maker) not in _CONTROL_FLOW:
                self._removable.add(id(maker))
                pending += ids(maker.inputs)

    def commit(self) -> None:
        """Carries out the edits. What they leave without a reader goes with `drop_unused`."""
        needed = set(self._outputs)
        kept = []
        for operator in reversed(self.operators):
            unread = not needed & set(ids(operator.outputs))
            if id(operator) in self._removable and unread and id(operator) not in self._replaced:
                continue
            for new in reversed(self._replaced.get(id(operator), [operator])):
                needed |= set(ids(new.inputs))
                kept.append(new)
        self.subgraph.operators = kept[::-1]


def drop_unused(model: Any) -> None:
    """Removes tensors, buffers and operator codes that nothing refers to, and renumbers the rest.

    Buffer 0 stays: the schema reserves it for tensors without data.
    """
    for number, graph in enumerate(model.subgraphs):
        entries = [
            entry
            for signature in model.signatureDefs or []
            if signature.subgraphIndex == number
            for entry in [*(signature.inputs or []), *(signature.outputs or [])]
        ]
        _drop_tensors(graph, entries)
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    holders = [*tensors, *(model.metadata or [])]
    used = sorted({0, *(holder.buffer for holder in holders), *ids(model.metadataBuffer)})
    renumbered = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[old] for old in used]
    for holder in holders:
        holder.buffer = renumbered[holder.buffer]
    if model.metadataBuffer is not None:
        model.metadataBuffer = [renumbered[old] for old in ids(model.metadataBuffer)]
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    codes = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[old] for old in codes]
    for operator in operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)


def _drop_tensors(graph: Any, signature_entries: list[Any]) -> None:
    used = set(ids(graph.inputs)) | set(ids(graph.outputs))
    used |= {entry.tensorIndex for entry in signature_entries}
    for operator in graph.operators:
        for tensors in (operator.inputs, operator.outputs, operator.intermediates):
            used |= set(ids(tensors))
    order = sorted(used - {-1})
    new = {old: number for number, old in enumerate(order)} | {-1: -1}

    def renumbered(tensors: Any) -> np.ndarray | None:
        return None if tensors is None else np.array([new[t] for t in ids(tensors)], np.int32)

    if order and not 0 <= min(order) <= max(order) < len(graph.tensors):
        raise ValueError(
            f"tensor index: expected 0 to {len(graph.tensors) - 1}, "
            f"found {min(order)} to {max(order)}"
        )
    graph.tensors = [graph.tensors[old] for old in order]
    graph.inputs, graph.outputs = renumbered(graph.inputs), renumbered(graph.outputs)
    for operator in graph.operators:
        operator.inputs = renumbered(operator.inputs)
        operator.outputs = renumbered(operator.outputs)
        operator.intermediates = renumbered(operator.intermediates)
    for entry in signature_entries:
        entry.tensorIndex = new[entry.tensorIndex]


def ids(values: Any) -> list[int]:
    """A schema vector (None, list or array) as a list of ints."""
    return [] if values is None else [int(value) for value in values]


def text(value: bytes | str | None) -> str:
    """A schema string."""
    return (value.decode(errors="replace") if isinstance(value, bytes) else value) or ""
