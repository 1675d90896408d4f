"""A contender of a comparison, and the process it runs in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from pconv_tf.runtime import session

_WORKER = Path(__file__).with_name("contender_worker.py")
# The adapter of LiteRT and of the TFLite inside TensorFlow.
LITERT = Path(session.__file__)
_LOG_LINES = 8


@dataclass(frozen=True)
class Contender:
    """One way to run a network.

    Attributes:
        name: In tables and JSON.
        adapter: File of the module whose `Session` runs it, such as LITERT.
        model: The file it loads.
        options: Of its `Session`.
        python: Interpreter of the environment its runtime is installed in.
        tolerance: Largest difference from the reference output, relative to the largest magnitude
            in it, at which the result counts as the same.
        remark: A line for the table's legend.
        version: Shown instead of the runtime's own version.
    """

    name: str
    adapter: Path
    model: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    tolerance: float = 1e-4
    remark: str = ""
    version: str = ""


@dataclass(frozen=True)
class Start:
    """What it takes to get the first result of a model.

    The libraries are loaded before, and the file is in the system's page cache.

    Attributes:
        first_ms: Milliseconds from opening the file to the first result, in a fresh process.
        again_ms: The same once more in that process, after the model was closed.
        peak_mb: Resident memory at its peak up to the first result, above what the process had
            before it opened the file; MB of 2**20 bytes.
    """

    first_ms: float
    again_ms: float
    peak_mb: float


class ContenderError(Exception):
    """A contender failed; the text says how."""


class ContenderProcess:
    """The process of one contender. A context manager; paused whenever it is not asked to run.

    Args:
        contender: What to run.
        num_threads: Threads of its runtime.
        cpus: Processors to run on; None leaves the choice to the system.
    """

    def __init__(
        self, contender: Contender, num_threads: int, cpus: Sequence[int] | None = None
    ) -> None:
        self.contender = contender
        self._num_threads = num_threads
        self._cpus = cpus
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        # -I: neither the script's folder nor PYTHONPATH may shadow packages of the environment.
        self._process = subprocess.Popen(
            [contender.python, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def load(self, inputs: Sequence[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Loads the model and runs it once.

        Returns:
            `version` and `load_ms`, and the outputs for `inputs`.

        Raises:
            ContenderError: The runtime is missing or refuses the model.
        """
        with tempfile.TemporaryDirectory(prefix="pconv_compare_") as folder:
            outputs_path = Path(folder, "outputs.npz")
            answer = self._ask_of_model("load", inputs, folder, outputs=str(outputs_path))
            with np.load(outputs_path) as stored:
                outputs = [stored[name] for name in stored.files]
        return answer, outputs

    def start(self, inputs: Sequence[np.ndarray]) -> Start:
        """Opens the model and runs it once, twice over. For a process that did nothing before.

        Raises:
            ContenderError: The runtime is missing or refuses the model.
        """
        with tempfile.TemporaryDirectory(prefix="pconv_compare_") as folder:
            return Start(**self._ask_of_model("start", inputs, folder))

    def _ask_of_model(
        self, do: str, inputs: Sequence[np.ndarray], folder: str, **more: Any
    ) -> dict[str, Any]:
        inputs_path = Path(folder, "inputs.npz")
        np.savez(inputs_path, *inputs)
        return self._ask(
            do=do,
            adapter=str(self.contender.adapter),
            model=os.fspath(self.contender.model),
            num_threads=self._num_threads,
            options=dict(self.contender.options),
            inputs=str(inputs_path),
            cpus=self._cpus,
            **more,
        )

    def burst(self, *, warmup: int, runs: int) -> list[float]:
        """Runs `warmup` inferences, then `runs` timed ones; returns their milliseconds.

        Raises:
            ContenderError: The process failed.
        """
        return self._ask(do="burst", warmup=warmup, runs=runs)["times_ms"]

    def finish(self) -> str:
        """Lets the process end by itself, and returns what it wrote to standard error."""
        assert self._process.stdin
        self._process.stdin.close()
        self._signal("SIGCONT")
        self._process.wait()
        return self._log_text()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._signal("SIGCONT")
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise ContenderError(f"its process ended with code {code}{self._last_words()}")
        # Thread pools of idle contenders may spin for a while: a paused process takes no time.
        self._signal("SIGSTOP")
        answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(_describe(answer))
        return answer

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self._process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        lines = self._log_text().strip().splitlines()
        return "".join(f"\n    {line}" for line in lines[-_LOG_LINES:])

    def _log_text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream:
                stream.close()

    def __enter__(self) -> ContenderProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _describe(answer: Mapping[str, str]) -> str:
    expected = ("ValueError", "FileNotFoundError", "RuntimeError")
    prefix = "" if answer["kind"] in expected else f"{answer['kind']}: "
    return prefix + answer["error"]
