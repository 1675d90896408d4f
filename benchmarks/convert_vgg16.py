"""Time and memory of converting VGG-16 with its fully connected layers (553 MB).

    PYTHONPATH=. python benchmarks/convert_vgg16.py keras vgg16.tflite    # the dense twin
    PYTHONPATH=. python benchmarks/convert_vgg16.py tflite vgg16.tflite   # that file to PConv2D

Random weights: convolutions pruned 8.1x (4 T-shaped patterns, 1/3.6 of the kernels), fully
connected layers 10x. Each step is a process of its own, as its peak memory is the process's.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def from_keras(path: Path) -> int:
    """Builds and prunes the model, writes its dense twin to `path`; returns its size."""
    import keras

    import pconv_tf

    keras.utils.set_random_seed(1)
    model = keras.applications.VGG16(weights=None)
    pconv_tf.prune_one_shot(
        model, {"pattern_set": "pconv4", "connectivity_rate": 3.6, "dense_rate": 10}
    )
    report("built and pruned")
    return len(pconv_tf.convert_dense(model, output=path))


def from_tflite(path: Path) -> int:
    """Converts the file at `path`; returns the size of the result."""
    from pconv_tf.conversion import convert_with_report

    return len(convert_with_report(path).flatbuffer)


def report(step: str) -> None:
    """Prints how long the process runs and its peak memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{step}: {time.perf_counter() - START:.1f} s, peak {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    START = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", choices=("keras", "tflite"))
    parser.add_argument("path", type=Path, help="the dense .tflite: written, or read")
    arguments = parser.parse_args()
    size = (from_keras if arguments.source == "keras" else from_tflite)(arguments.path)
    report(f"{size / 1e6:.1f} MB written")
