"""`compare`: a pruned network against its dense twin in stock LiteRT and in other runtimes."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from pconv_tf import __version__
from pconv_tf.comparing.comparison import Comparison, Progress, run_comparison
from pconv_tf.comparing.network_files import NetworkFiles, network_files
from pconv_tf.comparing.peers.catalogue import ONNX, Peer, environment_python, parse_peers
from pconv_tf.measuring.contender import LITERT, Contender
from pconv_tf.measuring.inputs import inputs_of
from pconv_tf.runtime.delegate_choice import is_converted, resolve_delegate

BASELINE = "litert"
PCONV = "pconv"


def compare(
    network: str | None = None,
    *,
    graph: str | os.PathLike[str] | None = None,
    baseline: str | os.PathLike[str] | None = None,
    pruning: Mapping[str, Any] | None = None,
    precision: str = "float32",
    num_threads: int = 1,
    num_runs: int = 50,
    num_starts: int = 3,
    peers: str | Sequence[str] = (),
    external_delegate_path: str | None = None,
    external_delegate_options: Sequence[Mapping[str, Any]] = ({},),
    seed: int = 0,
    progress: Progress = lambda text, done, total: None,
) -> Comparison:
    """Times the same pruned weights in stock LiteRT with XNNPACK, with the delegate, and elsewhere.

    Every contender's output is checked against the baseline's before anything is timed; then they
    take turns in short bursts, each in a process of its own.

    Args:
        network: A network by name, with one-shot pruned random weights. Instead of it:
        graph: A converted file, and
        baseline: its dense twin.
        pruning: Fields of `PruningConfig` that replace those the network usually gets.
        precision: Of a network by name. "int8" compares full-integer files, stock LiteRT's as the
            baseline, and beside them the float32 files of the same weights, whose outputs differ
            by what quantisation loses.
        num_threads: Threads of every contender.
        num_runs: Timed runs of every contender, at least, unless that takes more than a minute.
        num_starts: Fresh processes of every contender in which its start is measured, or 0.
        peers: Names of other runtimes ("all" for every one), as a sequence or joined with commas.
        external_delegate_path: The delegate; by default this project's.
        external_delegate_options: One contender for each set of options.
        seed: Of weights and input.
        progress: Called with a text, steps done and steps in all.

    Raises:
        FileNotFoundError: A file or the delegate does not exist.
        ValueError: A wrong argument, or the baseline does not run. That another contender cannot
            run is part of the result.
    """
    chosen = parse_peers(peers if isinstance(peers, str) else ",".join(peers))
    check_subject(network, graph, baseline)
    if precision != "float32" and (network is None or chosen):
        raise ValueError("precision: int8 is for a network by name, without peers")
    with ExitStack() as stack:
        float32: NetworkFiles | None = None
        if network is not None:
            make = partial(
                network_files, network, pruning, seed=seed, progress=lambda t: progress(t, 0, 1)
            )
            files = make(precision=precision)
            float32 = make() if precision != "float32" else None
            dense, pconv, work = files.dense, files.pconv, files.dense.parent
            subject = {
                "network": network,
                "pruning": files.pruning,
                "conv_weights_kept": files.conv_weights_kept,
                "precision": precision,
            }
        else:
            assert graph is not None and baseline is not None
            dense, pconv = _files(graph, baseline, pruning)
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pconv_peers_")))
            subject = {"graph": str(graph), "baseline": str(baseline)}
        subject["bytes"] = {"dense": dense.stat().st_size, "pconv": pconv.stat().st_size}
        delegate = resolve_delegate(pconv, external_delegate_path)
        contenders = [
            Contender(BASELINE, LITERT, dense),
            *_pconv_contenders(pconv, delegate, external_delegate_options),
        ]
        if float32 is not None:
            contenders += _float32_contenders(float32, external_delegate_path)
        missing: dict[str, str] = {}
        for peer in chosen:
            progress(f"preparing {peer.title}", 0, 1)
            contenders += _peer_contenders(peer, dense, work, missing)
        return run_comparison(
            contenders,
            inputs_of(dense, seed),
            subject=subject,
            num_threads=num_threads,
            num_runs=num_runs,
            num_starts=num_starts,
            seed=seed,
            failed=missing,
            progress=progress,
        )


def check_subject(
    network: str | None,
    graph: str | os.PathLike[str] | None,
    baseline: str | os.PathLike[str] | None,
) -> None:
    """Checks that either a network is named, or a file and its dense twin.

    Raises:
        ValueError: Neither, or both.
    """
    if network is not None:
        if graph is not None or baseline is not None:
            raise ValueError("network: cannot be combined with graph and baseline")
    elif graph is None or baseline is None:
        raise ValueError(
            "expected a network, or a graph and its baseline "
            "(`pconv-tf convert --to-dense` makes a dense twin)"
        )


def _files(
    graph: str | os.PathLike[str],
    baseline: str | os.PathLike[str],
    pruning: Mapping[str, Any] | None,
) -> tuple[Path, Path]:
    if any(value is not None for value in (pruning or {}).values()):
        raise ValueError("pruning: applies to a network by name; files are compared as they are")
    is_converted(graph)  # tells a missing or damaged file
    if is_converted(baseline):
        raise ValueError(f"baseline {baseline}: holds pruned layers, expected stock operators only")
    return Path(baseline), Path(graph)


def _pconv_contenders(
    model: Path, delegate: str | None, option_sets: Sequence[Mapping[str, Any]]
) -> list[Contender]:
    contenders = []
    for options in option_sets or ({},):
        text = ",".join(f"{key}={value}" for key, value in options.items())
        contenders.append(
            Contender(
                f"{PCONV}[{text}]" if len(option_sets) > 1 and text else PCONV,
                LITERT,
                model,
                {"delegate": delegate, "delegate_options": dict(options)},
                # Half precision is asked for by name; then its error is what is wanted.
                tolerance=1e-2 if options.get("precision") == "fp16" else 1e-4,
                remark=text,
                version=__version__,
            )
        )
    return contenders


def _float32_contenders(files: NetworkFiles, delegate_path: str | None) -> list[Contender]:
    """The same weights in float32, stock and converted, beside int8 ones."""
    delegate = resolve_delegate(files.pconv, delegate_path)
    remark = "float32"
    return [
        Contender(f"{BASELINE}[float32]", LITERT, files.dense, tolerance=math.inf, remark=remark),
        Contender(
            f"{PCONV}[float32]",
            LITERT,
            files.pconv,
            {"delegate": delegate, "delegate_options": {}},
            tolerance=math.inf,
            remark=remark,
            version=__version__,
        ),
    ]


def _peer_contenders(
    peer: Peer, dense: Path, work: Path, missing: dict[str, str]
) -> list[Contender]:
    python = environment_python(peer)
    if python is None or (peer.reads == "onnx" and environment_python(ONNX) is None):
        missing[peer.name] = f"not installed: run `pconv-tf compare --setup_peers={peer.name}`"
        return []
    try:
        model = dense if peer.reads == "tflite" else _onnx(dense, work)
    except ValueError as error:
        missing[peer.name] = str(error)
        return []
    return [
        Contender(
            variant.name,
            peer.adapter,
            model,
            variant.options,
            str(python),
            variant.tolerance,
            variant.remark,
        )
        for variant in peer.variants
    ]


def _onnx(dense: Path, work: Path) -> Path:
    from pconv_tf.comparing.onnx_export import export_onnx

    path = work / f"{dense.stem}.onnx"
    if not path.exists():
        export_onnx(dense.read_bytes(), path)
    return path
