"""What is sparse in a model, layer by layer, read from its weights."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from pconv_tf import tables
from pconv_tf.config import POINTWISE_UNITS, ConfigLike, PruningConfig
from pconv_tf.fkw import MAX_KERNEL, encoded_size
from pconv_tf.training.layers import Kernel, find_kernels
from pconv_tf.training.patterns import mask_integer
from pconv_tf.training.plan import FROZEN, is_trainable, make_plan


@dataclasses.dataclass(frozen=True)
class LayerSparsity:
    """One kernel of a model.

    Attributes:
        name: The layer's name.
        kind: "conv", "pointwise", "depthwise" or "dense".
        shape: (kh, kw, I, O), see `layers.Kernel`.
        weights: Number of weights.
        nonzero: Weights that are not zero.
        kernels: Number of kernels, I * O.
        kernels_kept: Kernels with a non-zero weight.
        patterns: How many kernels use each pattern: bit mask (bit r * kw + c for tap (r, c)) to
            count, most frequent first.
        filter_block: Filters that FKW stores together (1, 4, 8 or 16) because they share their
            masks.
        channel_unit: 4 where a 1x1 convolution's zeros come in quads: four neighbouring input
            channels of a filter are kept or dropped together; else 1.
        macs: Multiply-accumulates of one forward pass of one sample, dense; None where the layer's
            output shape is unknown.
        macs_kept: The same without the zero weights.
        bytes_dense: Bytes of the float32 weights.
        bytes_fkw: Bytes in the FKW format with float32 weights and blocks of `filter_block`; None
            for kernels that are too large for it.
        note: Why the layer is dense, or takes no fewer bytes as FKW; empty where it is sparse.
    """

    name: str
    kind: str
    shape: tuple[int, int, int, int]
    weights: int
    nonzero: int
    kernels: int
    kernels_kept: int
    patterns: dict[int, int]
    filter_block: int
    channel_unit: int
    macs: int | None
    macs_kept: int | None
    bytes_dense: int
    bytes_fkw: int | None
    note: str

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return 1 - self.nonzero / self.weights


@dataclasses.dataclass(frozen=True)
class SparsityReport:
    """All kernels of a model and their totals.

    Attributes:
        layers: The kernels in model order.
        unsupported: Layers that pruning does not know: (name, reason).
    """

    layers: tuple[LayerSparsity, ...]
    unsupported: tuple[tuple[str, str], ...]

    @property
    def weights(self) -> int:
        """Weights of all kernels."""
        return sum(layer.weights for layer in self.layers)

    @property
    def nonzero(self) -> int:
        """Non-zero weights of all kernels."""
        return sum(layer.nonzero for layer in self.layers)

    @property
    def conv_compression(self) -> float:
        """Weights of the convolutions over their non-zero weights (1 for a model without any)."""
        convs = [layer for layer in self.layers if layer.kind != "dense"]
        nonzero = sum(layer.nonzero for layer in convs)
        return sum(layer.weights for layer in convs) / nonzero if nonzero else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "weights": self.weights,
            "nonzero": self.nonzero,
            "conv_compression": self.conv_compression,
            "layers": [
                dataclasses.asdict(layer) | {"sparsity": layer.sparsity} for layer in self.layers
            ],
            "unsupported": [{"name": n, "reason": r} for n, r in self.unsupported],
        }

    def __str__(self) -> str:
        return "\n".join(_table(self))


def sparsity_report(model: Any, config: ConfigLike | None = None) -> SparsityReport:
    """Counts the zeros of every 1-D and 2-D convolution and fully connected layer of a model.

    Args:
        model: A built Keras 3 or tf_keras model.
        config: If given, the notes say why this configuration leaves a layer dense.

    Raises:
        ValueError: Not a Keras model, or not built; or `config` does not fit it.
    """
    kernels, left_out = find_kernels(model)
    reasons = {}
    if config is not None:
        plan = make_plan(model, PruningConfig.from_any(config))
        reasons = {item.name: item.reason for item in plan.left_out}
    names = {kernel.name for kernel in kernels}
    return SparsityReport(
        tuple(_layer_sparsity(kernel, reasons.get(kernel.name, "")) for kernel in kernels),
        tuple((item.name, item.reason) for item in left_out if item.name not in names),
    )


def summary(model: Any, config: ConfigLike | None = None, *, file: TextIO | None = None) -> None:
    """Prints the table of `sparsity_report(model, config)`.

    Args:
        model: A built Keras 3 or tf_keras model.
        config: If given, the notes say why this configuration leaves a layer dense.
        file: Where to print; standard output by default.
    """
    print(sparsity_report(model, config), file=file or sys.stdout)


def _count_patterns(taps: npt.NDArray[np.bool_]) -> dict[int, int]:
    """How often each column of a bool array [kh * kw, N] occurs, by the column as an integer."""
    columns = np.ascontiguousarray(np.packbits(taps, axis=0).T)
    keys = columns.view(f"V{columns.shape[1]}").ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {mask_integer(taps[:, first[i]]): int(counts[i]) for i in order}


def _layer_sparsity(kernel: Kernel, reason: str) -> LayerSparsity:
    weights = kernel.read()
    kh, kw, channels, filters = kernel.shape
    nonzero_taps = (weights != 0).reshape(kh * kw, channels * filters)
    nonzero = int(nonzero_taps.sum())
    kept = nonzero_taps.any(axis=0)
    patterns = _count_patterns(nonzero_taps[:, kept])
    positions = _output_positions(kernel)
    size = None
    if max(kh, kw) <= MAX_KERNEL:
        by_filter = nonzero_taps.reshape(kh, kw, channels, filters).transpose(3, 0, 1, 2)
        size = encoded_size(by_filter, groups=kernel.groups)
    note = ""
    if nonzero == weights.size:
        frozen = "" if is_trainable(kernel) else FROZEN
        note = reason or frozen or "dense: no weight is zero"
    elif size is not None and size.num_bytes >= 4 * weights.size:
        note = "so few zeros that FKW would be larger"
    return LayerSparsity(
        name=kernel.name,
        kind=kernel.kind,
        shape=kernel.shape,
        weights=weights.size,
        nonzero=nonzero,
        kernels=channels * filters,
        kernels_kept=int(kept.sum()),
        patterns=patterns,
        filter_block=1 if size is None else size.filter_block,
        channel_unit=_channel_unit(kernel, kept.reshape(channels, filters)),
        macs=None if positions is None else positions * weights.size,
        macs_kept=None if positions is None else positions * nonzero,
        bytes_dense=4 * weights.size,
        bytes_fkw=None if size is None else size.num_bytes,
        note=note,
    )


def _channel_unit(kernel: Kernel, kept: npt.NDArray[np.bool_]) -> int:
    """The unit of a mask [I, O] of kept kernels; a dense layer has none to speak of."""
    quad = POINTWISE_UNITS["quad"]
    channels = kept.shape[0]
    if kernel.kind != "pointwise" or channels < quad or kept.all():
        return 1
    starts = np.arange(0, channels, quad)
    counts = np.add.reduceat(kept.astype(np.int64), starts, axis=0)
    sizes = np.diff(starts, append=channels)[:, None]
    return quad if ((counts == 0) | (counts == sizes)).all() else 1


def _output_positions(kernel: Kernel) -> int | None:
    """Positions at which the layer's filters are applied to one sample; None if unknown."""
    if kernel.kind == "dense":
        return 1
    try:
        shape = [int(d) for d in kernel.layer.output.shape[1:]]
    except (AttributeError, TypeError, ValueError, RuntimeError):
        # Layers of subclassed models and layers without a fixed input size have no output shape.
        return None
    channels_first = getattr(kernel.layer, "data_format", "channels_last") == "channels_first"
    return math.prod(shape[1:] if channels_first else shape[:-1])


