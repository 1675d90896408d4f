"""Times a pruned network against its dense twin and other runtimes.

All contenders run the same pruned weights. Each has a process of its own; its
output is checked against stock LiteRT's first. Then they take turns, at
starting in fresh processes and in short bursts of inferences. Stock LiteRT with
XNNPACK on the dense twin is always first and 1.0.

  pconv-tf compare --network=vgg16_conv
  pconv-tf compare --network=resnet50 --num_threads=2 --peers=all
  pconv-tf compare --graph=model_pconv.tflite --baseline=model.tflite

Other runtimes (--peers) are installed once, each in an environment of its own
in the user's cache folder (PCONV_CACHE_DIR):

  pconv-tf compare --setup_peers=onnxruntime,openvino

Exit code 1: a contender gave wrong output or failed; its row has no times.
"""

from __future__ import annotations

import argparse
import csv
import io
from typing import TYPE_CHECKING

from absl import logging

from pconv_tf import tables
from pconv_tf.cli import output
from pconv_tf.comparing.networks import NETWORKS
from pconv_tf.comparing.peers.catalogue import ONNX, PEERS, parse_peers, set_up

if TYPE_CHECKING:
    from pconv_tf.comparing.comparison import Comparison

_PRUNING = (
    "pattern_set",
    "connectivity_rate",
    "pointwise_rate",
    "pointwise_unit",
    "filter_block",
    "dense_rate",
    "dense_block",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf compare`."""
    what = parser.add_argument_group("what to compare")
    what.add_argument(
        "--network", metavar="NAME", help=f"with random pruned weights: {', '.join(NETWORKS)}"
    )
    what.add_argument("--graph", metavar="FILE", help="a converted .tflite file")
    what.add_argument("--baseline", metavar="FILE", help="its dense twin")
    what.add_argument(
        "--peers", default="", metavar="A,B", help=f"all or some of {', '.join(PEERS)}"
    )
    what.add_argument("--setup_peers", metavar="A,B", help="install these peers, or all, and stop")

    pruning = parser.add_argument_group("how --network is pruned (default: per network)")
    pruning.add_argument("--pattern_set", metavar="SET", help="pconv4, squares4, natural8, ...")
    pruning.add_argument(
        "--connectivity_rate", type=float, metavar="R", help="keep 1/R of a layer's kernels"
    )
    pruning.add_argument(
        "--pointwise_rate", type=float, metavar="R", help="the same for 1x1 layers"
    )
    pruning.add_argument(
        "--pointwise_unit", metavar="U", help="weight, or quad: four channels of one together"
    )
    pruning.add_argument(
        "--filter_block", type=int, metavar="B", help="1, 4, 8 or 16 filters share their masks"
    )
    pruning.add_argument(
        "--dense_rate", type=float, metavar="R", help="keep 1/R of fully connected weights"
    )
    pruning.add_argument(
        "--dense_block", type=int, metavar="B", help="so many outputs share their inputs there"
    )

    what.add_argument(
        "--precision",
        default="float32",
        metavar="P",
        help="of --network: float32 or int8 (float32)",
    )
    how = parser.add_argument_group("how to measure")
    how.add_argument("--num_threads", type=int, default=1, metavar="N", help="of each (1)")
    how.add_argument("--num_runs", type=int, default=50, metavar="N", help="at least (50)")
    how.add_argument(
        "--num_starts",
        type=int,
        default=3,
        metavar="N",
        help="fresh processes to time the start in; 0: none (3)",
    )
    how.add_argument("--external_delegate_path", metavar="LIB", help="default: this project's")
    how.add_argument(
        "--external_delegate_options",
        action="append",
        metavar="K:V;K:V",
        help="may be repeated: one contender for each",
    )
    how.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and input (0)")

    form = parser.add_mutually_exclusive_group()
    output.add_json_argument(form)
    form.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    form.add_argument("--csv", action="store_true", help="print the table as CSV")


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf compare`."""
    if args.setup_peers is not None:
        for peer in parse_peers(args.setup_peers):
            set_up(peer, output.note)
            if peer.reads == "onnx":
                set_up(ONNX, output.note)
            output.note(f"{peer.title} is ready")
        return 0

    from pconv_tf.comparing.subjects import compare
    from pconv_tf.runtime.delegate_choice import parse_options

    with output.progress("starting", total=1) as bar:
        result = compare(
            args.network,
            graph=args.graph,
            baseline=args.baseline,
            pruning={field: getattr(args, field) for field in _PRUNING},
            precision=args.precision,
            num_threads=args.num_threads,
            num_runs=args.num_runs,
            num_starts=args.num_starts,
            peers=args.peers,
            external_delegate_path=args.external_delegate_path,
            external_delegate_options=[
                parse_options(text) for text in args.external_delegate_options or [""]
            ],
            seed=args.seed,
            progress=lambda text, done, total: bar.update(
                bar.task_ids[0], description=text, completed=done, total=total
            ),
        )
    if args.json:
        output.print_json(result)
    elif args.markdown:
        print(_markdown(result), end="")
    elif args.csv:
        print(_csv(result), end="")
    else:
        _print(result)
    for warning in result.warnings:
        logging.warning("%s", warning)
    for name, reason in result.failed.items():
        output.note(f"{name}: {reason}")
    return 1 if any("not installed" not in reason for reason in result.failed.values()) else 0


_COLUMNS = ("contender", "version", "median", "min", "p90", "speedup", "spread", "diff")


def _rows(result: Comparison) -> list[tuple[str, ...]]:
    return [
        (
            item.name,
            item.version,
            tables.milliseconds(item.latency_ms.median),
            tables.milliseconds(item.latency_ms.min),
            tables.milliseconds(item.latency_ms.p90),
            tables.ratio(item.speedup),
            f"{item.spread:.0%}",
            f"{item.max_abs_diff:.0e}" if item.max_abs_diff else "0",
        )
        for item in result.contenders
    ] + [(name, "failed", *("-" for _ in _COLUMNS[2:])) for name in result.failed]


_START_COLUMNS = ("contender", "first result", "speedup", "again", "speedup", "peak MB")


def _start_rows(result: Comparison) -> list[tuple[str, ...]]:
    """Times in ms, memory in MB. No rows if no start was measured."""
    base = result.contenders[0].start
    return [
        (
            item.name,
            tables.milliseconds(item.start.first_ms),
            tables.ratio(base.first_ms / item.start.first_ms),
            tables.milliseconds(item.start.again_ms),
            tables.ratio(base.again_ms / item.start.again_ms),
            f"{item.start.peak_mb:.1f}",
        )
        for item in result.contenders
        if item.start and base
    ]


def _start_title(result: Comparison) -> str:
    processes = f"{result.num_starts} fresh process{'es' if result.num_starts > 1 else ''}"
    return f"Start, from opening the file to the first result: medians of {processes}"


def _subject(result: Comparison) -> str:
    subject = result.subject
    size = subject["bytes"]
    sizes = f"{tables.size(size['dense'])} dense, {tables.size(size['pconv'])} FKW"
    if "network" not in subject:
        return f"{subject['graph']} against {subject['baseline']} ({sizes})"
    pruning = ", ".join(f"{key} {value}" for key, value in subject["pruning"].items())
    kept = subject["conv_weights_kept"]
    return f"{subject['network']}: {pruning}; 1/{1 / kept:.1f} of conv weights kept ({sizes})"


def _conditions(result: Comparison) -> str:
    machine = result.machine
    pinned = f", pinned to {result.pinned_cpus}" if result.pinned_cpus else ""
    return (
        f"{machine.cpu} ({machine.instructions}, {machine.cpus} processors), "
        f"{result.num_threads} thread(s){pinned}; times in ms"
    )


def _remarks(result: Comparison) -> list[str]:
    return [f"{item.name}: {item.remark}" for item in result.contenders if item.remark]


def _print(result: Comparison) -> None:
    print(_subject(result))
    print(_conditions(result))
    print()
    tables.print_table(_COLUMNS, _rows(result), text_columns=("version",))
    for line in _remarks(result):
        print(line)
    if rows := _start_rows(result):
        print(f"\n{_start_title(result)}")
        tables.print_table(_START_COLUMNS, rows)


def _markdown(result: Comparison) -> str:
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|---|{'---:|' * (len(_COLUMNS) - 2)}",
        *(f"| {' | '.join(row)} |" for row in _rows(result)),
        "",
        f"{_subject(result)}. {_conditions(result)}.",
        *(f"- {line}" for line in _remarks(result)),
        *(f"- {name}: {reason.splitlines()[0]}" for name, reason in result.failed.items()),
    ]
    if starts := _start_rows(result):
        lines += [
            "",
            f"{_start_title(result)}.",
            "",
            f"| {' | '.join(_START_COLUMNS)} |",
            f"|---|{'---:|' * (len(_START_COLUMNS) - 1)}",
            *(f"| {' | '.join(row)} |" for row in starts),
        ]
    return "\n".join(lines) + "\n"


def _csv(result: Comparison) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        (
            "name",
            "version",
            "num_threads",
            "median_ms",
            "min_ms",
            "p90_ms",
            "speedup",
            "max_abs_diff",
            "failed",
            "first_result_ms",
            "again_ms",
            "peak_mb",
        )
    )
    for item in result.contenders:
        latency, start = item.latency_ms, item.start
        writer.writerow(
            (
                item.name,
                item.version,
                item.num_threads,
                latency.median,
                latency.min,
                latency.p90,
                item.speedup,
                item.max_abs_diff,
                "",
                *((start.first_ms, start.again_ms, start.peak_mb) if start else ("", "", "")),
            )
        )
    for name, reason in result.failed.items():
        writer.writerow((name, "", result.num_threads, *[""] * 5, reason, "", "", ""))
    return out.getvalue()
