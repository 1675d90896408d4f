"""Times one .tflite file in LiteRT, as TFLite's benchmark_model does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pconv_tf.measuring.inputs import random_inputs
from pconv_tf.measuring.memory import peak_resident_mb, reset_peak, resident_mb
from pconv_tf.measuring.op_profile import OpTime, profile_ops
from pconv_tf.measuring.timing import Timing
from pconv_tf.runtime.delegate_choice import resolve_delegate


@dataclass(frozen=True)
class Benchmark:
    """What `benchmark` measured. Times are in milliseconds, memory in MB of 2**20 bytes.

    Attributes:
        graph: The file.
        graph_bytes: Its size.
        runtime, version: "litert" or "tf", and the version of its package.
        num_threads: Threads of the interpreter.
        delegate: Path of the external delegate, None for the stock runtime.
        delegate_options: Its options.
        use_xnnpack: Whether XNNPACK runs what no other delegate took.
        inputs: Name, shape and dtype of every input.
        init_ms: Loading the file, preparing delegates, allocating tensors.
        warmup: Runs before the measurement; its `first` is the first inference of all.
        inference: The measured runs.
        init_mb: Growth of resident memory by initialisation.
        overall_mb: Growth of resident memory up to its peak in the whole benchmark.
        ops: Time per operator, if profiling was asked for.
    """

    graph: str
    graph_bytes: int
    runtime: str
    version: str
    num_threads: int
    delegate: str | None
    delegate_options: dict[str, str]
    use_xnnpack: bool
    inputs: tuple[dict[str, Any], ...]
    init_ms: float
    warmup: Timing
    inference: Timing
    init_mb: float
    overall_mb: float
    ops: tuple[OpTime, ...] = ()


def benchmark(
    graph: str | os.PathLike[str],
    *,
    num_threads: int = 1,
    num_runs: int = 50,
    min_secs: float = 1.0,
    max_secs: float = 150.0,
    warmup_runs: int = 1,
    warmup_min_secs: float = 0.5,
    run_delay: float = 0.0,
    external_delegate_path: str | None = None,
    external_delegate_options: Mapping[str, Any] | None = None,
    use_xnnpack: bool = True,
    enable_op_profiling: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    runtime: Literal["litert", "tf"] = "litert",
    seed: int = 0,
) -> Benchmark:
    """Times a .tflite file in this process.

    Args:
        graph: The .tflite file.
        num_threads: Threads of the interpreter.
        num_runs: Measured runs, at least.
        min_secs: Measured seconds, at least.
        max_secs: Seconds after which no new run starts, whatever the other limits.
        warmup_runs: Runs before measuring, at least.
        warmup_min_secs: Seconds of warm-up, at least.
        run_delay: Pause in seconds between measured runs.
        external_delegate_path: A delegate; None or "auto" loads this project's own if the file
            holds pruned layers; "none" loads none.
        external_delegate_options: Its options.
        use_xnnpack: Whether XNNPACK runs what no other delegate took; if false, the builtin kernels
            do.
        enable_op_profiling: Also time every operator.
        input_shapes: Shapes to resize inputs to, by input name.
        runtime: "litert" (package ai-edge-litert) or "tf" (package tensorflow).
        seed: Of the random input values.

    Raises:
        FileNotFoundError: The file or the delegate does not exist.
        ValueError: A limit is out of range, or the runtime refuses the file, the delegate, an
            option or a shape.
    """
    from pconv_tf.runtime.session import Session, load_libraries

    _check_limits(
        num_threads, num_runs, min_secs, max_secs, warmup_runs, warmup_min_secs, run_delay
    )
    delegate = resolve_delegate(graph, external_delegate_path)
    options = {
        "runtime": runtime,
        "use_xnnpack": use_xnnpack,
        "delegate": delegate,
        "delegate_options": dict(external_delegate_options or {}),
        "input_shapes": input_shapes,
    }
    load_libraries(options)
    reset_peak()
    memory_before = resident_mb()
    start = time.perf_counter()
    session = Session(os.fspath(graph), num_threads, options)
    init_ms = (time.perf_counter() - start) * 1e3
    init_mb = resident_mb() - memory_before
    session.set_inputs(random_inputs(session.inputs, seed))
    warmup = _repeat(session.run, warmup_runs, warmup_min_secs, max_secs, 0.0)
    inference = _repeat(session.run, num_runs, min_secs, max_secs, run_delay)
    overall_mb = peak_resident_mb() - memory_before
    ops = (
        profile_ops(graph, num_threads=num_threads, options=options) if enable_op_profiling else ()
    )
    return Benchmark(
        graph=os.fspath(graph),
        graph_bytes=Path(graph).stat().st_size,
        runtime=runtime,
        version=session.version,
        num_threads=num_threads,
        delegate=delegate,
        delegate_options={k: str(v) for k, v in (external_delegate_options or {}).items()},
        use_xnnpack=use_xnnpack,
        inputs=tuple(
            {
                "name": detail["name"],
                "shape": [int(size) for size in detail["shape"]],
                "dtype": detail["dtype"].__name__,
            }
            for detail in session.inputs
        ),
        init_ms=init_ms,
        warmup=warmup,
        inference=inference,
        init_mb=init_mb,
        overall_mb=overall_mb,
        ops=tuple(ops),
    )


def _repeat(
    run: Callable[[], None], min_runs: int, min_secs: float, max_secs: float, delay: float
) -> Timing:
    times = []
    start = time.perf_counter()
    while True:
        before = time.perf_counter()
        run()
        after = time.perf_counter()
        times.append((after - before) * 1e3)
        elapsed = after - start
        if elapsed >= max_secs or (len(times) >= min_runs and elapsed >= min_secs):
            return Timing.of(times)
        if delay:
            time.sleep(delay)


def _check_limits(
    num_threads: int,
    num_runs: int,
    min_secs: float,
    max_secs: float,
    warmup_runs: int,
    warmup_min_secs: float,
    run_delay: float,
) -> None:
    for name, value, least in (
        ("num_threads", num_threads, 1),
        ("num_runs", num_runs, 1),
        ("min_secs", min_secs, 0),
        ("max_secs", max_secs, min_secs),
        ("warmup_runs", warmup_runs, 0),
        ("warmup_min_secs", warmup_min_secs, 0),
        ("run_delay", run_delay, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: received {value}, expected at least {least}")
