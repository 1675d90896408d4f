""".tflite files as objects of the TFLite schema, read and written."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from pconv_tf.conversion import attached, graph_checks
from pconv_tf.conversion.attached import Attached
from pconv_tf.conversion.unpacked_size import unpacked_size

MAX_BYTES = 2**31 - 1  # offsets inside a FlatBuffer are signed 32 bit
# Tables and strings that are referred to several times are unpacked as often: to so many times what
# the file takes, and so many bytes where that is more.
MOST_SHARING = 4
_SHARING_ALLOWANCE = 1 << 16
_IDENTIFIER = b"TFL3"
_DATA_ALIGNMENT = 16  # the schema's force_align of buffers: the file can be memory-mapped


@dataclass
class ModelFile:
    """A parsed .tflite file.

    Attributes:
        model: the file as `ModelT`; buffers are views into the bytes it was read from.
        attached: files that TFLite Metadata appended, None if there are none.
    """

    model: Any
    attached: Attached | None = None


def read(data: bytes, name: str) -> ModelFile:
    """Parses a .tflite file.

    Args:
        data: its bytes.
        name: what to call it in errors.

    Raises:
        ValueError: if it is too large, or not a whole and consistent .tflite file.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{name}: {len(data)} bytes; a .tflite file has at most 2 GB")
    if len(data) < 8 or bytes(data[4:8]) != _IDENTIFIER:
        raise ValueError(f"{name}: not a .tflite file (no TFL3 identifier)")
    try:
        limit = MOST_SHARING * len(data) + _SHARING_ALLOWANCE
        if unpacked_size(schema.Model.GetRootAs(data, 0), limit) > limit:
            raise ValueError("its parts refer to the same tables again and again")
        model = schema.ModelT.InitFromPackedBuf(data, 0)
    except (struct.error, ValueError, TypeError, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(f"{name}: damaged .tflite file ({error})") from None
    graph_checks.check_references(model, name)
    _take_in(model, data, name)
    graph_checks.check_sizes(model, len(data), name)
    return ModelFile(model, attached.find(data))


def write(file: ModelFile) -> bytes:
    """Serialises a model: the same bytes for the same content.

    Raises:
        ValueError: if the file would exceed 2 GB.
    """
    payload = sum(len(b.data) + 64 for b in file.model.buffers if b.data is not None)
    if payload > MAX_BYTES:
        raise ValueError(
            f"the converted model has {payload} bytes of weights; a .tflite file has at most 2 GB"
        )
    # Sized to hold everything, as growing would copy all weights several times.
    builder = _AlignedBuilder(payload + (1 << 16))
    builder.Finish(file.model.Pack(builder), _IDENTIFIER)
    start = builder.Head()
    with memoryview(builder.Bytes) as whole, whole[start:] as used:
        data = bytes(used)
    return data if file.attached is None else attached.append(data, file.attached)


def buffer_bytes(model: Any, index: int) -> np.ndarray | None:
    """The bytes of a buffer as uint8 [n], or None if it is empty."""
    data = model.buffers[index].data
    return None if data is None or not len(data) else np.asarray(data, np.uint8)


class _AlignedBuilder(Builder):
    """Writes buffer data at 16-byte boundaries, which the generated Python code neglects."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, _DATA_ALIGNMENT)
        end = self.Head()
        self.head = end - x.size
        with memoryview(self.Bytes) as whole:
            whole[self.head : end] = np.ascontiguousarray(x).data
        self.vectorNumElems = x.size
        return self.EndVector()


def _take_in(model: Any, data: bytes, name: str) -> None:
    """Makes buffers and custom options that lie behind the FlatBuffer ordinary ones."""

    def part(offset: int, size: int, what: str) -> np.ndarray:
        if offset + size > len(data):
            raise ValueError(
                f"{name}: damaged .tflite file ({what} ends at byte {offset + size} of {len(data)})"
            )
        return np.frombuffer(data, np.uint8, size, offset)

    for number, buffer in enumerate(model.buffers):
        if buffer.size:
            buffer.data = part(buffer.offset, buffer.size, f"buffer {number}")
        buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        for operator in graph.operators:
            offset, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            if size:
                operator.customOptions = part(offset, size, "custom options")
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    if model.metadata is not None:  # the note that says where buffers lie
        model.metadata = [m for m in model.metadata if m.name != b"buffer_location"]
