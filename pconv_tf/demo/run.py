"""Trains, prunes, converts and measures; returns one table and writes the files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pconv_tf
from pconv_tf.comparing.comparison import run_comparison
from pconv_tf.demo import fashion_mnist, network, picture
from pconv_tf.files import write_atomically
from pconv_tf.measuring.contender import LITERT, Contender
from pconv_tf.measuring.inputs import inputs_of

BATCH = 128
# Both models start from the same dense one and train for the same number of further epochs, of
# which each draws this many images from all 60,000.
EPOCH_IMAGES = 20_000
DENSE_EPOCHS = 5
LEARNING_RATE = 2e-3
CONTINUED_LEARNING_RATE = 5e-3
UPDATE_STEPS = 10
FEWEST_IMAGES = UPDATE_STEPS * BATCH  # an epoch is a stage of ADMM, which needs an update
CONFIG = {
    "pattern_set": "natural8",
    "connectivity_rate": 2.0,
    "rho": (1.0,),
    "epochs_per_stage": 1,
    "update_every": f"{UPDATE_STEPS} steps",
    "retrain_epochs": 8,
}
EVALUATION_BATCH = 250

Note = Callable[[str], None]


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
    note: Note = lambda _: None,
) -> Result:
    """Runs the demo and writes its models and its picture to the folder `output`.

    Args:
        output: A folder; made if missing.
        seed: Of the initial weights and of the order of the images.
        epoch_images: How many images the models see in one epoch.
        config: Pruning configuration, `CONFIG` by default.
        note: Is given a line of text whenever something is done.

    Raises:
        ValueError: `epoch_images` is out of range, the pruning configuration is wrong, or
            matplotlib is not installed.
        OSError: The data cannot be had, or `output` cannot be written.
    """
    if not FEWEST_IMAGES <= epoch_images <= 60_000:
        raise ValueError(f"epoch_images: expected {FEWEST_IMAGES} to 60000, found {epoch_images}")
    picture.check_matplotlib()
    start = time.monotonic()
    config = CONFIG if config is None else config
    output.mkdir(parents=True, exist_ok=True)

    import keras

    train, test = fashion_mnist.load()
    dense, pruned = _train(keras, train, epoch_images // BATCH, config, seed, note)
    report = pconv_tf.sparsity_report(pruned)

    files = {
        "dense model": output / "dense.tflite",
        "dense twin of the pruned model": output / "pruned_dense_twin.tflite",
        "pruned model": output / "pruned.tflite",
        "picture": output / "patterns.png",
    }
    note("converting")
    dense_file, twin_file, pruned_file, picture_file = files.values()
    pconv_tf.convert_dense(dense, output=dense_file)
    pconv_tf.convert_dense(pruned, output=twin_file)
    pconv_tf.convert(pruned, output=pruned_file, quiet=True)

    note("measuring accuracy in LiteRT")
    outputs = {
        path: _logits(path, test.images, delegate=path == pruned_file)
        for path in (dense_file, twin_file, pruned_file)
    }
    note("measuring latency")
    latency = _latencies(dense_file, twin_file, pruned_file, seed)

    def row(name: str, runtime: str, path: Path, kept: float) -> Row:
        difference = _difference(outputs[path], outputs[twin_file]) if path == pruned_file else None
        return Row(
            name,
            runtime,
            _accuracy(outputs[path], test.labels),
            kept,
            path.stat().st_size,
            latency[path],
            latency[twin_file] / latency[path],
            difference,
        )

    rows = (
        row("dense", "LiteRT + XNNPACK", dense_file, 1.0),
        row("pruned, dense twin", "LiteRT + XNNPACK", twin_file, _kept(report)),
        row("pruned, FKW", "LiteRT + pconv delegate", pruned_file, _kept(report)),
    )
    shown = [asdict(rows[0]) | {"name": "dense"}, asdict(rows[2]) | {"name": "pruned"}]
    title = (
        f"Fashion-MNIST: {1 / _kept(report):.1f}x fewer convolution weights, "
        f"{rows[2].speedup:.1f}x faster than XNNPACK"
    )
    write_atomically(picture_file, picture.draw(report, shown, title))
    return Result(
        rows,
        {name: str(path) for name, path in files.items()},
        time.monotonic() - start,
        seed,
    )


def _train(
    keras: Any,
    train: fashion_mnist.Split,
    steps: int,
    config: dict[str, Any],
    seed: int,
    note: Note,
) -> tuple[Any, Any]:
    """Returns a dense and a pruned model that were trained for the same number of epochs."""
    keras.utils.set_random_seed(seed)
    import tensorflow as tf

    images = tf.data.Dataset.from_tensor_slices((train.images, train.labels))
    batches = images.shuffle(len(train.labels), seed=seed).repeat().batch(BATCH).prefetch(2)
    epochs = pconv_tf.PruningConfig(**config).total_epochs

    def fit(model: Any, name: str, count: int, *callbacks: Any) -> None:
        keras.utils.set_random_seed(seed + 1)
        announce = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: note(
                f"{name}, epoch {epoch + 1}/{count}: training accuracy {logs['accuracy']:.4f}"
            )
        )
        model.fit(
            batches,
            steps_per_epoch=steps,
            epochs=count,
            verbose=0,
            callbacks=[*callbacks, announce],
        )

    def decay(rate: float, count: int) -> Any:
        return keras.optimizers.schedules.CosineDecay(rate, count * steps, alpha=0.02)

    dense = network.build(decay(LEARNING_RATE, DENSE_EPOCHS))
    fit(dense, "dense", DENSE_EPOCHS)
    pruned = network.build(decay(CONTINUED_LEARNING_RATE, epochs))
    pruned.set_weights(dense.get_weights())
    network.compile_for(dense, decay(CONTINUED_LEARNING_RATE, epochs))
    fit(dense, "dense, continued", epochs)
    fit(pruned, "pruned", epochs, pconv_tf.PConvCallback(config))
    return dense, pruned


def _kept(report: Any) -> float:
    return 1 / report.conv_compression


def _logits(path: Path, images: np.ndarray, *, delegate: bool) -> np.ndarray:
    """Outputs [N, 10] of the file in stock LiteRT, with the delegate or with XNNPACK alone."""
    if delegate:
        interpreter = pconv_tf.Interpreter(str(path), num_threads=2)
    else:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=2)
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, [EVALUATION_BATCH, *images.shape[1:]])
    interpreter.allocate_tensors()
    end = interpreter.get_output_details()[0]["index"]
    results = []
    for first in range(0, len(images), EVALUATION_BATCH):
        interpreter.set_tensor(entry, images[first : first + EVALUATION_BATCH])
        interpreter.invoke()
        results.append(interpreter.get_tensor(end))
    return np.concatenate(results)


def _latencies(dense: Path, twin: Path, pruned: Path, seed: int) -> dict[Path, float]:
    """Median milliseconds of one image on one thread, of three files that take turns."""
    contenders = (
        Contender("pruned, dense twin", LITERT, twin),
        Contender("pruned, FKW", LITERT, pruned, {"delegate": pconv_tf.delegate_path()}),
        # Other weights: its output has nothing to agree with.
        Contender("dense", LITERT, dense, tolerance=math.inf),
    )
    timed = run_comparison(
        contenders, inputs_of(twin, seed), subject={}, num_threads=1, num_runs=50, seed=seed
    )
    for name, reason in timed.failed.items():
        raise ValueError(f"{name}: {reason}")
    return {item.model: timed[item.name].latency_ms.median for item in contenders}


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == labels).mean())


def _difference(outputs: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(outputs - expected).max())
