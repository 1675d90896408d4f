"""Kills a training that writes checkpoints at random moments, and starts it again, over and over.

    python tests/faults/killed_training.py FOLDER --kills=50 --seed=1

Every run goes on from the checkpoint of the one before, until one ends by itself: its weights must
be those of a training that was never killed, bit for bit. Then the next begins. Prints a JSON
object: how many were killed, how many left a temporary file, how many trainings ended, and what
went wrong.
"""

import argparse
import importlib
import json
import os
import random
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from trainable_models import compiled, small_data

import pconv_tf
from pconv_tf.files import replacing
from pconv_tf.training import checkpoint

CONFIG = {
    "pattern_set": "natural4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "warmup_epochs": 2,
    "rho": [1e-2, 1],
    "epochs_per_stage": 4,
    "retrain_epochs": 10,
}
EPOCHS = 20
_PRUNING = pconv_tf.PruningConfig.from_any(CONFIG)
_RESULT = "weights.npz"


def train(folder: Path, tell: Callable[[int], None]) -> None:
    """Trains from the folder's checkpoint, if there is one, to the end; then writes the weights."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(16, 3, activation="relu", name="first"),
            layers.Conv2D(32, 3, name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    compiled(keras, model)

    class Tell(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            tell(epoch)  # that the checkpoint of the epochs before stands

    callbacks = [pconv_tf.PConvCallback(CONFIG, checkpoint_dir=folder), Tell()]
    data = small_data(np.random.default_rng(5))
    model.fit(*data, epochs=EPOCHS, batch_size=16, shuffle=False, verbose=0, callbacks=callbacks)
    with replacing(folder / _RESULT) as file:
        np.savez(file, *model.get_weights())


def start(folder: Path) -> tuple[int, int]:
    """A process that trains, and a pipe that gets a byte, its number, for every epoch begun."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        train(folder, lambda epoch: os.write(writing, bytes([epoch])))
    except BaseException as error:
        print(error, file=sys.stderr)
        os._exit(1)
    os._exit(0)


def same(one: Path, other: Path) -> bool:
    with np.load(one) as a, np.load(other) as b:
        return a.files == b.files and all(np.array_equal(a[name], b[name]) for name in a.files)


def left(folder: Path) -> list[str]:
    """Files that no run wants."""
    wanted = {checkpoint.FILE_NAME, _RESULT}
    return [path.name for path in folder.iterdir() if path.name not in wanted]


def told(pipe: int) -> int:
    """The last epoch that was begun, -1 if none was."""
    epochs = b""
    while part := os.read(pipe, 4096):
        epochs += part
    os.close(pipe)
    return epochs[-1] if epochs else -1


class Kills:
    """The whole run: counts, and the problems found."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.moments = random.Random(seed)
        self.whole, self.folder = folder / "whole", folder / "killed"
        self.whole.mkdir()
        child, pipe = start(self.whole)
        os.read(pipe, 1)
        begun = time.monotonic()
        assert os.waitpid(child, 0)[1] == 0, "the training that nobody kills fails"
        self.seconds = time.monotonic() - begun
        os.close(pipe)
        self.killed = self.leaving = self.ended = 0
        self.problems: list[str] = []

    def next(self) -> None:
        """Starts a training, kills it, and looks at what is left."""
        self.folder.mkdir(exist_ok=True)
        child, pipe = start(self.folder)
        # Making graphs takes far longer than training: the moment lies after that.
        select.select([pipe], [], [])
        time.sleep(self.moments.uniform(0, self.seconds / 2))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        begun = told(pipe)
        if os.WIFSIGNALED(status):
            self.killed += 1
            self.leaving += bool(left(self.folder))
            self._check_checkpoint(begun)
        elif status:
            self._report("a resumed training fails")
        if (self.folder / _RESULT).exists():
            self._check_end()

    def end(self) -> None:
        """Lets the last one come to its end."""
        while self.folder.exists() and not self.problems:
            child, pipe = start(self.folder)
            told(pipe)
            if os.waitpid(child, 0)[1]:
                self._report("a resumed training fails")
            self._check_end()

    def _check_checkpoint(self, begun: int) -> None:
        """It must hold all epochs before the one that was begun."""
        try:
            found = checkpoint.next_epoch(self.folder, _PRUNING)
        except ValueError as error:
            self._report(str(error))
            return
        if found < begun:
            self._report(f"epoch {begun} was begun, the checkpoint goes on at {found}")

    def _check_end(self) -> None:
        self.ended += 1
        if left(self.folder):
            self._report(f"left over: {left(self.folder)}")
        if not same(self.whole / _RESULT, self.folder / _RESULT):
            self._report("the weights are not those of an uninterrupted training")
        shutil.rmtree(self.folder)

    def _report(self, problem: str) -> None:
        self.problems.append(f"kill {self.killed}: {problem}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    importlib.import_module("tensorflow")  # once, before the processes part
    kills = Kills(args.folder, args.seed)
    while kills.killed < args.kills:
        kills.next()
    kills.end()
    counts = {"killed": kills.killed, "leaving": kills.leaving, "ended": kills.ended}
    print(json.dumps(counts | {"problems": kills.problems}))


main()
