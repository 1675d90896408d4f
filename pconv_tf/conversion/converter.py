"""`convert` and `convert_dense`: pruned models to TFLite with FKW, and their dense twins."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pconv_tf.conversion import cost_model, model_file, sources
from pconv_tf.conversion.constants import NotConvertible
from pconv_tf.conversion.graph import Graph, drop_unused
from pconv_tf.conversion.match import CONVOLUTIONS, Convolution, match
from pconv_tf.conversion.naming import LayerNames
from pconv_tf.conversion.report import PCONV, LayerReport, text_table
from pconv_tf.conversion.rewrite import is_pconv, read_pconv, to_pconv, to_stock
from pconv_tf.files import write_atomically
from pconv_tf.fkw import FkwLayer, cast_weights, encode

WEIGHT_TYPES = ("float32", "float16", "int8")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Conversion:
    """A converted model.

    Attributes:
        flatbuffer: the .tflite file.
        layers: what every convolution became and why, in the order of execution.
    """

    flatbuffer: bytes
    layers: list[LayerReport]


@dataclass(frozen=True)
class _Choice:
    """The user's part in which layers are converted; regexes match anywhere in a layer's name."""

    only: Sequence[str]
    skip: Sequence[str]
    force: bool
    weights: str

    def check(self, names: Sequence[str]) -> None:
        for option, patterns in (("only", self.only), ("skip", self.skip)):
            for pattern in patterns:
                try:
                    hit = any(re.search(pattern, name) for name in names)
                except re.error as error:
                    raise ValueError(f"{option}: {pattern!r} is no regex ({error})") from None
                if not hit:
                    raise ValueError(
                        f"{option}: {pattern!r} matches no layer; there are {', '.join(names)}"
                    )

    def refusal(self, name: str) -> str | None:
        if any(re.search(pattern, name) for pattern in self.skip):
            return "skipped as asked"
        if self.only and not any(re.search(pattern, name) for pattern in self.only):
            return "not among the layers asked for"
        return None


def convert(
    model: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    weights: str = "float32",
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    force: bool = False,
    quiet: bool = False,
) -> bytes:
    """Converts a pruned model to TFLite, its pruned layers to PConv2D with FKW weights.

    A layer becomes a PConv2D if it is pruned and the cost model (docs/conversion.md) expects a
    gain; all others stay stock operators. The same model gives the same bytes. Prints what every
    layer became and why, unless `quiet`.

    Args:
        model: a Keras 3 or tf_keras model, a SavedModel folder, a .keras, .h5 or .tflite file, or
            the bytes of a .tflite file. Quantised weights of a .tflite keep their quantisation.
        output: file to write; it is complete or not there.
        weights: type in which float32 weights of PConv2D layers are stored: "float32", "float16"
            or "int8" (symmetric, a scale per filter).
        only: regexes; only layers with a matching name are converted.
        skip: regexes; layers with a matching name stay dense.
        force: convert even where no gain is expected.
        quiet: do not print the table.

    Returns:
        The .tflite file.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if the model or an argument cannot be used; says why.
    """
    conversion = convert_with_report(
        model, output=output, weights=weights, only=only, skip=skip, force=force
    )
    if not quiet:
        print(text_table(conversion.layers))
    return conversion.flatbuffer


def convert_with_report(
    model: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    weights: str = "float32",
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    force: bool = False,
    progress: Progress | None = None,
) -> Conversion:
    """As `convert`, but returns the table as data; `progress(done, total)` follows the layers."""
    if weights not in WEIGHT_TYPES:
        raise ValueError(f"weights: expected one of {WEIGHT_TYPES}, found {weights!r}")
    choice = _Choice(
        [only] if isinstance(only, str) else list(only),
        [skip] if isinstance(skip, str) else list(skip),
        force,
        weights,
    )
    source = sources.load(model)
    layers = _convert_model(source, choice, progress)
    drop_unused(source.file.model)
    flatbuffer = model_file.write(source.file)
    if output is not None:
        write_atomically(output, flatbuffer)
    return Conversion(flatbuffer, layers)


def convert_dense(model: Any, *, output: str | os.PathLike[str] | None = None) -> bytes:
    """The dense twin: the same model and weights with TFLite's own operators only.

    Args:
        model: as for `convert`; PConv2D layers of a converted .tflite are restored.
        output: file to write; it is complete or not there.

    Returns:
        The .tflite file.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if the model cannot be used; says why.
    """
    source = sources.load(model)
    for subgraph in source.file.model.subgraphs:
        graph = Graph(source.file.model, subgraph)
        for operator in graph.operators:
            if is_pconv(graph, operator):
                to_stock(graph, read_pconv(graph, operator))
        graph.commit()
    drop_unused(source.file.model)
    flatbuffer = model_file.write(source.file)
    if output is not None:
        write_atomically(output, flatbuffer)
    return flatbuffer


def _convert_model(
    source: sources.Source, choice: _Choice, progress: Progress | None
) -> list[LayerReport]:
    names = LayerNames(source.layer_names)
    found = []
    for subgraph in source.file.model.subgraphs:
        graph = Graph(source.file.model, subgraph)
        for operator in graph.operators:
            if graph.builtin(operator) in CONVOLUTIONS or is_pconv(graph, operator):
                found.append((graph, operator, names.of(graph, operator)))
    if not found:
        raise ValueError(f"{source.name}: has no convolution or fully connected layer")
    choice.check([name for _, _, name in found])

    layers = []
    for done, (graph, operator, name) in enumerate(found):
        if progress is not None:
            progress(done, len(found))
        layers.append(_convert_layer(graph, operator, name, choice))
    for graph in {id(graph): graph for graph, _, _ in found}.values():
        graph.commit()
    if progress is not None:
        progress(len(found), len(found))
    return layers


def _convert_layer(graph: Graph, operator: Any, name: str, choice: _Choice) -> LayerReport:
    if is_pconv(graph, operator):
        return _already_converted(graph, operator, name)
    op = CONVOLUTIONS[graph.builtin(operator)]
    try:
        conv = match(graph, operator)
    except NotConvertible as reason:
        return LayerReport(name, op, op, str(reason))
    values = conv.weights.values
    kept = int(np.count_nonzero(values))
    facts: dict[str, Any] = {
        "kernel_size": values.shape[1:3],
        "in_channels": values.shape[3] * conv.groups,
        "out_channels": values.shape[0],
        "kept_weights": kept / max(values.size, 1),
        "dense_bytes": values.nbytes + conv.bias.nbytes,
    }

    def stays(reason: str) -> LayerReport:
        return LayerReport(name, op, op, reason, **facts, fkw_bytes=facts["dense_bytes"])

    if (refusal := choice.refusal(name)) is not None:
        return stays(refusal)
    if kept == values.size and not choice.force:
        return stays("not pruned")
    layer = encode(values, groups=conv.groups, scale=conv.weights.scale)
    gain = _gain(graph, conv, layer, choice.weights)
    if gain < cost_model.MINIMUM_GAIN and not choice.force:
        return stays(f"expected {gain:.2f}x, needs {cost_model.MINIMUM_GAIN:.2f}x")
    if layer.weight.dtype == np.float32:
        layer = cast_weights(layer, choice.weights)
    to_pconv(graph, conv, layer, name)
    kernels = int((layer.filters_in_group()[layer.kernel_groups()]).sum())
    return LayerReport(
        name,
        op,
        PCONV,
        f"expected {gain:.1f}x" + (", forced" if gain < cost_model.MINIMUM_GAIN else ""),
        **facts,
        kept_kernels=kernels / (values.shape[0] * values.shape[3]),
        num_patterns=len(layer.patterns),
        filter_block=layer.filter_block,
        weights=str(layer.weight.dtype),
        expected_gain=gain,
        fkw_bytes=sum(array.nbytes for array in layer.arrays().values()) + conv.bias.nbytes,
    )


def _gain(graph: Graph, conv: Convolution, layer: FkwLayer, weights: str) -> float:
    taps = conv.weights.values.shape[1] * conv.weights.values.shape[2]
    shape = graph.shape(conv.output)
    map_size = shape[1] * shape[2] if len(shape) == 4 else 1
    if conv.groups > 1 and conv.weights.values.shape[3] == 1:
        kind = cost_model.DEPTHWISE
    elif len(shape) == 2:
        kind = cost_model.FULLY_CONNECTED
    else:
        kind = cost_model.POINTWISE if taps == 1 else cost_model.SPATIAL
    return cost_model.expected_gain(
        kind=kind,
        dense_macs=conv.weights.values.size / layer.out_channels,
        kept_macs=layer.weight.size / layer.out_channels,
        map_size=map_size,
        filter_block=layer.filter_block,
        weights=weights if layer.weight.dtype == np.float32 else str(layer.weight.dtype),
    )


def _already_converted(graph: Graph, operator: Any, name: str) -> LayerReport:
    op = read_pconv(graph, operator)
    layer, size = op.layer, op.bias.nbytes
    size += sum(array.nbytes for array in layer.arrays().values())
    return LayerReport(
        name,
        PCONV,
        PCONV,
        "already converted",
        kernel_size=layer.kernel_size,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        num_patterns=len(layer.patterns),
        filter_block=layer.filter_block,
        weights=str(layer.weight.dtype),
        dense_bytes=size,
        fkw_bytes=size,
    )
