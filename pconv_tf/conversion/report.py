"""What became of every convolution of a model, as data and as a table."""

from __future__ import annotations

from dataclasses import dataclass

from pconv_tf import tables

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
        activations: "float32", or "int8" from input to output.
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
    activations: str = "float32"
    expected_gain: float | None = None
    macs: int | None = None
    outputs: int = 0
    dense_bytes: int = 0
    fkw_bytes: int = 0


COLUMNS = ("layer", "shape", "kept", "became", "kB", "why")
TEXT_COLUMNS = ("shape", "became", "why")


def table_rows(layers: list[LayerReport]) -> list[tuple[str, ...]]:
    """The layers and, last, their total as cells under `COLUMNS`."""
    return [*map(_cells, layers), _total(layers)]


def text_table(layers: list[LayerReport]) -> str:
    """All layers and their total as plain text."""
    return tables.table_text(COLUMNS, table_rows(layers), text_columns=TEXT_COLUMNS)


def _cells(layer: LayerReport) -> tuple[str, ...]:
    shape = ""
    if layer.kernel_size is not None and layer.in_channels and layer.out_channels:
        shape = tables.layer_shape(layer.kernel_size, layer.in_channels, layer.out_channels)
    converted = layer.became == PCONV
    return (
        layer.name,
        shape,
        "" if layer.kept_weights is None else tables.share(layer.kept_weights),
        layer.became,
        tables.kilobytes(layer.dense_bytes, layer.fkw_bytes if converted else None),
        layer.reason,
    )


def _total(layers: list[LayerReport]) -> tuple[str, ...]:
    dense = sum(layer.dense_bytes for layer in layers)
    fkw = sum(layer.fkw_bytes for layer in layers)
    converted = sum(layer.became == PCONV for layer in layers)
    count = f"{converted} of {len(layers)}"
    return ("total", "", "", count, tables.kilobytes(dense, fkw), "")
