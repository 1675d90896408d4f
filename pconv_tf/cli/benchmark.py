"""Times one .tflite file in LiteRT, with the flags of TFLite's benchmark_model.

The file runs in this process, after a warm-up, on random input. If it holds
pruned layers, this project's delegate is loaded, unless
--external_delegate_path says otherwise.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pconv_tf import tables
from pconv_tf.cli import output
from pconv_tf.runtime.session import RUNTIMES

if TYPE_CHECKING:
    from pconv_tf.measuring.benchmarking import Benchmark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf benchmark`."""
    add = parser.add_argument
    add("--graph", required=True, metavar="FILE", help="the .tflite file")
    add("--num_threads", type=int, default=1, metavar="N", help="threads (default %(default)s)")
    add("--num_runs", type=int, default=50, metavar="N", help="measured runs, at least (50)")
    add("--min_secs", type=float, default=1.0, metavar="S", help="measured seconds, at least (1)")
    add("--max_secs", type=float, default=150.0, metavar="S", help="stop after S seconds (150)")
    add("--warmup_runs", type=int, default=1, metavar="N", help="warm-up runs, at least (1)")
    add("--warmup_min_secs", type=float, default=0.5, metavar="S", help="warm-up seconds (0.5)")
    add("--run_delay", type=float, default=0.0, metavar="S", help="pause between runs (0)")
    add(
        "--use_xnnpack",
        type=boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="BOOL",
        help="let XNNPACK run what no delegate took (true)",
    )
    add(
        "--external_delegate_path",
        metavar="LIB",
        help="a delegate's library, or none (default: this project's for a pruned file)",
    )
    add(
        "--external_delegate_options",
        default="",
        metavar="K:V;K:V",
        help="its options, for instance 'backend:cpu;claim:all'",
    )
    add(
        "--enable_op_profiling",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="BOOL",
        help="also time every operator (false)",
    )
    add("--input_layer", default="", metavar="A,B", help="names of the inputs to resize")
    add(
        "--input_layer_shape",
        default="",
        metavar="1,H,W,C:...",
        help="their shapes, separated by ':'",
    )
    add(
        "--runtime",
        choices=tuple(RUNTIMES),
        default="litert",
        help="LiteRT (default) or the interpreter of the tensorflow package",
    )
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf benchmark`."""
    from pconv_tf.measuring.benchmarking import benchmark
    from pconv_tf.runtime.delegate_choice import parse_options

    result = benchmark(
        args.graph,
        num_threads=args.num_threads,
        num_runs=args.num_runs,
        min_secs=args.min_secs,
        max_secs=args.max_secs,
        warmup_runs=args.warmup_runs,
        warmup_min_secs=args.warmup_min_secs,
        run_delay=args.run_delay,
        external_delegate_path=args.external_delegate_path,
        external_delegate_options=parse_options(args.external_delegate_options),
        use_xnnpack=args.use_xnnpack,
        enable_op_profiling=args.enable_op_profiling,
        input_shapes=input_shapes(args.input_layer, args.input_layer_shape),
        runtime=args.runtime,
    )
    if args.json:
        output.print_json(result)
    else:
        _print(result)
    return 0


def boolean(text: str) -> bool:
    """Parses a flag's value as benchmark_model does: true or false, 1 or 0."""
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"received {text!r}, expected true or false")
    return values[text.lower()]


def input_shapes(names: str, shapes: str) -> dict[str, list[int]]:
    """Joins --input_layer and --input_layer_shape."""
    split_names = [name for name in names.split(",") if name]
    split_shapes = [shape for shape in shapes.split(":") if shape]
    if len(split_names) != len(split_shapes):
        raise ValueError(
            f"input_layer names {len(split_names)} inputs, input_layer_shape has "
            f"{len(split_shapes)} shapes"
        )
    try:
        return {
            name: [int(size) for size in shape.split(",")]
            for name, shape in zip(split_names, split_shapes, strict=True)
        }
    except ValueError:
        raise ValueError(
            f"input_layer_shape: received {shapes!r}, expected sizes such as 1,224,224,3"
        ) from None


def _print(result: Benchmark) -> None:
    package, _ = RUNTIMES[result.runtime]
    print(f"Graph: {result.graph} ({result.graph_bytes / 1e6:.2f} MB)")
    for tensor in result.inputs:
        shape = "x".join(map(str, tensor["shape"]))
        print(f"Input: {tensor['name']} {shape} {tensor['dtype']}")
    rest = "XNNPACK" if result.use_xnnpack else "builtin kernels"
    runner = f"delegate {result.delegate} over {rest}" if result.delegate else rest
    print(f"Runtime: {package} {result.version}, {result.num_threads} thread(s), {runner}")
    for key, value in result.delegate_options.items():
        print(f"Delegate option: {key}={value}")
    print()
    for title, timing in (("Warm-up", result.warmup), ("Inference", result.inference)):
        print(
            f"{title} (ms): count={timing.count} first={timing.first:.3f} curr={timing.last:.3f} "
            f"min={timing.min:.3f} max={timing.max:.3f}\n"
            f"  avg={timing.mean:.3f} std={timing.std:.3f} median={timing.median:.3f} "
            f"p90={timing.p90:.3f}"
        )
    print(
        f"\nInference timings in us: Init: {result.init_ms * 1e3:.0f}, "
        f"First inference: {result.warmup.first * 1e3:.0f}, "
        f"Warmup (avg): {result.warmup.mean * 1e3:.1f}, "
        f"Inference (avg): {result.inference.mean * 1e3:.1f}"
    )
    print(
        "Memory footprint delta from the start of the benchmark (MB): "
        f"init={result.init_mb:.1f} overall={result.overall_mb:.1f}"
    )
    if result.ops:
        _print_ops(result)


def _print_ops(result: Benchmark) -> None:
    total = sum(op.ms or 0 for op in result.ops)
    inside = result.ops[0].inside
    rows = [
        (
            op.name,
            op.op.partition(" ")[0],
            tables.milliseconds(op.ms),
            "-" if op.ms is None else tables.share(op.ms / (total or 1)),
        )
        for op in result.ops
    ]
    remark = "sum" if inside else "sum (the model runs them joined)"
    print()
    print("Operators inside the delegate:" if inside else "Operators, each run alone:")
    tables.print_table(
        ("layer", "type", "ms", "share"),
        [*rows, (remark, "", tables.milliseconds(total), "100.0%")],
        text_columns=("type",),
    )
