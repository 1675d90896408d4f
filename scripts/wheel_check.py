"""Runs converted files with the installed package and checks their outputs.

    wheel_check.py FOLDER FILE...

scripts/wheel_test.sh runs it in environments that hold a wheel and its dependencies. In the first
one a file has to do what its dense twin does in the runtime alone; the output stays in FOLDER, and
that of later environments, other processors', has to agree. Twins take minutes in an emulator.
"""

import platform
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import pconv_tf

LARGEST_ERROR = 1e-4  # of the output's largest magnitude


def main() -> None:
    """Checks every file, and prints a line about each."""
    folder, files = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    for file in files:
        interpreter = pconv_tf.Interpreter(str(file))
        shape = interpreter.get_input_details()[0]["shape"]
        x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
        found = interpreter(x)
        stored = folder / f"{file.stem}.npy"
        if stored.exists():
            compare(f"{file.name}, here and in the first environment", found, np.load(stored))
        else:
            compare(f"{file.name} and its dense twin", found, dense_output(file, x))
            np.save(stored, found)


def dense_output(file: Path, x: np.ndarray) -> np.ndarray:
    """What the runtime's own kernels make of the dense twin."""
    twin = Interpreter(model_content=pconv_tf.convert_dense(str(file)))
    twin.allocate_tensors()
    twin.set_tensor(twin.get_input_details()[0]["index"], x)
    twin.invoke()
    return twin.get_tensor(twin.get_output_details()[0]["index"])


def compare(what: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Ends the program if the arrays differ by more than rounding."""
    error = np.abs(found - expected).max() / np.abs(expected).max()
    line = f"{platform.machine()}: {what}: differs by {error:.0e} of the largest output"
    if not error < LARGEST_ERROR:
        sys.exit(f"{line}, at most {LARGEST_ERROR:.0e} is allowed")
    print(line)


if __name__ == "__main__":
    main()
