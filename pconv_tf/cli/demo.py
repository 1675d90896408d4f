"""Trains, prunes, converts and compares a small CNN on Fashion-MNIST.

The network is pruned with PConvCallback and runs in stock LiteRT with the
delegate, beside its dense twin with XNNPACK; all in a few minutes on two cores.
Prints one table and writes a picture of the learned patterns. Started again
after an interruption, it goes on from where it was.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pconv_tf import tables
from pconv_tf.cli import output
from pconv_tf.demo import EPOCH_IMAGES

if TYPE_CHECKING:
    from pconv_tf.demo.run import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `pconv-tf demo`."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="where models and picture go (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights and image order (default: %(default)s)"
    )
    parser.add_argument(
        "--epoch_images",
        type=int,
        default=EPOCH_IMAGES,
        metavar="N",
        help="training images in one epoch, 1280 to 60000 (default: %(default)s)",
    )
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the demo."""
    # Without AVX-512 TensorFlow leaves oneDNN off, and trains 1.7 times as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from pconv_tf.demo.run import batches
    from pconv_tf.demo.run import run as run_demo

    with output.progress("batches", total=batches(args.epoch_images)) as bar:
        result = run_demo(
            args.output,
            seed=args.seed,
            epoch_images=args.epoch_images,
            note=bar.console.print if bar.live.is_started else output.note,
            advance=lambda count: bar.advance(bar.tasks[0].id, count),
        )
    if args.json:
        output.print_json(result)
        return 0
    tables.print_table(
        ("model", "runs in", "accuracy", "conv weights", "file", "latency", "ratio", "max diff"),
        [cells(row) for row in result.rows],
        title="Fashion-MNIST, 10,000 test images; latency: one image, one thread, median",
        text_columns=("runs in",),
    )
    for name, path in result.files.items():
        output.note(f"{name}: {path}")
    output.note(f"{result.seconds:.0f} s, seed {result.seed}")
    return 0


def cells(row: Row) -> tuple[str, ...]:
    """A model's line of the table."""
    return (
        row.name,
        row.runtime,
        f"{row.accuracy:.2%}",
        tables.share(row.weights_kept),
        tables.size(row.file_bytes),
        f"{tables.milliseconds(row.latency_ms)} ms",
        tables.ratio(row.speedup),
        "-" if row.max_abs_diff is None else f"{row.max_abs_diff:.1e}",
    )
