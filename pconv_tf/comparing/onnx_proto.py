"""Writes ONNX files: just the messages and fields a feed-forward float32 graph needs.

ONNX is a protocol buffer (onnx.proto3 of the ONNX project). Encoding it here takes a page and
spares a dependency that would have to agree with the protobuf version of TensorFlow.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

_IR_VERSION = 7
_OPSET = 13
_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}

Attribute = int | float | str | Sequence[int]


def node(op: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """A NodeProto with one output, named after it. An empty input name is an absent input."""
    return b"".join(
        (
            *(_text(1, name) for name in inputs),
            _text(2, output),
            _text(3, output),
            _text(4, op),
            *(_field(5, _attribute(key, value)) for key, value in attributes.items()),
        )
    )


def tensor(name: str, values: np.ndarray) -> bytes:
    """A TensorProto of float32 or int64 values."""
    values = np.ascontiguousarray(values)
    return b"".join(
        (
            *(_integer(1, size) for size in values.shape),
            _integer(2, _TYPES[values.dtype]),
            _text(8, name),
            _field(9, values.tobytes()),
        )
    )


def value_info(name: str, shape: Sequence[int]) -> bytes:
    """A ValueInfoProto of a float32 tensor."""
    dims = b"".join(_field(1, _integer(1, size)) for size in shape)
    tensor_type = _integer(1, _TYPES[np.dtype(np.float32)]) + _field(2, dims)
    return _text(1, name) + _field(2, _field(1, tensor_type))


def model(
    name: str,
    nodes: Sequence[bytes],
    initializers: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
) -> bytes:
    """A ModelProto: the content of an .onnx file."""
    graph = b"".join(
        (
            *(_field(1, item) for item in nodes),
            _text(2, name),
            *(_field(5, item) for item in initializers),
            *(_field(11, item) for item in inputs),
            *(_field(12, item) for item in outputs),
        )
    )
    opset = _text(1, "") + _integer(2, _OPSET)
    return _integer(1, _IR_VERSION) + _text(2, "pconv_tf") + _field(7, graph) + _field(8, opset)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        body = _key(2, 5) + struct.pack("<f", value) + _integer(20, 1)
    elif isinstance(value, int):
        body = _integer(3, value) + _integer(20, 2)
    elif isinstance(value, str):
        body = _text(4, value) + _integer(20, 3)
    else:
        body = b"".join(_integer(8, item) for item in value) + _integer(20, 7)
    return _text(1, name) + body


def _integer(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value)


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _field(number: int, data: bytes) -> bytes:
    return _key(number, 2) + _varint(len(data)) + data


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers take their two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
