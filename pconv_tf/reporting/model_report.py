"""The facts a report about one pruned model shows: layer by layer, measured and stored."""

from __future__ import annotations

import csv
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pconv_tf import tables
from pconv_tf.conversion import convert_with_report
from pconv_tf.conversion.inspection import LayerInspection, inspect
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.results import results_of
from pconv_tf.measuring.checkout import checkout_commit
from pconv_tf.measuring.machine import describe_machine
from pconv_tf.measuring.op_profile import time_model
from pconv_tf.measuring.single_ops import SingleOp, split_ops

# Columns that PConvCallback logs, and what they are called in charts.
_RESIDUALS = {
    "pconv_primal": "primal",
    "pconv_dual": "dual",
}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LayerFacts:
    """One convolution or fully connected layer.

    Attributes:
        name: Of the layer.
        reason: Why it stayed a stock operator; empty for a PConv2D.
        shape: Such as "64->128 3x3".
        output: Height and width of its output.
        kept_kernels, kept_weights: Shares of the dense layer's.
        macs: Multiply-accumulates of the dense layer.
        dense_bytes, fkw_bytes: Of the weights.
        dense_ms, pruned_ms: Latency of the layer alone, in stock LiteRT and with the delegate; None
            if there is no dense twin of it, or the runtime cannot run it alone.
    """

    name: str
    reason: str
    shape: str
    output: tuple[int, int]
    kept_kernels: float
    kept_weights: float
    macs: int
    dense_bytes: int
    fkw_bytes: int
    dense_ms: float | None
    pruned_ms: float | None

    @property
    def pruned(self) -> bool:
        """Whether it is a PConv2D."""
        return not self.reason

    @property
    def slower(self) -> bool:
        """Whether it is pruned and yet takes longer than its dense twin."""
        return bool(self.dense_ms and self.pruned_ms and self.pruned_ms > self.dense_ms)


