"""The text of a golden file: one array a line, as `name type rank sizes... values...`.

Values are decimal integers, or floats in C99 hexadecimal, which strtof reads exactly.
"""

from __future__ import annotations

import numpy as np


def dump(arrays: dict[str, np.ndarray]) -> str:
    """Arrays as text."""
    return "".join(f"{_line(name, array)}\n" for name, array in arrays.items())


def parse(text: str) -> dict[str, np.ndarray]:
    """Text as arrays."""
    arrays = {}
    for line in text.splitlines():
        name, dtype, rank, *rest = line.split()
        shape = tuple(int(size) for size in rest[: int(rank)])
        read = float.fromhex if np.dtype(dtype).kind == "f" else int
        values = [read(value) for value in rest[int(rank) :]]
        arrays[name] = np.array(values, dtype).reshape(shape)
    return arrays


def _line(name: str, array: np.ndarray) -> str:
    write = float.hex if array.dtype.kind == "f" else str
    values = [write(value) for value in array.reshape(-1).tolist()]
    return " ".join([name, str(array.dtype), str(array.ndim), *map(str, array.shape), *values])
