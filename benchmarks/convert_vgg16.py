"""Time and memory of converting VGG-16 with its fully connected layers (553 MB).

    PYTHONPATH=. python benchmarks/convert_vgg16.py keras                 # the model to PConv2D
    PYTHONPATH=. python benchmarks/convert_vgg16.py dense vgg16.tflite    # the model to its twin
    PYTHONPATH=. python benchmarks/convert_vgg16.py tflite vgg16.tflite   # that twin to PConv2D

Random weights: convolutions pruned 8.1x (4 T-shaped patterns, 1/3.6 of the kernels), fully
connected layers 10x. Memory is what the process needs at its peak on top of what it held when the
conversion began, with the model built and TensorFlow imported. Linux only.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pruned_model() -> Any:
    """The Keras model."""
    import keras

    import pconv_tf

    keras.utils.set_random_seed(1)
    model = keras.applications.VGG16(weights=None)
    return pconv_tf.prune_one_shot(
        model, {"pattern_set": "pconv4", "connectivity_rate": 3.6, "dense_rate": 10}
    )


def measure(convert: Callable[[], bytes]) -> None:
    """Prints what one conversion takes."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = time.perf_counter()
    size = len(convert())
    seconds, peak = time.perf_counter() - start, memory("VmHWM") - before
    print(f"{seconds:.1f} s, {peak / 1e9:.2f} GB at the peak, {size / 1e6:.1f} MB written")


def memory(key: str) -> int:
    """A number of bytes from /proc/self/status."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Measures the conversion asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("keras", "dense", "tflite"))
    parser.add_argument("path", type=Path, nargs="?", help="the twin: written, or read")
    arguments = parser.parse_args()
    if arguments.what != "keras" and arguments.path is None:
        parser.error(f"{arguments.what}: needs the path of the twin")

    import pconv_tf

    if arguments.what == "tflite":
        measure(lambda: pconv_tf.convert(arguments.path, quiet=True))
        return
    model = pruned_model()
    if arguments.what == "keras":
        measure(lambda: pconv_tf.convert(model, quiet=True))
    else:
        measure(lambda: pconv_tf.convert_dense(model, output=arguments.path))


if __name__ == "__main__":
    main()
