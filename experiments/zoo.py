"""The zoo: converted files of the studies, each with a card that says what it is and how good.

  python -m experiments.zoo [--results=DIR] [--output=DIR] [NAME ...]

makes them again from the networks that the studies stored, times each beside its dense twin, and
writes NAME.tflite, NAME.json and the table of both README.md. Scores come from the studies.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments import classification, demosaic_bsds, fashion_mnist_vgg
from experiments.units import RESULTS, load, unit_name
from pconv_tf.files import write_atomically

ROOT = Path(__file__).parents[1]
ZOO = ROOT / "zoo"
# Where the table stands: the document, and how to reach a card from there.
DOCUMENTS = ((ZOO / "README.md", ""), (ROOT / "README.md", "zoo/"))
TABLE = ("<!-- zoo:begin -->\n", "<!-- zoo:end -->\n")
THREADS = 1


@dataclass(frozen=True)
class Entry:
    """One file of the zoo.

    Attributes:
        name: Of the file.
        network: What it is, in words.
        study: Whose results hold its score.
        unit: Of the study.
        reference: The unit with the dense network to compare with.
        seed: Of both.
        build: Makes the network for the shape of an input without its batch.
        input_shape: Of one input, (height, width, channels).
        data: What it was trained and scored on.
        input: What the file reads, in words.
        output: What it computes, in words.
        metric: Key of the score in the study's results.
        calibration: Gives inputs, [N, ...], to quantise a full-integer file with; None for
            a float32 one.
    """

    name: str
    network: str
    study: str
    unit: str
    reference: str
    seed: int
    build: Callable[[tuple[int, int, int]], Any]
    input_shape: tuple[int, int, int]
    data: str
    input: str
    output: str
    metric: str
    calibration: Callable[[], npt.NDArray[np.float32]] | None = None


def _vgg_entry(name: str, unit: str, reference: str, how: str, **fields: Any) -> Entry:
    return Entry(
        name=name,
        network=f"VGG-16 with batch norm and a quarter of its filters, pruned by ADMM{how}",
        study="fashion_mnist_vgg",
        unit=unit,
        reference=reference,
        seed=0,
        build=lambda shape: fashion_mnist_vgg.build(),
        input_shape=(28, 28, 1),
        data="Fashion-MNIST: 55,000 training images; scored on the 10,000 test images",
        input=f"(pixel / 255 - {fashion_mnist_vgg.MEAN}) / {fashion_mnist_vgg.DEVIATION}",
        output="10 logits",
        metric="accuracy",
        **fields,
    )


def _vgg_calibration() -> npt.NDArray[np.float32]:
    pixels = fashion_mnist_vgg.load().train.pixels[: classification.CALIBRATION]
    inputs: npt.NDArray[np.float32] = fashion_mnist_vgg.normalise(pixels)
    return inputs


def _demosaicnet(shape: tuple[int, int, int]) -> Any:
    import keras

    return demosaic_bsds.demosaicnet(keras.Input(shape))


def _demosaic_entry(name: str, unit: str, reference: str, how: str) -> Entry:
    return Entry(
        name=name,
        network=f"DemosaicNet for Bayer mosaics (Gharbi et al. 2016), {how}",
        study=demosaic_bsds.NAME,
        unit=unit,
        reference=reference,
        seed=0,
        build=_demosaicnet,
        input_shape=(320, 480, 3),
        data="BSDS500: trained or fitted on train and val, scored on the 200 test photographs",
        input="Bayer mosaic, RGB in 0..1 with the two missing colours of every pixel at 0; "
        "rows G R and B G; images of this size only",
        output="RGB in 0..1, without a margin of "
        f"{demosaic_bsds.MARGIN} pixels on every side (no padding)",
        metric="psnr_db",
    )


ENTRIES = (
    _vgg_entry("fashion_mnist_vgg16_quarter_8x", "admm", "dense_continued", ""),
    _vgg_entry(
        "fashion_mnist_vgg16_quarter_8x_int8",
        "admm_aware",
        "dense_int8",
        ", then trained with the rounding of int8: full-integer, but for the input and the logits",
        calibration=_vgg_calibration,
    ),
    _demosaic_entry("demosaicnet_4x", "refit_4x", "dense", "pruned with refit, not trained"),
    _demosaic_entry("demosaicnet_8x", "refit_8x", "dense", "pruned with refit, not trained"),
    _demosaic_entry(
        "demosaicnet_4x_tuned", "tuned_4x", "dense_tuned", "pruned with refit, then trained"
    ),
)


def main() -> None:
    """Makes the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="of studies")
    parser.add_argument("--output", type=Path, default=ZOO, metavar="DIR")
    args = parser.parse_args()
    known = {entry.name: entry for entry in ENTRIES}
    for name in args.names:
        if name not in known:
            parser.error(f"NAME: expected one of {', '.join(known)}, found {name}")
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.names or known:
        make(known[name], args.results, args.output)
    if args.output == ZOO:
        for document, folder in DOCUMENTS:
            write_table(document, folder)


