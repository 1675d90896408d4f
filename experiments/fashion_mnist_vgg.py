"""VGG-16 with a quarter of its filters on Fashion-MNIST, 8.1 times fewer convolution weights.

  python -m experiments.fashion_mnist_vgg [--work=DIR] [--seeds 0 1 2] [--units dense admm ...]

needs nothing but Debian's package dataset-fashion-mnist (or the open internet). Results are named
after the recipe: WORK/fashion_mnist_vgg.json, networks in WORK/fashion_mnist_vgg/. Started again,
the command does what is still missing. --config=experiments/recipes/fashion_mnist_vgg_short.yaml
trains a third as long.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from experiments import vgg
from experiments.classification import Data, Images, Study
from experiments.units import Units, prepare, unit_parser, unit_settings
from pconv_tf.demo import fashion_mnist

RECIPE = Path(__file__).parents[1] / "configs" / "fashion_mnist_vgg.yaml"
WIDTH = 0.25
UNITS = (
    *("dense", "dense_continued", "refit_only", "admm", "one_shot", "admm_per_layer"),
    *("admm_taught", "admm_per_layer_taught"),
    *("dense_int8", "admm_int8", "admm_aware"),
)
# What pixels are over the training images.
MEAN, DEVIATION = 0.286, 0.353


def main() -> None:
    """Runs the study."""
    args = command_line().parse_args()
    prepare(args)
    study = Study(
        units=Units(args.config.stem, args.work, settings_of(args)),
        data=load(thin=50 if args.smoke else 1),
        build=build,
        normalise=normalise,
        shift=2,
        dense_epochs=1 if args.smoke else args.dense_epochs,
        recipe=settings_of(args)["recipe"],
        threads=args.threads,
    )
    for seed in args.seeds:
        for unit in args.units:
            study.run(unit, seed)
    for unit in UNITS[2:]:
        study.units.compare(unit, "dense_continued", scale=100)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the results store of the flags."""
    return unit_settings(args) | {"dense_epochs": args.dense_epochs}


def command_line() -> argparse.ArgumentParser:
    """The study's flags."""
    parser = unit_parser(__doc__, RECIPE, UNITS)
    parser.add_argument("--dense_epochs", type=int, default=8, metavar="N")
    return parser


def build() -> Any:
    """The network, untrained."""
    return vgg.build(fashion_mnist.IMAGE_SHAPE, width=WIDTH)


def normalise(pixels: Any) -> Any:
    """Pixels to what the network reads: mean 0, deviation 1."""
    return ((pixels / np.float32(255)) - np.float32(MEAN)) / np.float32(DEVIATION)


def load(thin: int = 1) -> Data:
    """The images; every `thin`-th of them."""
    train, test = (
        Images(np.rint(split.images * 255).astype(np.uint8), split.labels)
        for split in fashion_mnist.load()
    )
    return Data.split(train, test, thin=thin)


if __name__ == "__main__":
    main()