@dataclass(frozen=True)
class ModelReport:
    """A pruned model.

    Attributes:
        name: For the title.
        file_bytes, dense_bytes: Sizes of the converted file and of its dense twin.
        patterns: Kernels by (kernel height, kernel width, bit mask).
        layers: All convolutions and fully connected layers, in order of execution.
        comparison: As JSON of `pconv-tf compare` has it.
        machine: What the layers were timed on; the comparison may come from another one.
        residuals: Points (epoch, residual) of training by name; empty if not given.
        accuracy: Before and after pruning, or None.
        date: Of the measurement of layers, YYYY-MM-DD.
        commit: Of this package, if it runs from a checkout; else empty.
    """

    name: str
    file_bytes: int
    dense_bytes: int
    patterns: dict[tuple[int, int, int], int]
    layers: tuple[LayerFacts, ...]
    comparison: dict[str, Any]
    machine: dict[str, Any]
    residuals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    accuracy: tuple[float, float] | None = None
    date: str = ""
    commit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `patterns` is a list, the most frequent first."""
        ranked = sorted(self.patterns.items(), key=lambda item: (-item[1], item[0]))
        patterns = [
            {"kernel_size": [kh, kw], "mask": mask, "kernels": count}
            for (kh, kw, mask), count in ranked
        ]
        return asdict(self) | {"patterns": patterns}


def gather(
    graph: Path,
    baseline: Path,
    *,
    comparison: dict[str, Any],
    delegate: str,
    num_threads: int = 1,
    history: Path | None = None,
    accuracy: tuple[float, float] | None = None,
    name: str | None = None,
    progress: Progress = lambda text, done, total: None,
) -> ModelReport:
    """Inspects a converted file and times its layers.

    Args:
        graph: The converted file.
        baseline: Its dense twin.
        comparison: Of both, as plain values.
        delegate: Path of the delegate.
        num_threads: For the latency of layers.
        history: A file of training logs, as CSVLogger (.csv) or `json.dump(history.history)` makes.
        accuracy: Before and after pruning.
        name: For the title; by default the file's name.
        progress: Called with a text, steps done and steps in all.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: A file cannot be read, or holds no pruned layer.
    """
    inspected = {layer.name: layer for layer in inspect(graph).layers}
    if not inspected:
        raise ValueError(f"{graph}: holds no pruned layers, there is nothing to report")
    residuals = read_residuals(history) if history else {}
    patterns: Counter[tuple[int, int, int]] = Counter()
    for layer in inspected.values():
        for mask, count in zip(layer.patterns, layer.kernels_per_pattern, strict=True):
            patterns[(*layer.kernel_size, mask)] += count
    model = graph.read_bytes()
    names = {tensor: result.layer for tensor, result in results_of(model).items()}
    own = {names[op.name]: op for op in split_ops(model) if op.name in names}
    twins = {op.name: op for op in split_ops(baseline.read_bytes())}
    found = [row for row in convert_with_report(model).layers if row.name in own]
    layers = []
    with tempfile.TemporaryDirectory(prefix="pconv_report_") as folder:
        path = Path(folder) / "layer.tflite"
        for number, row in enumerate(found):
            progress(f"timing {row.name}", number, len(found))
            op = own[row.name]
            dense_ms = _milliseconds(twins.get(op.name), path, num_threads, {})
            if row.name in inspected:
                pruned_ms = _milliseconds(op, path, num_threads, {"delegate": delegate})
                layers.append(_pruned(inspected[row.name], op, dense_ms, pruned_ms))
            else:
                layers.append(_stock(row, op, dense_ms))
    return ModelReport(
        name=name or graph.name,
        file_bytes=graph.stat().st_size,
        dense_bytes=baseline.stat().st_size,
        patterns=dict(patterns),
        layers=tuple(layers),
        comparison=comparison,
        machine=asdict(describe_machine()),
        residuals=residuals,
        accuracy=accuracy,
        date=datetime.now(timezone.utc).date().isoformat(),
        commit=checkout_commit(),
    )


def _milliseconds(
    op: SingleOp | None, path: Path, num_threads: int, options: Mapping[str, Any]
) -> float | None:
    if op is None:
        return None
    timing = time_model(op.model, path, num_threads, options)
    return timing.median if timing else None


def _pruned(
    layer: LayerInspection, op: SingleOp, dense_ms: float | None, pruned_ms: float | None
) -> LayerFacts:
    kh, kw = layer.kernel_size
    output = _map(op)
    weights = kh * kw * layer.in_channels * layer.out_channels // layer.groups
    return LayerFacts(
        name=layer.name,
        reason="",
        shape=tables.layer_shape(layer.kernel_size, layer.in_channels, layer.out_channels),
        output=output,
        kept_kernels=layer.kept_kernels,
        kept_weights=layer.kept_weights,
        macs=weights * math.prod(output),
        dense_bytes=layer.dense_bytes,
        fkw_bytes=layer.fkw_bytes,
        dense_ms=dense_ms,
        pruned_ms=pruned_ms,
    )


def _stock(row: LayerReport, op: SingleOp, dense_ms: float | None) -> LayerFacts:
    # Converted once more, a layer that the user had left out would become a PConv2D.
    reason = f"left out of the conversion ({row.reason})" if row.became == PCONV else row.reason
    shape = row.op.lower()
    if row.kernel_size and row.in_channels and row.out_channels:
        shape = tables.layer_shape(row.kernel_size, row.in_channels, row.out_channels)
    return LayerFacts(
        name=row.name,
        reason=reason,
        shape=shape,
        output=_map(op),
        kept_kernels=1.0,
        kept_weights=1.0 if row.kept_weights is None else row.kept_weights,
        macs=row.macs or 0,
        dense_bytes=row.dense_bytes,
        fkw_bytes=row.dense_bytes,
        dense_ms=dense_ms,
        pruned_ms=None,
    )


def _map(op: SingleOp) -> tuple[int, int]:
    shape = op.output_shapes[0]
    return (shape[1], shape[2]) if len(shape) == 4 else (1, 1)


def read_residuals(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Reads the network's residuals per epoch from a training log.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Neither CSV nor JSON, or without residuals.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        columns = _columns(path)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: neither CSVLogger's nor a history as JSON: {error}") from error
    missing = [column for column in _RESIDUALS if column not in columns]
    if missing:
        raise ValueError(
            f"{path}: no column {missing[0]!r} (put PConvCallback before CSVLogger). "
            f"Found: {', '.join(columns)}"
        )
    return {
        title: list(zip(columns.get("epoch", _counted(columns)), columns[column], strict=True))
        for column, title in _RESIDUALS.items()
    }


def _counted(columns: Mapping[str, Sequence[float]]) -> list[float]:
    """Epochs where a log does not number them: from 0, as CSVLogger does."""
    return [float(epoch) for epoch in range(len(next(iter(columns.values()))))]


def _columns(path: Path) -> dict[str, list[float]]:
    if path.suffix == ".json":
        stored = json.loads(path.read_text())
        return {key: [float(value) for value in values] for key, values in stored.items()}
    columns: dict[str, list[float]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                # CSVLogger writes NA where it expects values of validation and there is none.
                columns.setdefault(key, []).append(math.nan if value == "NA" else float(value))
    return columns
