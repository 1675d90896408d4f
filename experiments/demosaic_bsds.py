"""DemosaicNet on BSDS500 photographs: PSNR after removing three quarters of its weights.

The dense network is the pretrained one of the PyPI wheel `demosaicnet`. Pruning trains on crops of
the 200 training and 100 validation photographs, whose mosaics are made by dropping colours, so no
labels are needed; the score is the mean PSNR over the 200 test photographs, of the converted
.tflite file run in LiteRT with the delegate.

  python -m experiments.demosaic_bsds --data=DIR --wheel=FILE --work=DIR [--config=FILE] [--smoke]

DIR of --data holds bsds500.tar.xz; `pip download --no-deps demosaicnet==0.0.14` fetches the wheel.
Results go to WORK/demosaic_bsds.json; started again, the command does what is still missing.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.common import Results, batches, run_converted, settings_of, study_parser
from experiments.demosaicnet import load_weights, mosaic_of
from experiments.resnet20_cifar10 import FlatThenCosine
from pconv_tf.comparing.published_networks import DEMOSAIC_MARGIN as MARGIN
from pconv_tf.comparing.published_networks import demosaicnet

RECIPE = Path(__file__).parents[1] / "configs" / "demosaicnet.yaml"
CROP = 128
WEIGHTS = "demosaicnet/data/bayer.pth"


def main() -> None:
    """Runs the study."""
    args = command_line().parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    import keras

    import pconv_tf
    from pconv_tf.training import KeepZeros

    train_images, test_images = load_photographs(args.data / "bsds500.tar.xz")
    if args.smoke:
        args.steps_per_epoch = 3
        test_images = test_images[:2]
    settings = settings_of(args) | {
        "steps_per_epoch": args.steps_per_epoch,
        "images": [len(train_images), len(test_images)],
    }
    config = pconv_tf.PruningConfig.from_any(settings["recipe"])
    results = Results(args.work / "demosaic_bsds.json", settings)
    weights = args.work / "bayer.pth"
    with zipfile.ZipFile(args.wheel) as wheel:
        weights.write_bytes(wheel.read(WEIGHTS))

    def fresh(size: tuple[int, int]) -> Any:
        keras.utils.set_random_seed(args.seed)
        model = demosaicnet(keras.Input((*size, 3)))
        load_weights(model, weights)
        return model

    def score(model: Any, name: str) -> dict[str, Any]:
        psnr = []
        # One file for each orientation: the photographs are 481x321 or 321x481.
        for portrait in (False, True):
            images = [i for i in test_images if (i.shape[0] > i.shape[1]) == portrait]
            if not images:
                continue
            sized = demosaicnet(keras.Input((*images[0].shape[:2], 3)))
            sized.set_weights(model.get_weights())
            path = args.work / f"{name}_{'portrait' if portrait else 'landscape'}.tflite"
            truth = np.stack(images).astype(np.float32) / 255
            outputs = run_converted(sized, mosaic_of(truth), path, 1)
            truth = truth[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
            errors = np.square(np.clip(outputs, 0, 1) - truth).mean(axis=(1, 2, 3))
            psnr.extend((-10 * np.log10(errors)).tolist())
        report = pconv_tf.sparsity_report(model)
        return {"psnr_db": float(np.mean(psnr)), "conv_compression": report.conv_compression}

    def train(model: Any, epochs: int, flat_epochs: int, *callbacks: Any) -> None:
        photographs, follow = crops(train_images, args.steps_per_epoch, args.seed)
        steps = args.steps_per_epoch
        rate = FlatThenCosine(args.learning_rate, flat_epochs * steps, epochs * steps)
        model.compile(keras.optimizers.Adam(rate), "mse")
        model.fit(photographs, epochs=epochs, verbose=2, callbacks=[follow, *callbacks])

    def dense() -> dict[str, Any]:
        return score(fresh((CROP, CROP)), "dense")

    def admm() -> dict[str, Any]:
        model = fresh((CROP, CROP))
        callback = pconv_tf.PConvCallback(config, checkpoint_dir=args.work / "admm.run")
        train(model, config.total_epochs, config.admm_epochs, callback)
        return score(model, "admm")

    def one_shot() -> dict[str, Any]:
        model = pconv_tf.prune_one_shot(fresh((CROP, CROP)), config)
        train(model, config.total_epochs, 0, KeepZeros())
        return score(model, "one_shot")

    results.run("dense", dense)
    results.run("admm_4x", admm)
    results.run("one_shot_4x", one_shot)


def command_line() -> argparse.ArgumentParser:
    """The study's flags."""
    parser = study_parser(__doc__, RECIPE, learning_rate=3e-4)
    parser.add_argument("--wheel", type=Path, required=True, metavar="FILE")
    parser.add_argument("--steps_per_epoch", type=int, default=150, metavar="N")
    return parser


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


def crops(images: list[Any], steps: int, seed: int, batch_size: int = 16) -> tuple[Any, Any]:
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
