"""Time per operator of a .tflite file."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pconv_tf.runtime.single_ops import SingleOp, split_ops
from pconv_tf.runtime.timing import Timing

_WARMUP_SECONDS = 0.02
_SECONDS = 0.08
_MIN_RUNS = 5


@dataclass(frozen=True)
class OpTime:
    """Time of one operator, run alone as a model of its own, in milliseconds.

    Alone, its input is warm in the cache and a delegate converts layouts at both ends, so the sum
    over a model differs from the model's latency.

    Attributes:
        index: Position in the execution order.
        name: Name of the first output tensor.
        op: Operator, such as "CONV_2D" or "PConv2D".
        output_shape: Of the first output.
        median_ms, min_ms: Of repeated runs; None where the operator cannot run alone.
    """

    index: int
    name: str
    op: str
    output_shape: tuple[int, ...]
    median_ms: float | None
    min_ms: float | None


def profile_ops(
    graph: str | os.PathLike[str], *, num_threads: int, options: Mapping[str, Any]
) -> list[OpTime]:
    """Times every operator of a file alone, with the options of `peers.litert.Session`.

    Raises:
        ValueError: Not a .tflite file.
    """
    options = {**options, "input_shapes": None}
    with tempfile.TemporaryDirectory(prefix="pconv_ops_") as folder:
        path = Path(folder) / "op.tflite"
        return [
            _time(single, path, num_threads, options)
            for single in split_ops(Path(graph).read_bytes())
        ]


def _time(single: SingleOp, path: Path, num_threads: int, options: Mapping[str, Any]) -> OpTime:
    timing = time_model(single.model, path, num_threads, options)
    return OpTime(
        index=single.index,
        name=single.name,
        op=single.op,
        output_shape=single.output_shapes[0],
        median_ms=timing.median if timing else None,
        min_ms=timing.min if timing else None,
    )


def time_model(
    model: bytes, path: Path, num_threads: int, options: Mapping[str, Any]
) -> Timing | None:
    """Times a small model for about a tenth of a second; None if the runtime refuses it."""
    from pconv_tf.runtime.benchmarking import random_inputs
    from pconv_tf.runtime.peers.litert import Session

    path.write_bytes(model)
    try:
        session = Session(str(path), num_threads, options)
        session.set_inputs(random_inputs(session.inputs, seed=0))
    except ValueError:
        return None
    start = time.perf_counter()
    times: list[float] = []
    warm = False
    while True:
        before = time.perf_counter()
        session.run()
        after = time.perf_counter()
        times.append((after - before) * 1e3)
        if not warm and after - start >= _WARMUP_SECONDS:
            warm, start = True, after
            times.clear()
        elif warm and after - start >= _SECONDS and len(times) >= _MIN_RUNS:
            return Timing.of(times)
