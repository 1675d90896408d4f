"""Which operators of a graph the delegate would take over together.

The delegate takes every PConv2D and, with them, the float32 operators that it knows and that are
connected to one (delegate/partitioner.cc). So pruned layers of one such stretch share its costs:
the layout changes at its borders, and that its other operators leave XNNPACK.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pconv_tf.conversion.constants import is_constant_to_delegate
from pconv_tf.conversion.graph import BuiltinOperator, Graph, TensorType, ids
from pconv_tf.conversion.match import CONVOLUTIONS, LEFT_DENSE
from pconv_tf.conversion.rewrite import is_pconv

# Builtin operators that the delegate knows in float32 (BuiltinNames in delegate/node_reader.cc).
# Those that only compute shapes (PACK, SHAPE, STRIDED_SLICE) or unpack constants (DEQUANTIZE) are
# not counted, nor is QUANTIZE, which it takes between int8 operators only.
KNOWN = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEPTH_TO_SPACE",
    "FULLY_CONNECTED",
    "GELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
    "PAD",
    "PRELU",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SOFTMAX",
    "SUB",
    "TANH",
)
# What an operator without weights costs for each value that it makes.
EXP, TANH, UNARY, PLAIN = "exp", "tanh", "unary", "plain"
VALUE_CLASSES = (EXP, TANH, UNARY, PLAIN)
_CLASSES = {
    BuiltinOperator.LOGISTIC: EXP,
    BuiltinOperator.TANH: TANH,
    BuiltinOperator.GELU: TANH,
    BuiltinOperator.SOFTMAX: EXP,
    BuiltinOperator.HARD_SWISH: UNARY,
    BuiltinOperator.LEAKY_RELU: UNARY,
    BuiltinOperator.PRELU: UNARY,
    BuiltinOperator.RELU: UNARY,
    BuiltinOperator.RELU6: UNARY,
    BuiltinOperator.RELU_N1_TO_1: UNARY,
}
_KNOWN_CODES = {getattr(BuiltinOperator, name) for name in KNOWN}


@dataclass(frozen=True)
class Stretch:
    """Operators that the delegate takes over together, if one of them is a PConv2D.

    Attributes:
        layers: places of its convolutions in the table of layers.
        operators: how many it has.
        borders: how many tensors it shares with other operators or with the caller.
        border_values: how many values they have, which change their layout there.
        values: how many values its operators without weights make, by `VALUE_CLASSES`.
        tiled_values: the same with the padding that the delegate's layout adds to each map.
        never_dense: of `layers`, those that the delegate takes as PConv2D only: their weights are
            no constants, but unpacked by operators that it lacks, as sparse ones are (DENSIFY).
    """

    layers: tuple[int, ...]
    operators: int
    borders: int
    border_values: int
    values: Mapping[str, int] = field(default_factory=dict)
    tiled_values: Mapping[str, int] = field(default_factory=dict)
    never_dense: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Division:
    """A graph's operators that compute something, divided.

    Attributes:
        stretches: those with a layer that may become a PConv2D.
        other_layers: places of the convolutions outside of them.
        other_operators: how many operators are outside of them.
        other_values: what these make, as of a stretch.
    """

    stretches: tuple[Stretch, ...]
    other_layers: tuple[int, ...]
    other_operators: int
    other_values: Mapping[str, int] = field(default_factory=dict)


def divide(graph: Graph, layers: Mapping[int, Sequence[Any]], candidates: set[int]) -> Division:
    """Divides the operators of a graph that has no PConv2D yet, or has some.

    Args:
        graph: the graph, before its edits are carried out.
        layers: by place in the table, a convolution's operators: its own and those that a PConv2D
            would take the place of.
        candidates: places of those that are to become, or are, a PConv2D.
    """
    computing = list(_computing(graph))
    own = {id(op) for place in candidates for op in layers[place]}
    taken = {id(op) for op in computing if id(op) in own or _is_known(graph, op)}
    groups = _Groups()
    makers = {t: op for op in computing if id(op) in taken for t in ids(op.outputs)}
    for operator in computing:
        if id(operator) in taken:
            for tensor in ids(operator.inputs):
                if tensor in makers:
                    groups.join(id(operator), id(makers[tensor]))
    for place in candidates:
        for operator in layers[place]:
            groups.join(id(operator), id(layers[place][0]))
    around = dict.fromkeys(groups.of(id(layers[place][0])) for place in sorted(candidates))
    place_groups = {place: groups.of(id(ops[0])) for place, ops in layers.items()}
    stretches = []
    inside: set[int] = set()
    for group in around:
        members = [op for op in computing if id(op) in taken and groups.of(id(op)) == group]
        member_ids = {id(op) for op in members}
        inside |= member_ids
        crossing = _borders(graph, computing, member_ids)
        others = [op for op in members if id(op) not in own]
        stretches.append(
            Stretch(
                tuple(place for place in layers if place_groups[place] == group),
                len(members),
                len(crossing),
                sum(math.prod(graph.shape(tensor)) for tensor in crossing),
                _values(graph, others, math.prod),
                _values(graph, others, tiled_size),
                frozenset(
                    place
                    for place in candidates
                    if place_groups[place] == group
                    and not all(_is_known(graph, op) for op in _convolutions(graph, layers[place]))
                ),
            )
        )
    outside = [op for op in computing if id(op) not in inside]
    return Division(
        tuple(stretches),
        tuple(place for place in layers if place_groups[place] not in around),
        len(outside),
        _values(graph, outside, math.prod),
    )


def tiled_size(shape: Sequence[int]) -> int:
    """Values of a tensor in the delegate's layout: 4x4 tiles, with a border left and right."""
    if len(shape) != 4 or shape[1] * shape[2] == 1:
        return math.prod(shape)
    batch, height, width, channels = shape
    return batch * channels * 16 * -(-height // 4) * (-(-width // 4) + 2)


def _values(
    graph: Graph, operators: Sequence[Any], size: Callable[[Sequence[int]], int]
) -> dict[str, int]:
    found = dict.fromkeys(VALUE_CLASSES, 0)
    for operator in operators:
        code = graph.builtin(operator)
        if code not in CONVOLUTIONS and code not in LEFT_DENSE and not is_pconv(graph, operator):
            made = sum(size(graph.shape(tensor)) for tensor in ids(operator.outputs))
            found[_CLASSES.get(code, PLAIN)] += made
    return found


def _computing(graph: Graph) -> Iterator[Any]:
    """The operators that read an input of the model or another such operator's result."""
    activations = set(ids(graph.subgraph.inputs))
    for operator in graph.operators:
        if activations & set(ids(operator.inputs)):
            activations |= set(ids(operator.outputs))
            yield operator


def _convolutions(graph: Graph, operators: Sequence[Any]) -> list[Any]:
    return [op for op in operators if graph.builtin(op) in CONVOLUTIONS]


def _is_known(graph: Graph, operator: Any) -> bool:
    code, outputs = graph.builtin(operator), ids(operator.outputs)
    known = code in _KNOWN_CODES or is_pconv(graph, operator)
    if code in CONVOLUTIONS:
        known = known and is_constant_to_delegate(graph, ids(operator.inputs)[1])
    return known and len(outputs) == 1 and graph.tensor(outputs[0]).type == TensorType.FLOAT32


def _borders(graph: Graph, computing: Sequence[Any], members: set[int]) -> set[int]:
    """Tensors that are made inside and read outside, or the other way round."""
    callers = set(ids(graph.subgraph.inputs)) | set(ids(graph.subgraph.outputs))
    inside: set[int] = set()
    outside = set(callers)
    made = set(ids(graph.subgraph.inputs))
    for operator in computing:
        made |= set(ids(operator.outputs))
        tensors = {*ids(operator.inputs), *ids(operator.outputs)}
        if id(operator) in members:
            inside |= tensors
        else:
            outside |= tensors
    return inside & outside & made


class _Groups:
    """Disjoint sets of operators, by their ids."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def of(self, element: int) -> int:
        parent = self._parents.get(element, element)
        while parent != element:
            element, parent = parent, self._parents.get(parent, parent)
        return element

    def join(self, one: int, other: int) -> None:
        self._parents[self.of(one)] = self.of(other)