def make(entry: Entry, results: Path, output: Path) -> None:
    """Writes one file and its card."""
    import pconv_tf

    study = json.loads((results / f"{entry.study}.json").read_text())
    pruned, dense = (
        study["results"][unit_name(unit, entry.seed)] for unit in (entry.unit, entry.reference)
    )
    network = results / entry.study / f"{unit_name(entry.unit, entry.seed)}.npz"
    model = load(entry.build(entry.input_shape), network)
    path = output / f"{entry.name}.tflite"
    conversion: dict[str, Any] = {}
    if entry.calibration is not None:
        inputs = entry.calibration()
        conversion["quantize"] = "int8"
        conversion["representative_dataset"] = lambda: ([one[None]] for one in inputs)
    pconv_tf.convert(model, output=path, quiet=True, **conversion)
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder, "twin.tflite")
        pconv_tf.convert_dense(model, output=twin, **conversion)
        twin_bytes = twin.stat().st_size
        latency = timed(path, twin)
    card = {
        "name": entry.name,
        "network": entry.network,
        "task": entry.output,
        "input": entry.input,
        "input_shape": [1, *entry.input_shape],
        "data": entry.data,
        "seed": entry.seed,
        "command": f"{study['command']} --seeds {entry.seed} --units {entry.unit}",
        "metric": entry.metric,
        "score": pruned[entry.metric],
        "score_dense": dense[entry.metric],
        "conv_compression": pruned["conv_compression"],
        "bytes": path.stat().st_size,
        "bytes_dense": twin_bytes,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "latency": latency,
    }
    write_atomically(output / f"{entry.name}.json", json.dumps(card, indent=2) + "\n")


def timed(path: Path, twin: Path) -> dict[str, Any]:
    """Median latencies of a file with the delegate and of its twin with XNNPACK, interleaved."""
    import pconv_tf

    found = pconv_tf.compare(graph=path, baseline=twin, num_threads=THREADS, num_runs=20)
    for name, reason in found.failed.items():
        raise ValueError(f"{path}: {name}: {reason}")
    dense, pruned = (found[name].latency_ms.median for name in ("litert", "pconv"))
    return {
        "cpu": f"{found.machine.cpu}, {found.machine.instructions}",
        "num_threads": THREADS,
        "version": pconv_tf.__version__,
        "xnnpack_dense_ms": round(dense, 4),
        "pconv_ms": round(pruned, 4),
        "ratio": round(dense / pruned, 2),
    }


def write_table(document: Path, folder: str) -> None:
    """Writes the cards as a table into a document, in place of the one there."""
    head, rest = document.read_text().split(TABLE[0])
    _, tail = rest.split(TABLE[1])
    write_atomically(document, head + TABLE[0] + table(folder) + TABLE[1] + tail)


def table(folder: str) -> str:
    """The cards as a table in Markdown, with links to them in `folder`."""
    lines = [
        "| file | score | dense | conv weights | size, of the dense file | latency | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for path in sorted(ZOO.glob("*.json")):
        card = json.loads(path.read_text())
        latency = card["latency"]
        lines.append(
            f"| [{card['name']}]({folder}{path.name}) | {_score(card, 'score')} "
            f"| {_score(card, 'score_dense')} | 1/{card['conv_compression']:.1f} "
            f"| {card['bytes'] / 1e6:.2f} MB, 1/{card['bytes_dense'] / card['bytes']:.1f} "
            f"| {latency['pconv_ms']:.3g} ms | {latency['ratio']:.1f}x |"
        )
    return "\n".join(lines) + "\n"


def _score(card: dict[str, Any], key: str) -> str:
    value = card[key]
    return f"{value:.2f} dB" if card["metric"].endswith("_db") else f"{100 * value:.2f} %"


if __name__ == "__main__":
    main()
