"""Runs converted files with the installed package and compares them with their dense twins.

    wheel_check.py FOLDER FILE...

scripts/wheel_test.sh runs it in environments that hold a wheel and its dependencies. The outputs
of the first environment stay in FOLDER, and those of later ones, other processors', have to agree.
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
        twin = Interpreter(model_content=pconv_tf.convert_dense(str(file)))
        twin.allocate_tensors()
        details = twin.get_input_details()[0]
        x = np.random.default_rng(0).uniform(0, 1, details["shape"]).astype(np.float32)
        twin.set_tensor(details["index"], x)
        twin.invoke()
        expected = twin.get_tensor(twin.get_output_details()[0]["index"])
        found = pconv_tf.Interpreter(str(file))(x)
        compare(f"{file.name}, with the delegate and stock", found, expected)
        stored = folder / f"{file.stem}.npy"
        if stored.exists():
            compare(f"{file.name}, here and in the first environment", found, np.load(stored))
        else:
            np.save(stored, found)


def compare(what: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Ends the program if the arrays differ by more than rounding."""
    error = np.abs(found - expected).max() / np.abs(expected).max()
    line = f"{platform.machine()}: {what}: differs by {error:.0e} of the largest output"
    if not error < LARGEST_ERROR:
        sys.exit(f"{line}, at most {LARGEST_ERROR:.0e} is allowed")
    print(line)


if __name__ == "__main__":
    main()
