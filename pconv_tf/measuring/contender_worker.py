"""The process that runs one contender of a comparison.

A script, not a module: the Python of another environment may run it, where pconv_tf does not exist.
It reads one JSON request a line from standard input and answers each with one line:

    {"do": "load", "adapter": FILE, "model": FILE, "num_threads": N, "options": {...},
     "inputs": NPZ, "outputs": NPZ, "cpus": [...] or null}  ->  {"version": ..., "load_ms": ...}
    {"do": "burst", "warmup": N, "runs": N}                 ->  {"times_ms": [...]}
    {"do": "start", and the fields of "load" but "outputs"}
        ->  {"first_ms": ..., "again_ms": ..., "peak_mb": ...}

`outputs` is written: the result of one inference of `inputs`. "start" opens the model and runs it
once, closes it and does both again, in a process that was asked for nothing before. A failure is
answered with {"error": TEXT, "kind": NAME}. The process ends at the end of its input.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_MEMORY = Path(__file__).with_name("memory.py")


def main() -> None:
    # The parent decides when to stop, and takes this process along even if it is paused.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Runtimes print to standard output as they like; the answers need a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    session: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "load":
                session, answer = _load(request)
            elif request["do"] == "start":
                answer = _start(request)
            else:
                answer = {"times_ms": _burst(session.run, request["warmup"], request["runs"])}
        except Exception as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        print(json.dumps(answer), file=answers, flush=True)


def _prepare(request: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The adapter, whose libraries are loaded, and the inputs."""
    if request["cpus"]:
        os.sched_setaffinity(0, request["cpus"])  # before any library starts its threads
    import numpy as np

    adapter = _module("adapter", request["adapter"])
    # Adapters of other runtimes import them themselves, when they are loaded.
    if hasattr(adapter, "load_libraries"):
        adapter.load_libraries(request["options"])
    with np.load(request["inputs"]) as stored:
        return adapter, [stored[name] for name in stored.files]


def _module(name: str, path: str | Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _load(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import numpy as np

    adapter, inputs = _prepare(request)
    start = time.perf_counter()
    session = adapter.Session(request["model"], request["num_threads"], request["options"])
    load_ms = (time.perf_counter() - start) * 1e3
    session.set_inputs(inputs)
    session.run()
    np.savez(request["outputs"], *session.outputs())
    return session, {"version": session.version, "load_ms": load_ms}


def _start(request: dict[str, Any]) -> dict[str, float]:
    adapter, inputs = _prepare(request)
    memory = _module("memory", _MEMORY)

    def first_result() -> float:
        start = time.perf_counter()
        session = adapter.Session(request["model"], request["num_threads"], request["options"])
        session.set_inputs(inputs)
        session.run()
        return (time.perf_counter() - start) * 1e3  # and the session is closed

    gc.collect()
    memory.reset_peak()
    before = memory.resident_mb()
    first_ms = first_result()
    peak_mb = memory.peak_resident_mb() - before
    gc.collect()
    return {"first_ms": first_ms, "again_ms": first_result(), "peak_mb": peak_mb}


def _burst(run: Any, warmup: int, runs: int) -> list[float]:
    for _ in range(warmup):
        run()
    clock = time.perf_counter_ns
    times = []
    for _ in range(runs):
        before = clock()
        run()
        times.append((clock() - before) / 1e6)
    return times


if __name__ == "__main__":
    main()
