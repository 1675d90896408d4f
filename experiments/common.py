"""What the studies share: results that survive interruption, and scores of converted files."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.files import write_atomically


class Results:
    """A JSON file of results by name, rewritten after each: a rerun does what is missing."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Opens or starts the file.

        Raises:
            ValueError: The file holds results of other settings.
        """
        self._path = path
        self._content: dict[str, Any] = {"settings": settings, "command": "", "results": {}}
        if path.is_file():
            found = json.loads(path.read_text())
            if _of_today(found["settings"]) != _of_today(settings):
                raise ValueError(f"{path}: holds results of other settings: {found['settings']}")
            self._content = found | {"settings": settings}
        self._content["command"] = shlex.join(["python", "-m", *_module_and_arguments()])

    def run(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result called `name`: from the file, or from `work`, with the seconds it took."""
        results = self._content["results"]
        if name not in results:
            print(f"{name} ...", flush=True)
            start = time.perf_counter()
            results[name] = work()
            results[name]["seconds"] = round(time.perf_counter() - start)
            write_atomically(self._path, json.dumps(self._content, indent=2) + "\n")
        print(f"{name}: {json.dumps(results[name])}", flush=True)
        return results[name]

    def seeds_of(self, unit: str) -> set[int]:
        """The seeds for which a unit is done: those of results called "UNIT_seedN"."""
        found = (re.fullmatch(rf"{unit}_seed(\d+)", name) for name in self._content["results"])
        return {int(match[1]) for match in found if match}

    def note(self, name: str, comparison: dict[str, Any]) -> None:
        """Stores and prints what two results are to each other."""
        self._content.setdefault("comparisons", {})[name] = comparison
        write_atomically(self._path, json.dumps(self._content, indent=2) + "\n")
        print(f"{name}: {json.dumps(comparison)}", flush=True)


def _of_today(settings: dict[str, Any]) -> dict[str, Any]:
    """Stored settings with the recipe's fields of today: new ones have their default."""
    import pconv_tf

    if "recipe" not in settings:
        return settings
    return settings | {"recipe": pconv_tf.PruningConfig.from_any(settings["recipe"]).to_dict()}


def study_parser(
    description: str | None, recipe: Path, learning_rate: float
) -> argparse.ArgumentParser:
    """A parser with the flags that all studies have.

    Args:
        description: For `--help`.
        recipe: Default of `--config`.
        learning_rate: Default of `--learning_rate`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--config", type=Path, default=recipe, metavar="FILE", help="the recipe")
    parser.add_argument("--learning_rate", type=float, default=learning_rate, metavar="R")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="minutes, not hours: no real result")
    return parser


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What all studies store of their flags: the recipe's fields, the learning rate, the seed."""
    import pconv_tf

    recipe = pconv_tf.PruningConfig.from_yaml(args.config).to_dict()
    if args.smoke:
        recipe |= {"epochs_per_stage": 1, "retrain_epochs": 1}
    return {"recipe": recipe, "learning_rate": args.learning_rate, "seed": args.seed}


def run_converted(
    model: Any,
    inputs: npt.NDArray[np.float32],
    path: Path,
    batch_size: int,
    *,
    num_threads: int = 2,
    **conversion: Any,
) -> npt.NDArray[np.float32]:
    """Converts a model, runs the .tflite file in LiteRT with the delegate and returns its outputs.

    Args:
        model: A Keras model with one input and one output.
        inputs: float32 [N, ...].
        path: Where the .tflite file goes.
        batch_size: Inputs at a time; a smaller last batch makes the runtime resize.
        num_threads: Of LiteRT.
        conversion: Further arguments of `pconv_tf.convert`.
    """
    import pconv_tf

    pconv_tf.convert(model, output=path, **conversion)
    interpreter = pconv_tf.Interpreter(str(path), num_threads=num_threads)
    batches = np.split(inputs, range(batch_size, len(inputs), batch_size))
    return np.concatenate([interpreter(batch) for batch in batches])


def batches(make: Callable[[int, int], tuple[Any, Any]], count: int) -> tuple[Any, Any]:
    """A Keras data set of `count` batches an epoch, and the callback that tells it the epoch.

    Args:
        make: From (epoch, batch number) to a batch. An epoch's data depends on nothing else, so
            that a resumed run sees what an uninterrupted one would have seen.
        count: Batches of an epoch.
    """
    import keras

    class Dataset(keras.utils.PyDataset):
        epoch = 0

        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return make(self.epoch, index)

    dataset = Dataset()

    def follow(epoch: int, logs: Any) -> None:
        del logs
        dataset.epoch = epoch

    return dataset, keras.callbacks.LambdaCallback(on_epoch_begin=follow)


def _module_and_arguments() -> list[str]:
    return [f"experiments.{Path(sys.argv[0]).stem}", *sys.argv[1:]]
