"""Units of a study: each trains one network, scores it, and can be carried on elsewhere.

A unit ends in two things: an entry of the JSON, and an .npz file with the weights of the network
and its score on every test sample. What is scored is what is stored, and a later unit starts from
that file, so that a study can be done in parts, on several machines. Within a unit, training goes
on from the last whole epoch after an interruption.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments import paired
from experiments.common import Results
from pconv_tf.files import replacing

RESULTS = Path(__file__).parent / "results"
Scores = npt.NDArray[Any]


def unit_parser(
    description: str | None, recipe: Path, units: tuple[str, ...]
) -> argparse.ArgumentParser:
    """A parser with the flags that all studies of units have.

    Args:
        description: For `--help`.
        recipe: Default of `--config`.
        units: What there is to do, in order.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=RESULTS, metavar="DIR", help="of results")
    parser.add_argument("--config", type=Path, default=recipe, metavar="FILE", help="the recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--units", nargs="+", default=list(units), choices=units, metavar="UNIT")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of TensorFlow, LiteRT")
    parser.add_argument("--smoke", action="store_true", help="minutes, not hours: no real result")
    return parser


def unit_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What studies of units store of their flags: all that must be the same for every unit."""
    import pconv_tf

    recipe = pconv_tf.PruningConfig.from_yaml(args.config).to_dict()
    if args.smoke:
        recipe |= {"epochs_per_stage": 1, "update_every": 1, "retrain_epochs": 1}
    return {"recipe": recipe, "smoke": args.smoke}


def prepare(args: argparse.Namespace) -> None:
    """Makes the folder and sets TensorFlow up; call it before anything imports TensorFlow.

    oneDNN makes training faster also on processors where TensorFlow leaves it off by itself.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    args.work.mkdir(parents=True, exist_ok=True)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)


@dataclass(frozen=True)
class Units:
    """The units of one study.

    Attributes:
        name: Of the study.
        folder: Of results: NAME.json, and the networks in NAME/.
        settings: What all units have in common.
    """

    name: str
    folder: Path
    settings: dict[str, Any]

    def run(
        self,
        unit: str,
        seed: int,
        make: Callable[[], Any],
        score: Callable[[Path], tuple[dict[str, Any], Scores]],
    ) -> dict[str, Any]:
        """Does one unit, unless it is done.

        Args:
            unit: What it is called.
            seed: Of its training.
            make: Trains a network and returns it.
            score: From the network's file to the entry of the JSON and a score per test sample.
        """
        path = self.file(unit, seed)

        def work() -> dict[str, Any]:
            model = make()
            save(model, path)
            result, scores = score(path)
            save(model, path, scores=scores)
            return result

        return self._results.run(unit_name(unit, seed), work)

    def rescore(
        self, unit: str, seed: int, score: Callable[[Path], tuple[dict[str, Any], Scores]]
    ) -> dict[str, Any]:
        """Does one unit that trains nothing, unless it is done; its file holds scores alone."""
        path = self.file(unit, seed)

        def work() -> dict[str, Any]:
            result, scores = score(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                np.savez_compressed(file, scores=scores)
            return result

        return self._results.run(unit_name(unit, seed), work)

    def compare(self, unit: str, reference: str, *, scale: float = 1.0) -> None:
        """Stores how a unit differs from another, over the seeds whose scores are there."""
        results = self._results
        done = sorted(results.seeds_of(unit) & results.seeds_of(reference))
        names = (unit, reference)
        seeds = [seed for seed in done if all(self.file(name, seed).is_file() for name in names)]
        if not seeds:
            return
        scores = [
            np.stack([np.load(self.file(name, seed))["scores"] for seed in seeds]) for name in names
        ]
        comparison = paired.compare(scores[0], scores[1], scale=scale)
        results.note(f"{unit} - {reference}", {"seeds": seeds} | comparison)

    def file(self, unit: str, seed: int) -> Path:
        """Where a unit's network is stored."""
        return self.folder / self.name / f"{unit_name(unit, seed)}.npz"

    def run_folder(self, unit: str, seed: int) -> Path:
        """Where a unit's training keeps what it needs to go on after an interruption."""
        return self.folder / self.name / f"{unit_name(unit, seed)}.run"

    @property
    def _results(self) -> Results:
        return Results(self.folder / f"{self.name}.json", self.settings)


def save(model: Any, path: Path, **arrays: npt.NDArray[Any]) -> None:
    """Stores a network's weights, kernels in float16, vectors in float32, and further arrays."""
    weights = {
        f"weight{number:03}": weight.astype(np.float16 if weight.ndim > 1 else np.float32)
        for number, weight in enumerate(model.get_weights())
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez_compressed(file, **weights, **arrays)


def load(model: Any, path: Path) -> Any:
    """Gives a network the stored weights and returns it."""
    with np.load(path) as arrays:
        names = sorted(name for name in arrays.files if name.startswith("weight"))
        model.set_weights([arrays[name].astype(np.float32) for name in names])
    return model


def fit(
    model: Any,
    dataset: tuple[Any, Any],
    epochs: int,
    run: Path,
    *callbacks: Any,
    pruning: Any = None,
) -> None:
    """Trains a compiled model; called again after an interruption, goes on after the last epoch.

    Args:
        model: The model, with the weights from which training starts.
        dataset: From `common.batches`.
        epochs: In all.
        run: Folder of the training's state.
        callbacks: Further ones.
        pruning: A `PConvCallback` whose `checkpoint_dir` is `run`.
    """
    import keras

    images, follow = dataset
    keeper = pruning or keras.callbacks.BackupAndRestore(run, double_checkpoint=True)
    # Keras would shuffle the batches once more, in an order that a resumed run does not repeat.
    model.fit(
        images, epochs=epochs, verbose=2, shuffle=False, callbacks=[follow, keeper, *callbacks]
    )


def cycle(
    peak: float, steps: int, *, flat_rate: float = 0.0, flat: int = 0, rise: float = 0.05
) -> Any:
    """A learning rate that rises linearly to `peak` and falls to zero along a cosine.

    Args:
        peak: The highest rate.
        steps: In all.
        flat_rate: The rate of the first `flat` steps, in which ADMM runs.
        flat: How many these are.
        rise: Share of the other steps in which the rate rises.
    """
    import keras

    rising = max(rise * (steps - flat), 1.0)

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            ops = keras.ops
            done = ops.cast(step, "float32") - flat
            fall = ops.clip((done - rising) / max(steps - flat - rising, 1.0), 0.0, 1.0)
            rate = peak * 0.5 * (1 + ops.cos(np.pi * fall)) * ops.clip(done / rising, 0.0, 1.0)
            return ops.where(done < 0, flat_rate, rate)

        def get_config(self) -> dict[str, Any]:
            return {"peak": peak, "steps": steps, "flat": flat}

    return Schedule()


def unit_name(unit: str, seed: int) -> str:
    """What a unit is called in the results."""
    return f"{unit}_seed{seed}"
