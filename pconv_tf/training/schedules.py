"""tfmot pruning schedules as the source of the connectivity rate."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Any


def load_schedule(schedule: Any) -> Any:
    """`schedule` itself, or the tfmot schedule that a {"class_name", "config"} mapping describes.

    Raises:
        ValueError: There is no such schedule, its config does not fit, or tfmot is missing.
    """
    if not isinstance(schedule, Mapping):
        return schedule
    name = schedule["class_name"]
    try:
        with _environment_kept():
            tfmot = importlib.import_module("tensorflow_model_optimization")
    except ImportError as error:
        raise ValueError(
            f"schedule: {name} needs the package tensorflow-model-optimization"
        ) from error
    classes = {
        key: value
        for key, value in vars(tfmot.sparsity.keras).items()
        if isinstance(value, type) and issubclass(value, tfmot.sparsity.keras.PruningSchedule)
    }
    if name not in classes:
        raise ValueError(
            f"schedule: expected a class_name among {', '.join(sorted(classes))}. "
            f"Received: {name!r}"
        )
    try:
        return classes[name](**schedule["config"])
    except TypeError as error:
        raise ValueError(f"schedule: {name} does not take {schedule['config']!r}") from error


def scheduled_rate(schedule: Any, step: int) -> float:
    """The connectivity rate 1 / (1 - sparsity) at an optimizer step; 1 before the schedule begins.

    Only the sparsity is used: how often to prune is `update_every`'s business.

    Raises:
        ValueError: The schedule's sparsity is not in [0, 1).
    """
    if step < getattr(schedule, "begin_step", 0):
        return 1.0
    _, sparsity = schedule(step)
    sparsity = float(sparsity)
    if not 0 <= sparsity < 1:
        raise ValueError(
            f"schedule: expected a sparsity of at least 0 and below 1. Received: {sparsity} at "
            f"step {step}"
        )
    return 1.0 / (1.0 - sparsity)


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    # Importing tfmot sets TF_USE_LEGACY_KERAS for the whole process.
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("TF_USE_LEGACY_KERAS", None)
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
