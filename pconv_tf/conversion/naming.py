"""Names of layers, read from the names of a TFLite graph's tensors: one name in all outputs."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from pconv_tf.conversion.graph import Graph, ids

_FKW_SUFFIX = "/fkw_offset"
# What TensorFlow calls the operation inside a layer's scope; TFLite appends digits.
_OPERATION = re.compile(
    r"(/(Conv2D|convolution|depthwise|separable_conv2d|MatMul|Tensordot|weights|weights_float32))+"
    r"\d*$"
)


class Scopes:
    """What the names of a graph's tensors have in common, and so says nothing about a layer.

    TensorFlow calls a tensor small_1/conv2d_1/Relu: the model's name, the layer's, the operation.
    When a model is traced for the second time, as Keras 3 does to convert it, each name gets the
    same number behind it, which is none of the layer's own.
    """

    def __init__(self, names: list[str]) -> None:
        scopes = [part.split("/")[:-1] for name in names for part in name.split(";")]
        scopes = [scope for scope in scopes if scope]
        roots = {scope[0] for scope in scopes}
        self._root = roots.pop() if len(roots) == 1 and any(len(s) > 1 for s in scopes) else ""
        # The innermost scopes of some layers belong to an operation and have no number.
        layers = [scope[1] for scope in scopes if len(scope) > 1]
        numbered = re.search(r"_\d+$", self._root)
        self._number = numbered[0] if numbered else ""
        if not all(layer.endswith(self._number) for layer in layers):
            self._number = ""

    def layer(self, scope: str) -> str:
        """The layer's name in a scope: small_1/block_1/conv2d_1 -> block/conv2d."""
        first, _, rest = scope.partition("/")
        if first != self._root or not rest:
            return scope
        return "/".join(part.removesuffix(self._number) for part in rest.split("/"))


class LayerNames:
    """Gives every layer of a graph a name of its own: the Keras layer's where it is known."""

    def __init__(self, layer_of_scope: dict[str, str]) -> None:
        self._layer_of_scope = layer_of_scope
        self._given: Counter[str] = Counter()
        self._name_of_buffer: dict[int, str] = {}
        self._scopes: dict[Graph, Scopes] = {}

    def of(self, graph: Graph, operator: Any) -> str:
        """The name of the layer whose weights `operator` applies."""
        weights = [tensor for tensor in ids(operator.inputs)[1:2] if tensor >= 0]
        buffer = graph.tensor(weights[0]).buffer if weights else 0
        if weights and graph.name(weights[0]).endswith(_FKW_SUFFIX):
            buffer = 0  # PConv2D: layers may share arrays, but each has tensors of its own name
        name = self._name_of_buffer.get(buffer) or self._name(graph, operator)
        if buffer:  # a layer that is used twice has its weights once; the second use is nameless
            self._name_of_buffer[buffer] = name
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}#{self._given[name]}"

    def without_weights(self, graph: Graph, operator: Any) -> str:
        """The name of the layer whose operation `operator` is: of a pool, an addition."""
        outputs = ids(operator.outputs)
        name = graph.name(outputs[0]) if outputs else "unnamed"
        scope, _, _ = name.partition(";")[0].rpartition("/")
        return self._of(graph).layer(scope) if scope else name

    def _name(self, graph: Graph, operator: Any) -> str:
        tensors = [*ids(operator.inputs)[1:2], *ids(operator.outputs)]
        names = [graph.name(tensor) for tensor in tensors if tensor >= 0]
        for name in names:
            if name.endswith(_FKW_SUFFIX):
                return name.removesuffix(_FKW_SUFFIX)
            for part in name.split(";"):
                scope = part
                while scope:
                    if scope in self._layer_of_scope:
                        return self._layer_of_scope[scope]
                    scope = scope.rpartition("/")[0]
        if not names:
            return "unnamed"
        scope = _OPERATION.sub("", names[0].partition(";")[0])
        return self._of(graph).layer(scope) if scope else names[0]

    def _of(self, graph: Graph) -> Scopes:
        if graph not in self._scopes:
            made = [t for operator in graph.operators for t in ids(operator.outputs) if t >= 0]
            self._scopes[graph] = Scopes([graph.name(tensor) for tensor in made])
        return self._scopes[graph]
