"""What a converted .tflite holds, and whether it holds the weights of its dense twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pconv_tf import fkw
from pconv_tf.conversion import sources
from pconv_tf.conversion.constants import NotConvertible
from pconv_tf.conversion.graph import Graph
from pconv_tf.conversion.match import CONVOLUTIONS, Convolution, match
from pconv_tf.conversion.naming import LayerNames
from pconv_tf.conversion.rewrite import PConvOp, is_pconv, read_pconv


@dataclass(frozen=True)
class LayerInspection:
    """One PConv2D.

    Attributes:
        name: the layer's name.
        kernel_size: (kh, kw).
        in_channels: I.
        out_channels: O.
        groups: the most groups that the kernels allow; I for a depthwise convolution.
        strides: vertical, horizontal.
        dilations: vertical, horizontal.
        padding: "SAME", "VALID" or the explicit "top, bottom, left, right".
        activation: fused activation.
        filter_block: B.
        weights: stored type.
        activations: "float32", or "int8" from input to output.
        patterns: bit masks.
        kernels_per_pattern: stored kernels that use each pattern.
        kernels: kernels with weights, counted once for every filter.
        kept_kernels: their share of all kernels of the dense layer.
        kept_weights: share of the dense layer's weights that are stored for a filter.
        bytes: size of each array.
        fkw_bytes: their sum without the bias.
        dense_bytes: dense weights of the same type (with scales).
        csr_bytes: the same weights as CSR with 32-bit columns and row pointers.
    """

    name: str
    kernel_size: tuple[int, int]
    in_channels: int
    out_channels: int
    groups: int
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: str
    activation: str
    filter_block: int
    weights: str
    activations: str
    patterns: tuple[int, ...]
    kernels_per_pattern: tuple[int, ...]
    kernels: int
    kept_kernels: float
    kept_weights: float
    bytes: dict[str, int]
    fkw_bytes: int
    dense_bytes: int
    csr_bytes: int


@dataclass(frozen=True)
class Inspection:
    """A .tflite file.

    Attributes:
        name: its path.
        file_bytes: its size.
        version: highest FKW version of its layers.
        layers: its PConv2D operators.
        dense_layers: number of convolutions and fully connected layers that are stock operators.
    """

    name: str
    file_bytes: int
    version: int
    layers: list[LayerInspection]
    dense_layers: int


@dataclass(frozen=True)
class LayerVerification:
    """A PConv2D against its counterpart in the dense twin.

    Attributes:
        name: the layer's name.
        matches: whether all is equal, for float16 and int8 weights up to their rounding.
        max_abs_diff: largest difference of a weight; None if the twin has no such layer.
        problem: what does not match; empty if `matches`.
    """

    name: str
    matches: bool
    max_abs_diff: float | None
    problem: str


def inspect(model: Any) -> Inspection:
    """Reads and validates every PConv2D of a .tflite file.

    Args:
        model: path or bytes.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if the file or one of its PConv2D operators is damaged; names the field.
    """
    source = sources.load_tflite(model)
    names = LayerNames({})
    layers, dense, version = [], 0, 1
    for graph, operator in _operators(source):
        if is_pconv(graph, operator):
            op = read_pconv(graph, operator)
            layers.append(_inspect_layer(names.of(graph, operator), op))
            version = max(version, op.options.version)
        elif graph.builtin(operator) in CONVOLUTIONS:
            dense += 1
    return Inspection(source.name, source.num_bytes, version, layers, dense)


def verify(model: Any, twin: Any) -> list[LayerVerification]:
    """Compares every PConv2D of a file with the same layer of its dense twin.

    Layers correspond if their results have the same tensor name.

    Args:
        model: path or bytes of the converted file.
        twin: path or bytes of a .tflite file with the dense layers.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if a file is damaged or `model` has no PConv2D.
    """
    source, other = sources.load_tflite(model), sources.load_tflite(twin)
    found: dict[str, Convolution | str] = {}
    for graph, operator in _operators(other):
        if graph.builtin(operator) in CONVOLUTIONS:
            try:
                conv = match(graph, operator)
                found[graph.name(conv.output)] = conv
            except NotConvertible as reason:
                found[graph.name(operator.outputs[0])] = str(reason)
    names = LayerNames({})
    results = []
    for graph, operator in _operators(source):
        if is_pconv(graph, operator):
            op, name = read_pconv(graph, operator), names.of(graph, operator)
            results.append(_verify_layer(name, op, found.get(graph.name(op.output))))
    if not results:
        raise ValueError(f"{source.name}: has no PConv2D to verify")
    return results


def pattern_rows(mask: int, kernel_size: tuple[int, int]) -> list[str]:
    """A pattern as a small grid: X for a kept tap, . for a pruned one."""
    kh, kw = kernel_size
    return ["".join("X" if mask >> (r * kw + c) & 1 else "." for c in range(kw)) for r in range(kh)]


def _operators(source: sources.Source) -> Iterator[tuple[Graph, Any]]:
    for subgraph in source.file.model.subgraphs:
        graph = Graph(source.file.model, subgraph)
        for operator in graph.operators:
            yield graph, operator


def _inspect_layer(name: str, op: PConvOp) -> LayerInspection:
    layer, options = op.layer, op.options
    groups = fkw.infer_groups(layer)
    kh, kw = layer.kernel_size
    kernels = int(layer.filters_in_group()[layer.kernel_groups()].sum())
    all_kernels = layer.out_channels * layer.in_channels // groups
    item = layer.weight.dtype.itemsize
    scale_bytes = 0 if layer.scale is None else layer.scale.nbytes
    arrays = fkw.stored_arrays(layer, options.version)
    sizes = {key: array.nbytes for key, array in arrays.items()}
    return LayerInspection(
        name=name,
        kernel_size=layer.kernel_size,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        groups=groups,
        strides=options.strides,
        dilations=options.dilations,
        padding=options.padding.name if options.pads is None else ", ".join(map(str, options.pads)),
        activation=options.activation.name,
        filter_block=layer.filter_block,
        weights=str(layer.weight.dtype),
        activations="float32" if op.quantization is None else "int8",
        patterns=layer.patterns,
        kernels_per_pattern=tuple(layer.kernels_per_pattern.tolist()),
        kernels=kernels,
        kept_kernels=kernels / all_kernels,
        kept_weights=kernels * layer.num_taps / (all_kernels * kh * kw),
        bytes={**sizes, "bias": op.bias.nbytes},
        fkw_bytes=sum(sizes.values()),
        dense_bytes=all_kernels * kh * kw * item + scale_bytes,
        csr_bytes=kernels * layer.num_taps * (item + 4)
        + 4 * (layer.out_channels + 1)
        + scale_bytes,
    )


def _verify_layer(name: str, op: PConvOp, conv: Convolution | str | None) -> LayerVerification:
    if conv is None:
        return LayerVerification(name, False, None, "the twin has no layer with this result")
    if isinstance(conv, str):
        return LayerVerification(name, False, None, f"the twin's layer: {conv}")
    options, layer = op.options, op.layer
    for what, mine, others in (
        ("strides", options.strides, conv.strides),
        ("dilations", options.dilations, conv.dilations),
        ("padding", (options.padding, options.pads), (conv.padding, conv.pads)),
        ("activation", options.activation, conv.activation),
        ("kernel size", options.kernel_size, conv.weights.values.shape[1:3]),
        ("quantisation", op.quantization, conv.quantization),
        ("channels", layer.in_channels, conv.weights.values.shape[3] * conv.groups),
        ("filters", layer.out_channels, conv.weights.values.shape[0]),
    ):
        if mine != others:
            problem = f"{what}: {_shown(mine)}, the twin has {_shown(others)}"
            return LayerVerification(name, False, None, problem)
    try:
        stored = fkw.dequantize(fkw.decode(layer, groups=conv.groups), layer.scale)
    except ValueError:
        return LayerVerification(name, False, None, f"kernels outside of {conv.groups} groups")
    expected = fkw.dequantize(conv.weights.values, conv.weights.scale)
    difference = np.abs(stored - expected)
    largest = float(difference.max())
    allowed = 0.0 if op.quantization is not None else _rounding(layer, expected)
    if not (difference <= allowed).all():
        return LayerVerification(name, False, largest, "weights differ")
    if not np.array_equal(op.bias, conv.bias, equal_nan=op.quantization is None):
        return LayerVerification(name, False, largest, "bias differs")
    return LayerVerification(name, True, largest, "")


def _rounding(layer: fkw.FkwLayer, expected: np.ndarray) -> np.ndarray | float:
    """How much storing float32 weights in the layer's type may change them."""
    if layer.weight.dtype == np.float16:
        return np.maximum(np.abs(expected) * 2.0**-11, 2.0**-25)
    if layer.scale is not None:
        return (layer.scale * 0.5001).reshape(-1, 1, 1, 1)
    return 0.0


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return str(tuple(getattr(part, "name", part) for part in value))
    return str(getattr(value, "name", value))
