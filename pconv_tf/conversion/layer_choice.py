"""Decides for one convolution whether it becomes a PConv2D, and makes it one."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pconv_tf.conversion import cost_model
from pconv_tf.conversion.constants import NotConvertible, weights_of
from pconv_tf.conversion.graph import BuiltinOperator, Graph, ids
from pconv_tf.conversion.match import CONVOLUTIONS, LEFT_DENSE, Convolution, match
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.rewrite import is_pconv, read_pconv, to_pconv
from pconv_tf.fkw import FkwLayer, cast_weights, encode, stored_arrays, version_for

NO_INT8_KERNELS = "no fast int8 kernels for layers of this kind"
NOT_PRUNED = "not pruned"
STORED_ALREADY = "weights stored already"


@dataclass(frozen=True)
class Choice:
    """The user's part in which layers are converted.

    Attributes:
        only: regexes; only layers with a matching name are converted. They match anywhere in it.
        skip: regexes; layers with a matching name stay dense.
        force: convert even where no gain is expected.
        weights: type in which float32 weights are stored.
    """

    only: Sequence[str]
    skip: Sequence[str]
    force: bool
    weights: str

    def check(self, names: Sequence[str]) -> None:
        """Checks the regexes against the names of all layers.

        Raises:
            ValueError: one is no regex, or matches none of them.
        """
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
        """Why a layer of this name stays dense; None if the user has nothing against it."""
        if any(re.search(pattern, name) for pattern in self.skip):
            return "skipped as asked"
        if self.only and not any(re.search(pattern, name) for pattern in self.only):
            return "not among the layers asked for"
        return None


@dataclass(frozen=True)
class Finding:
    """One convolution, judged alone.

    Attributes:
        graph: where it is.
        operator: the convolution.
        report: its row of the table, if the choice over the whole model leaves it as it is.
        key: equal for operators that use the same weights in the same way.
        conv: what a PConv2D would replace; None if it stays.
        layer: the weights of that PConv2D.
    """

    graph: Graph
    operator: Any
    report: LayerReport
    key: Any
    conv: Convolution | None = None
    layer: FkwLayer | None = None

    @property
    def operators(self) -> list[Any]:
        """The operators that it consists of."""
        if self.conv is None:
            return [self.operator]
        return [self.operator, self.conv.place, *self.conv.absorbed]


class LayerConverter:
    """Judges layers one by one, then converts them.

    Weights that several of them use are encoded and counted once.

    Args:
        choice: what the user wants.
        operators: all convolutions of the model, with their graphs.
    """

    def __init__(self, choice: Choice, operators: Sequence[tuple[Graph, Any]]) -> None:
        self._choice = choice
        self._uses = Counter(_weights_key(graph, operator) for graph, operator in operators)
        self._encoded: dict[Any, FkwLayer] = {}
        self._counted: set[Any] = set()

    def examine(self, graph: Graph, operator: Any, name: str) -> Finding:
        """Says what becomes of `operator` if that is asked for and pays; changes nothing.

        Raises:
            ValueError: the weights cannot be stored in the type asked for; names the layer.
        """
        key = _weights_key(graph, operator)
        if is_pconv(graph, operator):
            return Finding(graph, operator, _already_converted(graph, operator, name), key)
        if graph.builtin(operator) in LEFT_DENSE:
            return Finding(graph, operator, _left_dense(graph, operator, name), key)
        op, choice = CONVOLUTIONS[graph.builtin(operator)], self._choice
        try:
            conv = match(graph, operator)
        except NotConvertible as reason:
            return Finding(graph, operator, LayerReport(name, op, op, str(reason)), key)
        values = conv.weights.values
        kept = int(np.count_nonzero(values))
        outputs = math.prod(graph.shape(conv.output))
        free = min(graph.signature(conv.output)[1:], default=0) < 0
        size = values.nbytes + conv.bias.nbytes
        facts: dict[str, Any] = {
            "kernel_size": values.shape[1:3],
            "in_channels": values.shape[3] * conv.groups,
            "out_channels": values.shape[0],
            "kept_weights": kept / max(values.size, 1),
            "dense_bytes": size,
            "macs": None if free else outputs * (values.size // max(len(values), 1)),
            "outputs": outputs,
            "activations": "float32" if conv.quantization is None else "int8",
        }

        def stays(reason: str) -> Finding:
            report = LayerReport(name, op, op, reason, **facts, fkw_bytes=size)
            return Finding(graph, operator, report, key)

        if (refusal := choice.refusal(name)) is not None:
            return stays(refusal)
        if kept == values.size and not choice.force:
            return stays(NOT_PRUNED)
        int8 = conv.quantization is not None
        if int8 and not choice.force and not _has_int8_kernels(graph, conv):
            return stays(NO_INT8_KERNELS)
        layer = self._encode(key, conv)
        gain = _int8_gain(conv, layer) if int8 else _gain(graph, conv, layer, choice.weights)
        if gain < cost_model.MINIMUM_GAIN and not choice.force:
            return stays(f"expected {gain:.2f}x, needs {cost_model.MINIMUM_GAIN:.2f}x")
        reasons = [f"expected {gain:.1f}x"]
        if gain < cost_model.MINIMUM_GAIN:
            reasons.append("forced")
        if layer.weight.dtype == np.float32:
            try:
                stored = cast_weights(layer, choice.weights)
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}") from None
            if lost := np.count_nonzero(layer.weight) - np.count_nonzero(stored.weight):
                reasons.append(f"{lost} weights round to 0")
            layer = stored
        kernels = int((layer.filters_in_group()[layer.kernel_groups()]).sum())
        version = version_for(layer, int8_activations=conv.quantization is not None)
        arrays = stored_arrays(layer, version).values()
        report = LayerReport(
            name,
            op,
            PCONV,
            ", ".join(reasons),
            **facts,
            kept_kernels=kernels / (values.shape[0] * values.shape[3]),
            num_patterns=len(layer.patterns),
            filter_block=layer.filter_block,
            weights=str(layer.weight.dtype),
            expected_gain=gain,
            fkw_bytes=sum(array.nbytes for array in arrays) + conv.bias.nbytes,
        )
        return Finding(graph, operator, report, key, conv, layer)

    def settle(self, finding: Finding, refusal: str | None) -> LayerReport:
        """Replaces a convolution by its PConv2D, if it has one.

        Args:
            finding: what `examine` found.
            refusal: why it stays as it is for the sake of the whole model; None if it does not.

        Returns:
            Its row of the table. What weights take is counted with their first use.
        """
        report = finding.report
        if finding.conv is not None and refusal is not None:
            report = dataclasses.replace(
                report,
                became=report.op,
                reason=refusal,
                kept_kernels=None,
                num_patterns=0,
                filter_block=0,
                weights="",
                expected_gain=None,
                fkw_bytes=report.dense_bytes,
            )
        elif finding.conv is not None:
            assert finding.layer is not None
            to_pconv(finding.graph, finding.conv, finding.layer, report.name)
        if finding.key in self._counted:
            report = dataclasses.replace(report, dense_bytes=0)
        stored = (finding.key, report.became)
        if stored in self._counted:
            more = f", {STORED_ALREADY}" if report.became == PCONV else ""
            report = dataclasses.replace(report, fkw_bytes=0, reason=report.reason + more)
        self._counted |= {finding.key, stored}
        return report

    def _encode(self, key: Any, conv: Convolution) -> FkwLayer:
        layer = self._encoded.get(key)
        if layer is None:
            layer = encode(conv.weights.values, groups=conv.groups, scale=conv.weights.scale)
            if self._uses[key] > 1:
                self._encoded[key] = layer
        return layer


def _weights_key(graph: Graph, operator: Any) -> Any:
    """Equal for operators that use the same weights in the same way."""
    inputs = ids(operator.inputs)
    groups = graph.shape(inputs[0])[-1:] if inputs and inputs[0] >= 0 else ()
    weights = tuple(inputs[1:2])
    if is_pconv(graph, operator) or not weights or weights[0] < 0:
        return id(operator)
    return graph.builtin(operator), id(graph), weights, groups


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


def _has_int8_kernels(graph: Graph, conv: Convolution) -> bool:
    """Those of the delegate are for maps, and for filters that read all channels."""
    return conv.groups == 1 and len(graph.shape(conv.output)) == 4


def _int8_gain(conv: Convolution, layer: FkwLayer) -> float:
    values = conv.weights.values
    filters, kh, kw, channels = values.shape
    windows = (kh, kw, conv.strides, conv.dilations) == (3, 3, (1, 1), (1, 1))
    if windows:
        dots = layer.num_kernels * layer.filter_block * -(-layer.num_taps // 4)
    else:
        padded = np.pad(values, ((0, 0), (0, 0), (0, 0), (0, -channels % 4)))
        quads = padded.reshape(filters, kh, kw, -1, 4)
        dots = int(np.count_nonzero(quads.any(axis=-1)))
    return cost_model.expected_int8_gain(
        dense_macs=values.size / filters, dots=dots / filters, windows=windows
    )


def _left_dense(graph: Graph, operator: Any, name: str) -> LayerReport:
    op, reason = LEFT_DENSE[graph.builtin(operator)]
    try:
        values = weights_of(graph, ids(operator.inputs)[1], channel_axis=0).values
    except (NotConvertible, IndexError):
        return LayerReport(name, op, op, reason)
    macs = None
    if graph.builtin(operator) == BuiltinOperator.TRANSPOSE_CONV:
        # Every weight meets every pixel of the image, which is the third input.
        pixels = graph.signature(ids(operator.inputs)[2])[:3]
        macs = None if min(pixels, default=-1) < 0 else math.prod(pixels) * values.size
    return LayerReport(
        name,
        op,
        op,
        reason,
        out_channels=values.shape[0],
        kept_weights=np.count_nonzero(values) / max(values.size, 1),
        macs=macs,
        dense_bytes=values.nbytes,
        fkw_bytes=values.nbytes,
    )


def _already_converted(graph: Graph, operator: Any, name: str) -> LayerReport:
    op = read_pconv(graph, operator)
    layer, size = op.layer, op.bias.nbytes
    arrays = stored_arrays(layer, op.options.version).values()
    size += sum(array.nbytes for array in arrays)
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
