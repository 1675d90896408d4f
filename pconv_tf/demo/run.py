"""Trains, prunes, converts and measures; returns one table and writes the files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pconv_tf
from pconv_tf.demo import EPOCH_IMAGES, fashion_mnist, picture, scores
from pconv_tf.demo.progress import Progress
from pconv_tf.demo.training import BATCH, Trainer, batches_in_all
from pconv_tf.files import write_atomically

UPDATE_STEPS = 10
FEWEST_IMAGES = UPDATE_STEPS * BATCH  # an epoch is a stage of ADMM, which needs an update
CONFIG = {
    "pattern_set": "natural8",
    # Rates rise with the layers' sizes: 4.0x fewer weights in all, most of them where most are.
    "per_layer": {
        "conv2": {"rate": 1},
        "conv3": {"rate": 1.5},
        "conv4": {"rate": 1.5},
        "conv5": {"rate": 1.75},
        "conv6": {"rate": 2},
    },
    "rho": (0.1,),
    "epochs_per_stage": 1,
    "update_every": f"{UPDATE_STEPS} steps",
    "retrain_epochs": 5,
}
STEPS = 6


@dataclass(frozen=True)
class Row:
    """One line of the demo's table.

    Attributes:
        name: Which model.
        runtime: What ran it.
        accuracy: Share of the test images classified correctly, measured in that runtime.
        weights_kept: Share of the convolutions' weights that are not zero.
        file_bytes: Size of the .tflite file.
        latency_ms: Median of one image on one thread; the three files took turns.
        speedup: Dense twin's latency over this one's.
        max_abs_diff: Largest difference of any output from the dense twin's; None for the dense
            model, whose weights are others, and for the twin itself.
    """

    name: str
    runtime: str
    accuracy: float
    weights_kept: float
    file_bytes: int
    latency_ms: float
    speedup: float
    max_abs_diff: float | None


@dataclass(frozen=True)
class Result:
    """What the demo measured, and the files it wrote."""

    rows: tuple[Row, ...]
    files: dict[str, str]
    seconds: float
    seed: int


def run(
    output: Path,
    *,
    seed: int = 0,
    epoch_images: int = EPOCH_IMAGES,
    config: dict[str, Any] | None = None,
    note: Callable[[str], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Result:
    """Runs the demo and writes its models and its picture to the folder `output`.

    A run that was stopped has kept what it had trained in `output`/unfinished; the next one with
    the same settings goes on from there, and removes it when all is done.

    Args:
        output: A folder; made if missing.
        seed: Of the initial weights and of the order of the images.
        epoch_images: How many images the models see in one epoch.
        config: Pruning configuration, `CONFIG` by default.
        note: Is given a line of text whenever something begins or is done.
        advance: Is given the number of batches that were trained since the last call, of
            `batches(epoch_images, config)` in all.

    Raises:
        ValueError: `epoch_images` is out of range, the pruning configuration is wrong, or
            matplotlib is not installed.
        OSError: The data cannot be had, or `output` cannot be written.
    """
    if not FEWEST_IMAGES <= epoch_images <= 60_000:
        raise ValueError(f"epoch_images: expected {FEWEST_IMAGES} to 60000, found {epoch_images}")
    picture.check_matplotlib()
    start = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    train, test = fashion_mnist.load()
    progress = Progress(STEPS, batches(epoch_images, config), note, advance)
    trainer = Trainer(train, epoch_images, _config(config), seed, output / "unfinished", progress)
    dense, pruned = trainer.run()

    progress.begin("converting")
    report = pconv_tf.sparsity_report(pruned)
    kept = 1 / report.conv_compression
    files = {
        "dense model": output / "dense.tflite",
        "dense twin of the pruned model": output / "pruned_dense_twin.tflite",
        "pruned model": output / "pruned.tflite",
        "picture": output / "patterns.png",
    }
    dense_file, twin_file, pruned_file, picture_file = files.values()
    pconv_tf.convert_dense(dense, output=dense_file)
    pconv_tf.convert_dense(pruned, output=twin_file)
    pconv_tf.convert(pruned, output=pruned_file, quiet=True)

    progress.begin(f"accuracy of the files on {len(test.labels)} test images, in LiteRT")
    outputs = {
        path: scores.logits(path, test.images, delegate=path == pruned_file)
        for path in (dense_file, twin_file, pruned_file)
    }
    progress.begin("latency of one image, one thread, the files in turns")
    latency = scores.latencies(dense_file, twin_file, pruned_file, seed)

    def row(name: str, runtime: str, path: Path) -> Row:
        return Row(
            name,
            runtime,
            scores.accuracy(outputs[path], test.labels),
            1.0 if path == dense_file else kept,
            path.stat().st_size,
            latency[path],
            latency[twin_file] / latency[path],
            scores.difference(outputs[path], outputs[twin_file]) if path == pruned_file else None,
        )

    rows = (
        row("dense", "LiteRT + XNNPACK", dense_file),
        row("pruned, dense twin", "LiteRT + XNNPACK", twin_file),
        row("pruned, FKW", "LiteRT + pconv delegate", pruned_file),
    )
    write_atomically(picture_file, picture.draw(report, [asdict(row) for row in rows]))
    trainer.forget()
    names = {name: str(path) for name, path in files.items()}
    return Result(rows, names, time.monotonic() - start, seed)


def batches(epoch_images: int, config: dict[str, Any] | None = None) -> int:
    """How many batches all three trainings have; arguments as of `run`."""
    return batches_in_all(epoch_images, _config(config))


def _config(config: dict[str, Any] | None) -> pconv_tf.PruningConfig:
    return pconv_tf.PruningConfig(**(CONFIG if config is None else config))
