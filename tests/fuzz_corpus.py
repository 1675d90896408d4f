"""Seeds for the libFuzzer targets, made from the golden files: fuzz_corpus.py GOLDEN_FOLDER OUTPUT.

Chunks are what tflite_ops/fuzzing/chunks.h reads: a type, two bytes of length, contents.
"""

from __future__ import annotations

import sys
from pathlib import Path

import golden_format
import numpy as np

ARRAYS = ("offset", "reorder", "index", "stride", "weight", "bias", "scale")
# PConvType (tflite_ops/pconv_kernel.h), and the types of node_fuzz.cc.
LAYER_TYPES = {
    "float32": 1,
    "float16": 2,
    "int8": 3,
    "uint8": 4,
    "uint16": 5,
    "uint32": 6,
    "int32": 7,
}
NODE_TYPES = {
    "float32": 0,
    "int32": 1,
    "uint8": 2,
    "float16": 3,
    "uint16": 4,
    "int8": 5,
    "uint32": 6,
}
NODE_OPERATIONS = 14  # the builtin ones; the number after them is PConv2D


def chunk(kind: int, contents: bytes) -> bytes:
    """One chunk; what is longer than its length can say is cut off."""
    contents = contents[:65535]
    return bytes([kind]) + len(contents).to_bytes(2, "little") + contents


def tensor(array: np.ndarray) -> bytes:
    """A constant of node_fuzz.cc."""
    shape = bytes(min(size, 127) for size in array.shape)
    return chunk(len(shape) << 4 | NODE_TYPES[str(array.dtype)], shape + array.tobytes())


def activation(*shape: int, dtype: str = "float32") -> bytes:
    """An activation of node_fuzz.cc."""
    return chunk(len(shape) << 4 | 8 | NODE_TYPES[dtype], bytes(min(size, 127) for size in shape))


def seeds(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    """The seed of each target for one golden file."""
    options = arrays["options"].astype(np.uint8).tobytes()
    stored = [arrays[name] for name in ARRAYS if name in arrays]
    layer = [chunk(LAYER_TYPES[str(array.dtype)], array.tobytes()) for array in stored]
    image = arrays["activation"]
    int8 = image.dtype == np.int8
    node = [chunk(NODE_OPERATIONS, b""), chunk(int(int8), options)]
    node += [activation(*image.shape, dtype=str(image.dtype)), *map(tensor, stored)]
    quantization = b"".join(
        arrays[f"{tensor}_{field}"].tobytes()
        for tensor in ("activation", "result")
        for field in ("scale", "zero_point")
        if int8
    )
    return {
        "options": options,
        "layer": b"".join([chunk(int(int8), quantization + options), *layer]),
        "node": b"".join(node),
    }


def builtin_seed(operation: int) -> bytes:
    """A node of each builtin operation with parameters that most of them have."""
    parameters = np.array([1, 1, 1, 2, 2, 1, 1, 0], np.int32).tobytes()
    filters = np.ones((4, 1, 1, 4), np.float32)
    constants = [tensor(filters), tensor(np.ones(4, np.float32))]
    return b"".join(
        [chunk(operation, b""), chunk(0, parameters), activation(1, 4, 4, 4), *constants]
    )


def main(golden: Path, output: Path) -> None:
    """Writes OUTPUT/TARGET/NAME for every target."""
    for target in ("options", "layer", "node"):
        (output / target).mkdir(parents=True, exist_ok=True)
    files = sorted(golden.glob("*.fkw"))
    if not files:
        raise SystemExit(f"{golden}: no golden files")
    for path in files:
        for target, data in seeds(golden_format.parse(path.read_text())).items():
            (output / target / path.stem).write_bytes(data)
    for operation in range(NODE_OPERATIONS):
        (output / "node" / f"builtin{operation}").write_bytes(builtin_seed(operation))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
