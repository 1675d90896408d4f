"""Time per operator of a .tflite file."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pconv_tf.conversion.results import Result, results_of
from pconv_tf.measuring.contender import LITERT, Contender, ContenderError, ContenderProcess
from pconv_tf.measuring.inputs import random_inputs
from pconv_tf.measuring.single_ops import split_ops
from pconv_tf.measuring.timing import Timing

_WARMUP_SECONDS = 0.02
_SECONDS = 0.08
_MIN_RUNS = 5
_PROFILED_SECONDS = 0.5

# What kernels are called that may compute an activation, a pool or an addition behind them, too.
_CONVOLUTION = re.compile(r"\b(PConv2D|Conv2D|DepthwiseConv2D)\b")
# A line of the delegate's profile: milliseconds, per cent, kernel (which may hold commas), name.
_PROFILE_LINE = re.compile(r"^\s*(\d+\.\d+)\s+\d+\.\d+  (.+), (.+)$")


@dataclass(frozen=True)
class OpTime:
    """Time of one operator, in milliseconds.

    Attributes:
        name: Name of the layer; of joined layers, that of the convolution.
        op: Operator such as "CONV_2D"; inside a delegate, the operation and the kernel that ran.
        ms: Inside a delegate, the mean over runs of the whole model. Else the median of runs of the
            operator alone, as a model of its own: its input is warm in the cache then, so the sum
            differs from the model's latency. None where an operator cannot run alone.
        inside: Whether it was timed inside a delegate.
    """

    name: str
    op: str
    ms: float | None
    inside: bool


def profile_ops(
    graph: str | os.PathLike[str], *, num_threads: int, options: Mapping[str, Any]
) -> list[OpTime]:
    """Times every operator of a file.

    Args:
        graph: The .tflite file.
        num_threads: Threads of the interpreter.
        options: Of `peers.litert.Session`. With a delegate that knows the option `profile`, the
            times are its own; else every operator is run alone.

    Raises:
        ValueError: Not a .tflite file, or the delegate cannot profile.
    """
    if options.get("delegate"):
        return _profile_inside(Path(graph), num_threads, options)
    with tempfile.TemporaryDirectory(prefix="pconv_ops_") as folder:
        path = Path(folder) / "op.tflite"
        alone = {**options, "input_shapes": None}
        model = Path(graph).read_bytes()
        names = results_of(model)
        times = []
        for single in split_ops(model):
            timing = time_model(single.model, path, num_threads, alone)
            name = names[single.name].layer
            times.append(OpTime(name, single.op, timing.median if timing else None, inside=False))
        return times


def _profile_inside(graph: Path, num_threads: int, options: Mapping[str, Any]) -> list[OpTime]:
    """The delegate prints its profile when it is destroyed; a process of its own catches that."""
    from pconv_tf.runtime.session import Session

    delegate_options = {**(options.get("delegate_options") or {}), "profile": "true"}
    options = {**options, "delegate_options": delegate_options}
    inputs = random_inputs(Session(str(graph), num_threads, options).inputs, seed=0)
    try:
        with ContenderProcess(Contender("profile", LITERT, graph, options), num_threads) as run:
            run.load(inputs)
            probe = min(run.burst(warmup=1, runs=3))
            run.burst(warmup=0, runs=max(5, round(_PROFILED_SECONDS * 1e3 / probe)))
            log = run.finish()
    except ContenderError as error:
        raise ValueError(f"{graph}: profiling failed: {error}") from error
    rows = [match for match in map(_PROFILE_LINE.match, log.splitlines()) if match]
    if not rows:
        raise ValueError(f"{graph}: delegate {options['delegate']} printed no profile")
    results = results_of(graph)
    return [
        OpTime(_layer(results, match[3], match[2]), match[2], float(match[1]), inside=True)
        for match in rows
    ]


def _layer(results: Mapping[str, Result], tensor: str, kernel: str) -> str:
    result = results.get(tensor)
    if result is None:
        return tensor  # an input of the model, which is brought into another layout
    return result.convolution if _CONVOLUTION.search(kernel) else result.layer


def time_model(
    model: bytes, path: Path, num_threads: int, options: Mapping[str, Any]
) -> Timing | None:
    """Times a small model for about a tenth of a second; None if the runtime refuses it."""
    path.write_bytes(model)
    with _quiet():
        return _time_file(path, num_threads, options)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what the runtime and the delegate say about every one of many little models."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _time_file(path: Path, num_threads: int, options: Mapping[str, Any]) -> Timing | None:
    from pconv_tf.runtime.session import Session

    try:
        session = Session(str(path), num_threads, options)
        session.set_inputs(random_inputs(session.inputs, seed=0))
        session.run()  # an operator may refuse random numbers, a shape to reshape to for instance
    except (ValueError, RuntimeError):
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
