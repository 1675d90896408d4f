"""Writes one self-contained HTML page about a pruned model.

Patterns and their shares, sparsity and multiply-accumulates by layer, latency
of the model and of each layer against the dense twin, file sizes, and how it
was measured. The page needs no scripts and loads nothing from elsewhere.

  pconv-tf report out.html --graph=model_pconv.tflite --baseline=model.tflite
  pconv-tf report out.html --network=resnet20_cifar --peers=all
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from pconv_tf.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf report`."""
    parser.add_argument("out", metavar="OUT.html", help="the page to write")
    parser.add_argument("--graph", metavar="FILE", help="a converted .tflite file")
    parser.add_argument("--baseline", metavar="FILE", help="its dense twin")
    parser.add_argument("--network", metavar="NAME", help="or a network that `compare` knows")
    parser.add_argument("--title", help="of the page (default: the file's or network's name)")
    parser.add_argument(
        "--comparison", metavar="FILE", help="what `compare --json` printed (default: measure now)"
    )
    parser.add_argument("--history", metavar="FILE", help="training log: CSVLogger's, or JSON")
    parser.add_argument("--accuracy_before", type=float, metavar="A", help="of the dense model")
    parser.add_argument("--accuracy_after", type=float, metavar="A", help="of the pruned model")
    parser.add_argument("--peers", default="", metavar="A,B", help="other runtimes to include")
    parser.add_argument(
        "--num_threads", type=int, metavar="N", help="threads (1, or those of --comparison)"
    )
    parser.add_argument("--num_runs", type=int, default=50, metavar="N", help="at least (50)")
    parser.add_argument("--external_delegate_path", metavar="LIB", help="default: this project's")
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf report`."""
    from pconv_tf.comparing.network_files import network_files
    from pconv_tf.comparing.stored_comparison import check_is_of, read_comparison
    from pconv_tf.comparing.subjects import check_subject, compare
    from pconv_tf.files import write_atomically
    from pconv_tf.reporting.html_report import render
    from pconv_tf.reporting.model_report import gather, read_residuals
    from pconv_tf.runtime.delegate_choice import resolve_delegate

    check_subject(args.network, args.graph, args.baseline)
    accuracy = _accuracy(args)
    history = Path(args.history) if args.history else None
    if history:
        # Mistakes are told before minutes of measuring.
        import matplotlib  # noqa: F401

        read_residuals(history)
    stored = read_comparison(Path(args.comparison)) if args.comparison else None
    num_threads = _num_threads(args, stored)

    def progress(text: str, done: int, total: int) -> None:
        bar.update(bar.task_ids[0], description=text, completed=done, total=total)

    with output.progress("starting", total=1) as bar:
        pruning = None
        if args.network:
            made = network_files(args.network, progress=lambda text: progress(text, 0, 1))
            graph, baseline, pruning = made.pconv, made.dense, made.pruning
        else:
            graph, baseline = Path(args.graph), Path(args.baseline)
        delegate = resolve_delegate(graph, args.external_delegate_path)
        if delegate is None:
            raise ValueError(f"{graph}: holds no pruned layers, nothing to report")
        if stored:
            check_is_of(stored, graph, baseline, network=args.network, pruning=pruning)
        comparison = stored or dataclasses.asdict(
            compare(
                args.network,
                graph=args.graph,
                baseline=args.baseline,
                num_threads=num_threads,
                num_runs=args.num_runs,
                peers=args.peers,
                external_delegate_path=args.external_delegate_path,
                progress=progress,
            )
        )
        report = gather(
            graph,
            baseline,
            comparison=comparison,
            delegate=delegate,
            num_threads=num_threads,
            history=history,
            accuracy=accuracy,
            name=args.title or args.network,
            progress=progress,
        )
    write_atomically(args.out, render(report))
    if args.json:
        output.print_json({"output": args.out} | report.to_dict())
    output.note(f"wrote {args.out}")
    return 0


def _num_threads(args: argparse.Namespace, stored: dict[str, Any] | None) -> int:
    if stored is None:
        return 1 if args.num_threads is None else args.num_threads
    if args.num_threads not in (None, stored["num_threads"]):
        raise ValueError(
            f"num_threads: received {args.num_threads}, but {args.comparison} was measured with "
            f"{stored['num_threads']}"
        )
    return stored["num_threads"]


def _accuracy(args: argparse.Namespace) -> tuple[float, float] | None:
    given = (args.accuracy_before, args.accuracy_after)
    if given == (None, None):
        return None
    if None in given:
        raise ValueError("accuracy_before and accuracy_after: give both or none")
    return given
