"""Random arrays to run models on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def random_inputs(inputs: Sequence[Mapping[str, Any]], seed: int) -> list[np.ndarray]:
    """One array per input: floats from [-1, 1), integers from [0, 100), booleans at random.

    Args:
        inputs: A runtime's input details: mappings with name, shape and dtype.
        seed: Of the values.

    Raises:
        ValueError: An input of another type.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    arrays = []
    for detail in inputs:
        dtype = np.dtype(detail["dtype"])
        shape = tuple(detail["shape"])
        if dtype.kind == "f":
            arrays.append(rng.uniform(-1, 1, shape).astype(dtype))
        elif dtype.kind in "iu":
            arrays.append(rng.integers(0, 100, shape).astype(dtype))
        elif dtype.kind == "b":
            arrays.append(rng.integers(0, 2, shape).astype(dtype))
        else:
            raise ValueError(f"input {detail['name']!r}: no random values of type {dtype}")
    return arrays


def inputs_of(graph: Path, seed: int) -> list[np.ndarray]:
    """Random arrays for the inputs of a stock .tflite file.

    Raises:
        ValueError: LiteRT does not read the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        details = Interpreter(model_path=str(graph)).get_input_details()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{graph}: {str(error).strip()}") from error
    return random_inputs(details, seed)
