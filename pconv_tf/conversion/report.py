"""What became of every convolution of a model, as data and as a table."""

from __future__ import annotations

from dataclasses import dataclass

PCONV = "PConv2D"


@dataclass(frozen=True)
class LayerReport:
    """One convolution or fully connected layer.

    Attributes:
        name: the Keras layer's name, otherwise the name of the weights.
        op: the TFLite operator it was.
        became: "PConv2D", or `op` if it stays.
        reason: why.
        kernel_size: (kh, kw).
        in_channels: I; None if the operator could not be read.
        out_channels: O.
        kept_weights: share of weights that are not zero.
        kept_kernels: share of kernels with any weight.
        num_patterns: P; 0 for a layer that stays.
        filter_block: B; 0 for a layer that stays.
        weights: type of the stored weights.
        expected_gain: by the cost model, over XNNPACK's dense layer.
        macs: multiply-accumulates of one run of the dense layer; None if the operator could not be
            read or its sizes are free.
        outputs: values that the layer makes in one run.
        dense_bytes: its weights and bias before.
        fkw_bytes: all its arrays after; equal to `dense_bytes` for a layer that stays.
    """

    name: str
    op: str
    became: str
    reason: str
    kernel_size: tuple[int, int] | None = None
    in_channels: int | None = None
    out_channels: int | None = None
    kept_weights: float | None = None
    kept_kernels: float | None = None
    num_patterns: int = 0
    filter_block: int = 0
    weights: str = ""
    expected_gain: float | None = None
    macs: int | None = None
    outputs: int = 0
    dense_bytes: int = 0
    fkw_bytes: int = 0


COLUMNS = ("layer", "shape", "kept", "became", "patterns", "block", "kB", "why")
TEXT_COLUMNS = ("shape", "became", "why")


def table_rows(layers: list[LayerReport]) -> list[tuple[str, ...]]:
    """The layers as cells under `COLUMNS`."""
    return [_cells(layer) for layer in layers]


def _cells(layer: LayerReport) -> tuple[str, ...]:
    shape = ""
    if layer.kernel_size is not None:
        kh, kw = layer.kernel_size
        shape = f"{layer.in_channels}->{layer.out_channels} {kh}x{kw}"
    return (
        layer.name,
        shape,
        "" if layer.kept_weights is None else f"{layer.kept_weights:.1%}",
        layer.became,
        str(layer.num_patterns or ""),
        str(layer.filter_block or ""),
        f"{layer.dense_bytes / 1000:.0f}->{layer.fkw_bytes / 1000:.0f}"
        if layer.became == PCONV
        else f"{layer.dense_bytes / 1000:.0f}",
        layer.reason,
    )


def total_row(layers: list[LayerReport]) -> tuple[str, ...]:
    """The sum of all layers as cells under `COLUMNS`."""
    dense = sum(layer.dense_bytes for layer in layers)
    fkw = sum(layer.fkw_bytes for layer in layers)
    converted = sum(layer.became == PCONV for layer in layers)
    count = f"{converted} of {len(layers)}"
    return ("total", "", "", count, "", "", f"{dense / 1000:.0f}->{fkw / 1000:.0f}", "")


def text_table(layers: list[LayerReport]) -> str:
    """All layers and their total as plain text."""
    rows = [COLUMNS, *table_rows(layers), total_row(layers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]

    def line(row: tuple[str, ...]) -> str:
        cells = zip(COLUMNS, row, widths, strict=True)
        return "  ".join(
            cell.ljust(width) if name in ("layer", *TEXT_COLUMNS) else cell.rjust(width)
            for name, cell, width in cells
        ).rstrip()

    return "\n".join(line(row) for row in rows)
