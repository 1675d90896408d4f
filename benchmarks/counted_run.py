"""One network in the emulated Python that benchmarks.count_arm64 starts.

    counted_run.py MODEL LIBRARY

Runs it once to warm up, and once between two calls of getpriority(), which tell arm64_counter.cc
what to count. LIBRARY is the delegate, or "-": LiteRT runs the model, on XNNPACK. Nothing of this
project is imported: the emulated Python does not have it.
"""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, load_delegate


def main(model: str, library: str) -> None:
    """Random inputs, one thread."""
    delegates = [] if library == "-" else [load_delegate(library, {"num_threads": 1})]
    interpreter = Interpreter(model, num_threads=1, experimental_delegates=delegates)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(1)
    for detail in interpreter.get_input_details():
        image = rng.uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], image)
    interpreter.invoke()
    os.getpriority(os.PRIO_PROCESS, 0)
    interpreter.invoke()
    os.getpriority(os.PRIO_PROCESS, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
