"""The process that runs one contender of a comparison.

A script, not a module: the Python of another environment may run it, where pconv_tf does not exist.
It reads one JSON request a line from standard input and answers each with one line:

    {"do": "load", "adapter": FILE, "model": FILE, "num_threads": N, "options": {...},
     "inputs": NPZ, "outputs": NPZ, "cpus": [...] or null}  ->  {"version": ..., "load_ms": ...}
    {"do": "burst", "warmup": N, "runs": N}                 ->  {"times_ms": [...]}

`outputs` is written: the result of one inference of `inputs`. A failure is answered with
{"error": TEXT, "kind": NAME}. The process ends at the end of its input.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import sys
import time
from typing import Any

_PR_SET_PDEATHSIG = 1


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
            else:
                answer = {"times_ms": _burst(session.run, request["warmup"], request["runs"])}
        except Exception as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        print(json.dumps(answer), file=answers, flush=True)


def _load(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    if request["cpus"]:
        os.sched_setaffinity(0, request["cpus"])  # before any library starts its threads
    import numpy as np

    spec = importlib.util.spec_from_file_location("adapter", request["adapter"])
    assert spec and spec.loader
    adapter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(adapter)
    start = time.perf_counter()
    session = adapter.Session(request["model"], request["num_threads"], request["options"])
    load_ms = (time.perf_counter() - start) * 1e3
    with np.load(request["inputs"]) as stored:
        session.set_inputs([stored[name] for name in stored.files])
    session.run()
    np.savez(request["outputs"], *session.outputs())
    return session, {"version": session.version, "load_ms": load_ms}


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
