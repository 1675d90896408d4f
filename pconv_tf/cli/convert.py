"""Writes a pruned model as .tflite: pruned layers become PConv2D with FKW weights.

MODEL is a .keras or .h5 file, a SavedModel folder or a .tflite file. Prints
what every convolution became and why; a layer stays dense where no gain is
expected (docs/conversion.md).

  pconv-tf convert pruned.keras -o pruned.tflite
  pconv-tf convert pruned.keras --weights=float16 --skip='^first$'
  pconv-tf convert pruned.keras --measure
  pconv-tf convert pruned.keras --quantize=int8 --calibration=images.npz
  pconv-tf convert pruned.tflite --to-dense -o dense.tflite
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pconv_tf import tables
from pconv_tf.cli import custom_objects, output

if TYPE_CHECKING:
    from pconv_tf.conversion.calibration import RepresentativeDataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf convert`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="what to convert")
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write (default: MODEL's name with _pconv.tflite or _dense.tflite, here)",
    )
    add(
        "--weights",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="type of the stored kept weights (default %(default)s); quantised ones stay as they"
        " are",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="REGEX",
        help="convert only layers whose name matches; may be repeated",
    )
    add(
        "--skip",
        action="append",
        default=[],
        metavar="REGEX",
        help="leave layers dense whose name matches; may be repeated",
    )
    add("--force", action="store_true", help="convert also where no gain is expected")
    add(
        "--target",
        choices=("avx512", "avx2", "neon"),
        help="instruction set of the processor that will run the file, for the expected gain of"
        " the network (default: this machine's)",
    )
    add(
        "--measure",
        action="store_true",
        help="decide by timing several splits of the layers in LiteRT on this machine",
    )
    add(
        "--input_shape",
        action="append",
        default=[],
        metavar="[NAME:]SHAPE",
        help="fix free dimensions of an input, for instance 1,224,224,3; may be repeated",
    )
    add(
        "--quantize",
        choices=("int8",),
        help="full-integer quantisation before the conversion; needs --calibration",
    )
    add(
        "--calibration",
        metavar="FILE.npz",
        help="samples for --quantize: an array [samples, ...] for each input, by its name, or the"
        " one array of the only input",
    )
    add(
        "--io_type",
        choices=("float32", "int8", "uint8"),
        default="float32",
        help="with --quantize, type of the file's inputs and outputs (default %(default)s)",
    )
    add(
        "--to-dense",
        action="store_true",
        help="the other way: write the dense twin, with TFLite's own operators only",
    )
    custom_objects.add_arguments(parser)
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf convert`."""
    if args.to_dense:
        return _to_dense(args)
    from pconv_tf.conversion import convert_with_report
    from pconv_tf.conversion.report import COLUMNS, TEXT_COLUMNS, table_rows
    from pconv_tf.conversion.trials import trials_text

    target = _target(args, "pconv")
    with custom_objects.known(args), output.progress("converting") as bar:
        conversion = convert_with_report(
            args.model,
            output=target,
            weights=args.weights,
            only=args.only,
            skip=args.skip,
            force=args.force,
            input_shapes=_shapes(args.input_shape),
            quantize=args.quantize,
            representative_dataset=_samples(args),
            io_type=args.io_type,
            target=args.target,
            measure=args.measure,
            progress=lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total),
        )
    size = len(conversion.flatbuffer)
    if args.json:
        output.print_json(
            {
                "output": str(target),
                "bytes": size,
                "layers": [vars(layer) for layer in conversion.layers],
                "remarks": conversion.remarks,
                "expected_gain": conversion.expected_gain,
                "trials": [vars(trial) for trial in conversion.trials],
            }
        )
        return 0
    tables.print_table(COLUMNS, table_rows(conversion.layers), text_columns=TEXT_COLUMNS)
    if conversion.trials:
        print(f"\n{trials_text(conversion.trials)}\n")
    for remark in conversion.remarks:
        print(remark)
    print(f"wrote {target} ({tables.size(size)})")
    return 0


def _to_dense(args: argparse.Namespace) -> int:
    from pconv_tf.conversion import convert_dense

    if any(
        (args.only, args.skip, args.force, args.target, args.measure, args.weights != "float32")
    ):
        raise ValueError(
            "--to-dense takes none of --weights, --only, --skip, --force, --target and --measure"
        )
    target = _target(args, "dense")
    with custom_objects.known(args):
        shapes = _shapes(args.input_shape)
        flatbuffer = convert_dense(
            args.model,
            output=target,
            input_shapes=shapes,
            quantize=args.quantize,
            representative_dataset=_samples(args),
            io_type=args.io_type,
        )
    size = len(flatbuffer)
    if args.json:
        output.print_json({"output": str(target), "bytes": size})
    else:
        print(f"wrote {target} ({tables.size(size)})")
    return 0


def _samples(args: argparse.Namespace) -> RepresentativeDataset | None:
    if (args.quantize is None) != (args.calibration is None):
        raise ValueError("--quantize and --calibration go together")
    if args.calibration is None:
        return None
    from pconv_tf.conversion.calibration import samples_of_npz

    return samples_of_npz(Path(args.calibration))


def _shapes(flags: list[str]) -> dict[str, tuple[int, ...]] | tuple[int, ...] | None:
    """Shapes by name of the input, or the one shape without a name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for flag in flags:
        name, _, numbers = flag.rpartition(":")
        try:
            shapes[name] = tuple(int(number) for number in numbers.split(","))
        except ValueError:
            raise ValueError(
                f"--input_shape: expected numbers such as 1,224,224,3. Received: {flag}"
            ) from None
    if "" in shapes and len(flags) > 1:
        raise ValueError("--input_shape: of several inputs each needs its name: NAME:SHAPE")
    return shapes.get("") or shapes or None


def _target(args: argparse.Namespace, suffix: str) -> Path:
    if args.output is not None:
        return Path(args.output)
    source = Path(args.model)
    return Path(f"{source.name if source.is_dir() else source.stem}_{suffix}.tflite")
