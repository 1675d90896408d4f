"""Names of layers, read from the names of a TFLite graph's tensors."""

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


class LayerNames:
    """Gives every convolution a name of its own: the Keras layer's where it is known."""

    def __init__(self, layer_of_scope: dict[str, str]) -> None:
        self._layer_of_scope = layer_of_scope
        self._given: Counter[str] = Counter()
        self._name_of_buffer: dict[int, str] = {}

    def of(self, graph: Graph, operator: Any) -> str:
        """The name of the layer that `operator` performs."""
        weights = [tensor for tensor in ids(operator.inputs)[1:2] if tensor >= 0]
        buffer = graph.tensor(weights[0]).buffer if weights else 0
        if weights and graph.name(weights[0]).endswith(_FKW_SUFFIX):
            buffer = 0  # PConv2D: layers may share arrays, but each has tensors of its own name
        name = self._name_of_buffer.get(buffer) or self._name(graph, operator)
        if buffer:  # a layer that is used twice has its weights once; the second use is nameless
            self._name_of_buffer[buffer] = name
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}#{self._given[name]}"

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
        return _OPERATION.sub("", names[0].partition(";")[0]) or names[0]
