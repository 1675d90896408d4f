"""DemosaicNet on BSDS500 photographs: PSNR with a quarter and an eighth of its weights.

The dense network is the pretrained one of the PyPI wheel `demosaicnet`. Mosaics are made by
dropping colours, so no labels are needed: calibration and training use crops of the 200 training
and 100 validation photographs; the score is the mean PSNR over the 200 test photographs, of the
converted .tflite file run in LiteRT with the delegate.

  python -m experiments.demosaic_bsds --data=FILE --wheel=FILE [--work=DIR] [--units dense ...]

--data is bsds500.tar.xz; `pip download --no-deps demosaicnet==0.0.14` fetches the wheel. Results go
to WORK/demosaic_bsds.json, networks to WORK/demosaic_bsds/; started again, the command does what is
still missing.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.common import batches, run_converted
from experiments.demosaicnet import load_weights, mosaic_of
from experiments.units import (
    Scores,
    Units,
    cycle,
    fit,
    load,
    prepare,
    unit_parser,
    unit_settings,
)
from pconv_tf.comparing.published_networks import DEMOSAIC_MARGIN as MARGIN
from pconv_tf.comparing.published_networks import demosaicnet

NAME = "demosaic_bsds"
RECIPE = Path(__file__).parents[1] / "configs" / "demosaicnet.yaml"
WEIGHTS = "demosaicnet/data/bayer.pth"
CROP = 192
BATCH = 4
STEPS_PER_EPOCH = 25
CALIBRATION = 32
LEARNING_RATE = 2e-4
# Squared errors of a good demosaicking are about 1e-4: too small for Adam's epsilon and for rho.
LOSS_SCALE = 1e3
# Compression of the convolutions to connectivity rate of those that are pruned.
RATES = {"4x": 1.84, "8x": 3.83}
UNITS = ("dense", "refit_4x", "refit_8x", "magnitude_4x", "dense_tuned", "tuned_4x", "tuned_8x")


def main() -> None:
    """Runs the study."""
    args = command_line().parse_args()
    prepare(args)
    train, test = load_photographs(args.data)
    study = Study(
        units=Units(NAME, args.work, settings_of(args)),
        wheel=args.wheel,
        train_images=train,
        test_images=test[:2] if args.smoke else test,
        recipe=settings_of(args)["recipe"],
        epochs=1 if args.smoke else args.epochs,
        threads=args.threads,
    )
    for seed in args.seeds:
        for unit in args.units:
            study.run(unit, seed)
    for unit in UNITS[1:4]:
        study.units.compare(unit, "dense")
    for unit in UNITS[5:]:
        study.units.compare(unit, "dense_tuned")


def command_line() -> argparse.ArgumentParser:
    """The study's flags."""
    parser = unit_parser(__doc__, RECIPE, UNITS)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--wheel", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--epochs", type=int, default=6, metavar="N", help=f"of {STEPS_PER_EPOCH} steps"
    )
    return parser


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the results store of the flags."""
    return unit_settings(args) | {"epochs": args.epochs}


@dataclass(frozen=True)
class Study:
    """The contenders.

    Attributes:
        units: Where results go.
        wheel: File with the published weights.
        train_images: Photographs uint8 [H, W, 3].
        test_images: Photographs to score on.
        recipe: Of pruning, without its connectivity rate.
        epochs: Of training, where there is any.
        threads: Of LiteRT.
    """

    units: Units
    wheel: Path
    train_images: list[Any]
    test_images: list[Any]
    recipe: dict[str, Any]
    epochs: int
    threads: int

    def run(self, unit: str, seed: int) -> dict[str, Any]:
        """Does a unit, unless it is done."""
        return self.units.run(unit, seed, lambda: self.make(unit, seed), self.score)

    def make(self, unit: str, seed: int) -> Any:
        """The network of a unit: a way, and how far it is pruned."""
        import pconv_tf

        way, _, size = unit.partition("_")
        model = self.published(seed)
        if size in RATES:
            calibration = None if way == "magnitude" else self.calibration()
            saliency = "magnitude" if calibration is None else "activation"
            config = self.recipe | {"connectivity_rate": RATES[size], "saliency": saliency}
            model = pconv_tf.prune_one_shot(model, config, calibration=calibration)
        return self.tuned(unit, seed, model) if "tuned" in unit else model

    def published(self, seed: int) -> Any:
        """The dense network as its authors trained it."""
        import keras

        keras.utils.set_random_seed(seed)
        model = demosaicnet(keras.Input((CROP, CROP, 3)))
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(self.wheel) as wheel:
            weights = Path(folder, "bayer.pth")
            weights.write_bytes(wheel.read(WEIGHTS))
            load_weights(model, weights)
        return model

    def calibration(self) -> npt.NDArray[np.float32]:
        """Mosaics of crops of training photographs."""
        dataset, _ = crops(self.train_images, 1, seed=77, batch_size=CALIBRATION)
        return dataset[0][0]

    def tuned(self, unit: str, seed: int, model: Any) -> Any:
        """Trains on; zeros stay zeros."""
        import keras

        from pconv_tf.training import KeepZeros

        def loss(truth: Any, pixels: Any) -> Any:
            return LOSS_SCALE * keras.losses.mean_squared_error(truth, pixels)

        dataset = crops(self.train_images, STEPS_PER_EPOCH, seed, BATCH)
        rate = cycle(LEARNING_RATE, self.epochs * STEPS_PER_EPOCH)
        model.compile(keras.optimizers.Adam(rate), loss)
        fit(model, dataset, self.epochs, self.units.run_folder(unit, seed), KeepZeros())
        return model

    def score(self, file: Path) -> tuple[dict[str, Any], Scores]:
        """Scores a stored network: its JSON entry, and the PSNR of every test photograph."""
        import keras

        import pconv_tf

        psnr = np.zeros(len(self.test_images))
        # One file for each orientation: the photographs are 480x320 or 320x480.
        for shape in {image.shape for image in self.test_images}:
            chosen = [i for i, image in enumerate(self.test_images) if image.shape == shape]
            truth = np.stack([self.test_images[i] for i in chosen]).astype(np.float32) / 255
            model = load(demosaicnet(keras.Input(shape)), file)
            path = file.with_name(f"{file.stem}_{shape[0]}x{shape[1]}.tflite")
            outputs = run_converted(model, mosaic_of(truth), path, 1, num_threads=self.threads)
            psnr[chosen] = psnr_of(outputs, truth[:, MARGIN:-MARGIN, MARGIN:-MARGIN])
        report = pconv_tf.sparsity_report(model)
        return {
            "psnr_db": round(float(psnr.mean()), 4),
            "conv_compression": round(report.conv_compression, 3),
            "tflite_bytes": path.stat().st_size,
        }, psnr.astype(np.float32)


def psnr_of(outputs: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """PSNR in dB of each image [N, H, W, 3] in 0..1."""
    errors = np.square(np.clip(outputs, 0, 1) - truth).mean(axis=(1, 2, 3))
    return -10 * np.log10(errors)


def load_photographs(archive: Path) -> tuple[list[Any], list[Any]]:
    """uint8 [H, W, 3] photographs with even sides: 300 to train on and 200 to test."""
    from PIL import Image

    train: list[npt.NDArray[np.uint8]] = []
    test: list[npt.NDArray[np.uint8]] = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.name.endswith(".jpg"):
                continue
            content = tar.extractfile(member)
            assert content is not None
            image = np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB"))
            even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            (test if "/test/" in f"/{member.name}" else train).append(even)
    return train, test


def crops(images: list[Any], steps: int, seed: int, batch_size: int) -> tuple[Any, Any]:
    """Batches of (mosaic, pixels) from random crops, see `common.batches`."""

    def make(epoch: int, index: int) -> tuple[Any, Any]:
        rng = np.random.default_rng([seed, epoch, index])
        batch = []
        for image in (images[i] for i in rng.integers(0, len(images), batch_size)):
            top, left = (int(rng.integers(0, side - CROP + 1)) for side in image.shape[:2])
            crop = image[top : top + CROP, left : left + CROP]
            batch.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        truth = np.stack(batch).astype(np.float32) / 255
        return mosaic_of(truth), truth[:, MARGIN:-MARGIN, MARGIN:-MARGIN]

    return batches(make, steps)


if __name__ == "__main__":
    main()
