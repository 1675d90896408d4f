"""Kills processes that write files at random moments, and looks at what is left.

    python tests/faults/kills.py MODEL.tflite FOLDER --kills=50 --seed=1

Writes a converted model, a checkpoint and a text, over and over, in processes that are killed by
SIGKILL. Prints a JSON object: how many were killed, how many of them left a temporary file, and
what went wrong.
"""

import argparse
import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np

from pconv_tf.config import PruningConfig
from pconv_tf.conversion import convert
from pconv_tf.files import write_atomically
from pconv_tf.training import checkpoint

_CONFIG = PruningConfig()


class Run:
    """Everything that is written into one folder, in one of two generations."""

    def __init__(self, model: bytes, folder: Path) -> None:
        self._folder = folder
        self._flatbuffers = [convert(model, force=True, quiet=True, weights=weights)
                             for weights in ("float32", "float16")]  # fmt: skip
        self._model = model

    def write(self, generation: int) -> None:
        weights = ("float32", "float16")[generation]
        target = self._folder / "model.tflite"
        convert(self._model, output=target, force=True, quiet=True, weights=weights)
        checkpoint.write(self._folder, _CONFIG, {"next_epoch": generation}, self._state(generation))
        write_atomically(self._folder / "table.json", json.dumps([generation] * 100_000))

    def problems(self) -> list[str]:
        """Files that are not whole files of one generation."""
        found = []
        if (self._folder / "model.tflite").read_bytes() not in self._flatbuffers:
            found.append("model.tflite is neither the old nor the new one")
        counters, state = checkpoint.read(self._folder, _CONFIG)
        expected = dict(self._state(counters["next_epoch"]))
        if any(not np.array_equal(state[name], value) for name, value in expected.items()):
            found.append("the checkpoint mixes generations")
        if len(set(json.loads((self._folder / "table.json").read_text()))) != 1:
            found.append("table.json mixes generations")
        return found

    def left(self) -> list[str]:
        """Files that no run wants."""
        wanted = {"model.tflite", checkpoint.FILE_NAME, "table.json"}
        return [path.name for path in self._folder.iterdir() if path.name not in wanted]

    @staticmethod
    def _state(generation: int) -> list[tuple[str, np.ndarray]]:
        return [(f"variable{i}", np.full(100_000, generation, np.float32)) for i in range(2)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    moments = random.Random(args.seed)
    run = Run(args.model.read_bytes(), args.folder)
    start = time.monotonic()
    run.write(0)
    seconds = time.monotonic() - start
    problems, leaving = [], 0
    for number in range(args.kills):
        child = os.fork()
        if child == 0:
            generation = 0
            while True:
                generation = 1 - generation
                run.write(generation)
        time.sleep(moments.uniform(0, 3 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        leaving += bool(run.left())
        problems += [f"kill {number}: {problem}" for problem in run.problems()]
        run.write(0)
        problems += [f"kill {number}: the next run leaves {name}" for name in run.left()]
    print(json.dumps({"killed": args.kills, "leaving": leaving, "problems": problems}))


main()
