"""ResNet-20 on CIFAR-10 (JPEG q75): what pruning by ADMM costs, against one-shot magnitude pruning.

The images are JPEG files of quality 75, on which a network trained on the lossless set loses about
ten points; so the dense network is fine-tuned first, and everything is trained and tested on the
JPEG images. Every contender starts from that dense network and trains for the same epochs. Accuracy
is that of the converted .tflite file, run in LiteRT with the delegate.

  python -m experiments.resnet20_cifar10 --data=DIR --work=DIR [--config=FILE] [--smoke]

DIR of --data holds cifar10_jpeg.tar.xz (one folder of images per class) and resnet20_cifar10.npz.
Results go to WORK/resnet20_cifar10.json; started again, the command does what is still missing.
"""

from __future__ import annotations

import argparse
import functools
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.common import Results, batches, run_converted, settings_of, study_parser
from experiments.resnet20 import MEAN, STD, load_weights
from pconv_tf.comparing.published_networks import resnet20

RECIPE = Path(__file__).parents[1] / "configs" / "resnet20_cifar10.yaml"
# Total compression of the convolutions to connectivity rate: patterns alone give 2.25x.
CONNECTIVITY = {4.4: 1.96, 8.0: 3.62}


def main() -> None:
    """Runs the study."""
    args = command_line().parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    import keras

    import pconv_tf
    from pconv_tf.training import KeepZeros

    data = load_data(args.data / "cifar10_jpeg.tar.xz", args.work / "cifar10_jpeg.npz")
    if args.smoke:
        args.dense_epochs = 1
        data = {name: array[::50] for name, array in data.items()}
    settings = settings_of(args) | {
        "dense_epochs": args.dense_epochs,
        "images": [len(data["y_train"]), len(data["y_test"])],
    }
    recipe = settings["recipe"]
    results = Results(args.work / "resnet20_cifar10.json", settings)
    dense_file = args.work / "dense.weights.h5"

    def score(model: Any, name: str) -> dict[str, Any]:
        inputs = normalised(data["x_test"])
        logits = run_converted(model, inputs, args.work / f"{name}.tflite", 100)
        report = pconv_tf.sparsity_report(model)
        return {
            "accuracy": float(np.mean(logits.argmax(axis=1) == data["y_test"])),
            "keras_accuracy": float(
                np.mean(
                    model.predict(inputs, batch_size=500, verbose=0).argmax(axis=1)
                    == data["y_test"]
                )
            ),
            "conv_compression": report.conv_compression,
            "tflite_bytes": (args.work / f"{name}.tflite").stat().st_size,
        }

    def train(model: Any, epochs: int, flat_epochs: int, *callbacks: Any) -> None:
        images, follow = augmented(data["x_train"], data["y_train"], seed=args.seed)
        rate = FlatThenCosine(args.learning_rate, flat_epochs * len(images), epochs * len(images))
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        model.fit(images, epochs=epochs, verbose=2, shuffle=False, callbacks=[follow, *callbacks])

    def dense() -> dict[str, Any]:
        keras.utils.set_random_seed(args.seed)
        model = resnet20()
        load_weights(model, args.data / "resnet20_cifar10.npz")
        before = score(model, "published")["accuracy"]
        train(model, args.dense_epochs, 0)
        model.save_weights(dense_file)
        return score(model, "dense") | {"accuracy_before_fine_tuning": before}

    def fresh() -> Any:
        keras.utils.set_random_seed(args.seed)
        model = resnet20()
        model.load_weights(dense_file)
        return model

    def admm(name: str, **changes: Any) -> dict[str, Any]:
        model = fresh()
        config = pconv_tf.PruningConfig.from_any(recipe | changes)
        callback = pconv_tf.PConvCallback(config, checkpoint_dir=args.work / f"{name}.run")
        train(model, config.total_epochs, config.admm_epochs, callback)
        return score(model, name)

    def one_shot(name: str, **changes: Any) -> dict[str, Any]:
        model = pconv_tf.prune_one_shot(fresh(), recipe | changes)
        epochs = pconv_tf.PruningConfig.from_any(recipe).total_epochs
        train(model, epochs, 0, KeepZeros())
        return score(model, name)

    results.run("dense", dense)
    for total, rate in CONNECTIVITY.items():
        for method in (admm, one_shot):
            name = f"{method.__name__}_{total:g}x"
            results.run(name, lambda m=method, n=name, r=rate: m(n, connectivity_rate=r))
    for block in (4, 8, 16):
        name = f"admm_4.4x_block{block}"
        results.run(
            name,
            lambda n=name, b=block: admm(n, connectivity_rate=CONNECTIVITY[4.4], filter_block=b),
        )


def command_line() -> argparse.ArgumentParser:
    """The study's flags."""
    parser = study_parser(__doc__, RECIPE, learning_rate=0.02)
    parser.add_argument("--dense_epochs", type=int, default=10, metavar="N")
    return parser


def load_data(archive: Path, cache: Path) -> dict[str, npt.NDArray[Any]]:
    """Images uint8 [N, 32, 32, 3] and labels, decoded once and cached as .npz."""
    if not cache.is_file():
        from PIL import Image

        found: dict[str, list[tuple[str, npt.NDArray[np.uint8]]]] = {"train": [], "test": []}
        with tarfile.open(archive) as tar:
            for member in tar:
                if not member.name.endswith(".jpg"):
                    continue
                content = tar.extractfile(member)
                assert content is not None
                split, label = member.name.split("/")[-3:-1]
                image = np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB"))
                found[split].append((label, image))
        classes = sorted({label for label, _ in found["train"]})
        arrays: dict[str, Any] = {}
        for split, items in found.items():
            arrays[f"x_{split}"] = np.stack([image for _, image in items])
            arrays[f"y_{split}"] = np.array([classes.index(label) for label, _ in items])
        np.savez(cache, **arrays)
    with np.load(cache) as file:
        return {name: file[name] for name in file.files}


def normalised(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Bytes to what the network expects."""
    return (images.astype(np.float32) / 255 - MEAN) / STD


def augmented(x: Any, y: Any, *, seed: int, batch_size: int = 128) -> tuple[Any, Any]:
    """Shuffled batches of randomly shifted and mirrored images, see `common.batches`."""

    @functools.lru_cache(maxsize=1)
    def order(epoch: int) -> npt.NDArray[np.intp]:
        return np.random.default_rng([seed, epoch]).permutation(len(x))

    def make(epoch: int, index: int) -> tuple[Any, Any]:
        chosen = order(epoch)[index * batch_size : (index + 1) * batch_size]
        rng = np.random.default_rng([seed, epoch, index])
        padded = np.pad(normalised(x[chosen]), ((0, 0), (4, 4), (4, 4), (0, 0)))
        corners = rng.integers(0, 9, (len(chosen), 2))
        images = np.stack(
            [
                image[top : top + 32, left : left + 32]
                for image, (top, left) in zip(padded, corners, strict=True)
            ]
        )
        mirrored = rng.random(len(chosen)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]
        return images, y[chosen]

    return batches(make, len(x) // batch_size)


def FlatThenCosine(rate: float, flat: int, total: int) -> Any:
    """A learning rate that stays flat for `flat` steps and falls to zero at step `total`."""
    import keras

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            ops = keras.ops
            progress = (ops.cast(step, "float32") - flat) / max(total - flat, 1)
            return rate * 0.5 * (1 + ops.cos(np.pi * ops.clip(progress, 0.0, 1.0)))

        def get_config(self) -> dict[str, Any]:
            return {"rate": rate, "flat": flat, "total": total}

    return Schedule()


if __name__ == "__main__":
    main()
