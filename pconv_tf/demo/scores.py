"""What the demo measures of its files: accuracy in LiteRT, and latency."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

import pconv_tf
from pconv_tf.comparing.comparison import run_comparison
from pconv_tf.measuring.contender import LITERT, Contender
from pconv_tf.measuring.inputs import inputs_of

_BATCH = 250


def logits(path: Path, images: np.ndarray, *, delegate: bool) -> np.ndarray:
    """Outputs [N, 10] of the file in stock LiteRT, with the delegate or with XNNPACK alone."""
    if delegate:
        interpreter = pconv_tf.Interpreter(str(path), num_threads=2)
    else:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=2)
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, [_BATCH, *images.shape[1:]])
    interpreter.allocate_tensors()
    end = interpreter.get_output_details()[0]["index"]
    results = []
    for first in range(0, len(images), _BATCH):
        interpreter.set_tensor(entry, images[first : first + _BATCH])
        interpreter.invoke()
        results.append(interpreter.get_tensor(end))
    return np.concatenate(results)


def latencies(dense: Path, twin: Path, pruned: Path, seed: int) -> dict[Path, float]:
    """Median milliseconds of one image on one thread, of three files that take turns."""
    contenders = (
        Contender("pruned, dense twin", LITERT, twin),
        Contender("pruned, FKW", LITERT, pruned, {"delegate": pconv_tf.delegate_path()}),
        # Other weights: its output has nothing to agree with.
        Contender("dense", LITERT, dense, tolerance=math.inf),
    )
    timed = run_comparison(
        contenders, inputs_of(twin, seed), subject={}, num_threads=1, num_runs=50, seed=seed
    )
    for name, reason in timed.failed.items():
        raise ValueError(f"{name}: {reason}")
    return {item.model: timed[item.name].latency_ms.median for item in contenders}


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == labels).mean())


def difference(outputs: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(outputs - expected).max())
