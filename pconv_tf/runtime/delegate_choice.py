"""Which delegate a .tflite file is run with, and how its options are written."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_CUSTOM_CODE = b"PConv2D"


def is_converted(graph: str | os.PathLike[str]) -> bool:
    """Whether a .tflite file holds pruned layers (operators PConv2D).

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a .tflite file.
    """
    from ai_edge_litert import schema_py_generated as schema

    path = Path(graph)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size < 8:
        raise ValueError(f"{path}: not a .tflite file: {path.stat().st_size} bytes")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[4:8] != b"TFL3":
            raise ValueError(
                f"{path}: not a .tflite file: bytes 4-7 are {data[4:8]!r}, expected b'TFL3'"
            )
        try:
            model = schema.Model.GetRootAs(data, 0)
            codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
            return any(code is not None and code.CustomCode() == _CUSTOM_CODE for code in codes)
        except Exception as error:  # flatbuffers raises whatever reading out of bounds leads to
            raise ValueError(f"{path}: damaged .tflite file: {error}") from error


def resolve_delegate(graph: str | os.PathLike[str], choice: str | None = None) -> str | None:
    """The path of the delegate to load for `graph`, or None.

    Args:
        graph: The .tflite file.
        choice: A path; "none"; or None or "auto": this project's delegate if and only if the file
            holds pruned layers.

    Raises:
        FileNotFoundError: The file does not exist, or this project's delegate is not built.
        ValueError: Not a .tflite file.
    """
    converted = is_converted(graph)
    if choice == "none":
        return None
    if choice not in (None, "auto"):
        return str(choice)
    if not converted:
        return None
    from pconv_tf.runtime.delegate import delegate_path

    return delegate_path()


def parse_options(text: str) -> dict[str, str]:
    """Parses benchmark_model's notation of delegate options, "key1:value1;key2:value2".

    Raises:
        ValueError: A pair is not of the form key:value. (benchmark_model drops such a pair.)
    """
    options = {}
    for pair in filter(None, text.split(";")):
        key, _, value = pair.partition(":")
        if not (key and value) or ":" in value:
            raise ValueError(
                f"external_delegate_options: received {pair!r}, expected key:value pairs separated "
                "by ';'. No value may hold ':' or ';'"
            )
        options[key.strip()] = value.strip()
    return options
