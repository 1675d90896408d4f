"""Compares two builds of the delegate: the same bits, and how fast.

    python -m benchmarks.compare_libraries OLD.so NEW.so
    python -m benchmarks.compare_libraries OLD.so NEW.so --networks=vgg16_conv --seconds=20
    python -m benchmarks.compare_libraries OLD.so NEW.so --isa=avx2
    python -m benchmarks.compare_libraries OLD.so NEW.so --precision=int8

Every network runs with masks of single filters (lane-tiled images) and with masks shared by 16
(channel-blocked images), or as a full-integer file with 1x1 layers in quads, on random inputs, in
one process with both libraries, which take turns run by run. An output that differs in one bit ends
in exit code 1. With --seconds it also prints medians in milliseconds and the median over the rounds
of new / old.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pconv_tf.comparing.network_files import network_files
from pconv_tf.runtime.delegate import runtime_module

NETWORKS = "vgg16_conv,resnet50,mobilenet_v2,vgg16_cifar"
# How files of a precision are pruned, by what the lines say of it.
PRUNING: dict[str, dict[str, dict[str, Any]]] = {
    "float32": {"blocks of 1": {"filter_block": 1}, "blocks of 16": {"filter_block": 16}},
    "int8": {"int8": {"pointwise_unit": "quad"}},
}
SEEDS = (1, 2)  # of the inputs


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 if an output differs."""
    parser = argparse.ArgumentParser(description="Compares two builds of the delegate.")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--networks", default=NETWORKS, help="names, separated by commas")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, separated by commas")
    parser.add_argument("--precision", default="float32", choices=PRUNING, help="of the files")
    parser.add_argument("--isa", default="auto", help="the delegate's option of that name")
    parser.add_argument("--seconds", type=float, default=0.0, help="of timing, for each line")
    options = parser.parse_args(arguments)
    same = True
    for name in options.networks.split(","):
        for kind, pruning in PRUNING[options.precision].items():
            model = network_files(name, pruning, precision=options.precision).pconv
            for threads in map(int, options.threads.split(",")):
                choices = {"num_threads": threads, "isa": options.isa}
                pair = [_open(library, model, choices) for library in (options.old, options.new)]
                equal = all(_equal(pair, seed) for seed in SEEDS)
                same = same and equal
                text = "same bits" if equal else "OTHER BITS"
                if options.seconds:
                    text += ", " + _compare_times(pair, options.seconds)
                print(f"{name}, {kind}, {threads} threads: {text}", flush=True)
    return 0 if same else 1


def _open(library: Path, model: Path, options: dict[str, Any]) -> Any:
    """An interpreter ready to run. `options`: of the delegate."""
    module = runtime_module("litert")
    delegate = module.load_delegate(str(library.resolve()), options)
    interpreter = module.Interpreter(model_path=str(model), experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    return interpreter


def _equal(pair: list[Any], seed: int) -> bool:
    """Whether both compute the same bits from random inputs. Leaves these inputs set."""
    outputs = []
    for interpreter in pair:
        rng = np.random.default_rng(seed)
        for detail in interpreter.get_input_details():
            image = rng.uniform(-1, 1, detail["shape"]).astype(detail["dtype"])
            interpreter.set_tensor(detail["index"], image)
        interpreter.invoke()
        outputs.append(
            [interpreter.get_tensor(d["index"]).tobytes() for d in interpreter.get_output_details()]
        )
    return outputs[0] == outputs[1]


def _compare_times(pair: list[Any], seconds: float) -> str:
    """Runs both in turns, each first in every other round."""
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        order = (0, 1) if len(times[0]) % 2 == 0 else (1, 0)
        for i in order:
            begin = time.perf_counter()
            pair[i].invoke()
            times[i].append((time.perf_counter() - begin) * 1e3)
    ratio = statistics.median(new / old for old, new in zip(*times, strict=True))
    old, new = map(statistics.median, times)
    return f"{old:.3f} -> {new:.3f} ms, {len(times[0])} rounds, new / old {ratio:.3f}"


if __name__ == "__main__":
    sys.exit(main())
