"""Shows what a converted .tflite holds, or verifies it against its dense twin.

For every PConv2D: its patterns as small grids (X is a kept tap), the stored
kernels that use each, and the bytes of each array against dense and CSR
storage. Every array is validated first.

  pconv-tf inspect pruned.tflite
  pconv-tf inspect pruned.tflite --verify dense.tflite

Exit code 1: a weight differs from the twin's.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from pconv_tf import tables
from pconv_tf.cli import output

if TYPE_CHECKING:
    from pconv_tf.conversion.inspection import Inspection, LayerInspection

_GRIDS_PER_ROW = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf inspect`."""
    parser.add_argument("model", metavar="MODEL", help="a converted .tflite file")
    parser.add_argument("--verify", metavar="TWIN", help="the dense .tflite it was made from")
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf inspect`."""
    from pconv_tf.conversion.inspection import inspect

    if args.verify is not None:
        return _verify(args)
    inspection = inspect(args.model)
    if args.json:
        output.print_json(dataclasses.asdict(inspection))
    else:
        _print(inspection)
    return 0


def _print(inspection: Inspection) -> None:
    for layer in inspection.layers:
        _print_patterns(layer)
    print(
        f"{inspection.name}: {tables.size(inspection.file_bytes)},"
        f" FKW version {inspection.version}, {len(inspection.layers)} PConv2D,"
        f" {inspection.dense_layers} stock convolutions"
    )
    if not inspection.layers:
        return
    columns = ("layer", "kept", "weight", "index", "stride", "other", "FKW", "CSR", "dense")
    rows = [
        (
            layer.name,
            tables.share(layer.kept_weights),
            *(tables.kilobytes(layer.bytes[name]) for name in ("weight", "index", "stride")),
            tables.kilobytes(_other_bytes(layer)),
            tables.kilobytes(layer.fkw_bytes),
            tables.kilobytes(layer.csr_bytes),
            tables.kilobytes(layer.dense_bytes),
        )
        for layer in inspection.layers
    ]
    sums = [
        tables.kilobytes(sum(getattr(layer, field) for layer in inspection.layers))
        for field in ("fkw_bytes", "csr_bytes", "dense_bytes")
    ]
    rows.append(("total", "", "", "", "", "", *sums))
    tables.print_table(columns, rows, title="kB of each array, in all, as CSR and dense:")


def _other_bytes(layer: LayerInspection) -> int:
    return layer.fkw_bytes - sum(layer.bytes[name] for name in ("weight", "index", "stride"))


def _print_patterns(layer: LayerInspection) -> None:
    from pconv_tf.conversion.inspection import pattern_rows

    kh, kw = layer.kernel_size
    print(
        f"{layer.name}: {kh}x{kw}, {layer.in_channels} -> {layer.out_channels},"
        f" stride {layer.strides[0]}x{layer.strides[1]}, {layer.padding},"
        f" {layer.activation}, {_types(layer)}, filter_block {layer.filter_block},"
        f" kernels kept {tables.share(layer.kept_kernels)}"
    )
    if kh * kw == 1:
        print()
        return
    by_use = sorted(zip(layer.kernels_per_pattern, layer.patterns, strict=True), reverse=True)
    for start in range(0, len(by_use), _GRIDS_PER_ROW):
        part = by_use[start : start + _GRIDS_PER_ROW]
        width = max(kw, *(len(str(count)) for count, _ in part)) + 2
        grids = [pattern_rows(mask, (kh, kw)) for _, mask in part]
        for row in range(kh):
            print("  " + "".join(grid[row].ljust(width) for grid in grids).rstrip())
        print("  " + "".join(str(count).ljust(width) for count, _ in part).rstrip())
    print()


def _types(layer: LayerInspection) -> str:
    return layer.weights if layer.activations == "float32" else "int8 activations and weights"


def _verify(args: argparse.Namespace) -> int:
    from pconv_tf.conversion.inspection import verify

    results = verify(args.model, args.verify)
    wrong = [result for result in results if not result.matches]
    if args.json:
        output.print_json(
            {"matches": not wrong, "layers": [dataclasses.asdict(result) for result in results]}
        )
    else:
        rows = [
            (
                result.name,
                "equal" if result.matches else "DIFFERS",
                "" if result.max_abs_diff is None else f"{result.max_abs_diff:.3g}",
                result.problem,
            )
            for result in results
        ]
        columns = ("layer", "verdict", "max weight diff", "problem")
        tables.print_table(columns, rows, text_columns=("verdict", "problem"))
        print(f"{len(results) - len(wrong)} of {len(results)} layers match {args.verify}")
    return 1 if wrong else 0