_COLUMNS = ("layer", "shape", "kept", "kernels", "pat.", "MMAC", "kB", "note")


def _table(report: SparsityReport) -> list[str]:
    lines = [
        tables.table_text(_COLUMNS, map(_cells, report.layers), text_columns=("shape", "note"))
    ]
    lines += [f"{name}: {reason}" for name, reason in report.unsupported]
    dense = sum(layer.bytes_dense for layer in report.layers)
    stored = sum(min(layer.bytes_dense, layer.bytes_fkw or dense) for layer in report.layers)
    lines.append(
        f"{report.nonzero:,} of {report.weights:,} weights kept, convolutions compressed "
        f"{tables.ratio(report.conv_compression)}; {tables.size(dense)} dense, "
        f"{tables.size(stored)} with FKW"
    )
    return lines


def _cells(layer: LayerSparsity) -> tuple[str, ...]:
    kh, kw, channels, filters = layer.shape
    macs = "-"
    if layer.macs is not None and layer.macs_kept is not None:
        macs = tables.change(layer.macs / 1e6, layer.macs_kept / 1e6)
    smaller = layer.bytes_fkw is not None and layer.bytes_fkw < layer.bytes_dense
    return (
        layer.name,
        tables.layer_shape((kh, kw), channels, filters),
        tables.share(layer.nonzero / layer.weights),
        tables.share(layer.kernels_kept / layer.kernels),
        str(len(layer.patterns)),
        macs,
        tables.kilobytes(layer.bytes_dense, layer.bytes_fkw if smaller else None),
        layer.note or ("in quads" if layer.channel_unit > 1 else ""),
    )
