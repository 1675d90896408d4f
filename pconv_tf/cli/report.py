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
import json
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
    parser.add_argument("--num_threads", type=int, default=1, metavar="N", help="threads (1)")
    parser.add_argument("--num_runs", type=int, default=50, metavar="N", help="at least (50)")
    parser.add_argument("--external_delegate_path", metavar="LIB", help="default: this project's")


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf report`."""
    from pconv_tf.files import write_atomically
    from pconv_tf.runtime.comparing import compare
    from pconv_tf.runtime.delegate_choice import resolve_delegate
    from pconv_tf.runtime.html_report import render
    from pconv_tf.runtime.model_report import gather, read_residuals
    from pconv_tf.runtime.network_files import network_files

    accuracy = _accuracy(args)
    history = Path(args.history) if args.history else None
    if history:
        read_residuals(history)  # a mistake is told before minutes of measuring
    stored = _stored_comparison(args.comparison)

    def progress(text: str, done: int, total: int) -> None:
        bar.update(bar.task_ids[0], description=text, completed=done, total=total)

    with output.progress("starting", total=1) as bar:
        files: dict[str, Any] = {"graph": args.graph, "baseline": args.baseline}
        if args.network:
            if args.graph or args.baseline:
                raise ValueError("network: cannot be combined with graph and baseline")
            made = network_files(args.network, progress=lambda text: progress(text, 0, 1))
            files = {"graph": made.pconv, "baseline": made.dense}
        elif not (args.graph and args.baseline):
            raise ValueError("expected --network, or --graph and --baseline")
        comparison = stored or dataclasses.asdict(
            compare(
                **({"network": args.network} if args.network else files),
                num_threads=args.num_threads,
                num_runs=args.num_runs,
                peers=args.peers,
                external_delegate_path=args.external_delegate_path,
                progress=progress,
            )
        )
        delegate = resolve_delegate(files["graph"], args.external_delegate_path)
        if delegate is None:
            raise ValueError(f"{files['graph']}: holds no pruned layers, nothing to report")
        report = gather(
            Path(files["graph"]),
            Path(files["baseline"]),
            comparison=comparison,
            delegate=delegate,
            num_threads=args.num_threads,
            history=history,
            accuracy=accuracy,
            name=args.title or args.network,
            progress=progress,
        )
    write_atomically(args.out, render(report))
    output.note(f"wrote {args.out}")
    return 0


def _accuracy(args: argparse.Namespace) -> tuple[float, float] | None:
    given = (args.accuracy_before, args.accuracy_after)
    if given == (None, None):
        return None
    if None in given:
        raise ValueError("accuracy_before and accuracy_after: give both or none")
    return given


def _stored_comparison(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        stored = json.loads(Path(path).read_text())
        if stored["contenders"][0]["name"] == "litert":
            return stored
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: not what `pconv-tf compare --json` prints: {error}") from error
    raise ValueError(f"{path}: its first contender is not litert")
