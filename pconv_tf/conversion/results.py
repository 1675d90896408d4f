"""The layers that make the tensors of a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pconv_tf.conversion import sources
from pconv_tf.conversion.graph import Graph, ids
from pconv_tf.conversion.match import CONVOLUTIONS, LEFT_DENSE
from pconv_tf.conversion.naming import LayerNames
from pconv_tf.conversion.rewrite import is_pconv


@dataclass(frozen=True)
class Result:
    """Who makes a tensor.

    Attributes:
        layer: the layer's name, as `convert` and `inspect` print it.
        convolution: the same, or for an operator without weights the last layer with weights on
            the way to it, which an engine may have computed together with it.
    """

    layer: str
    convolution: str


def results_of(model: Any) -> dict[str, Result]:
    """The results of all operators of the main subgraph, by the tensor's name.

    Args:
        model: path or bytes of a .tflite file.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if it is no whole .tflite file.
    """
    source = sources.load_tflite(model)
    graph = Graph(source.file.model, source.file.model.subgraphs[0])
    names = LayerNames({})
    made: dict[int, Result] = {}
    order: dict[Result, int] = {}
    for operator in graph.operators:
        outputs = ids(operator.outputs)
        if is_pconv(graph, operator) or graph.builtin(operator) in {*CONVOLUTIONS, *LEFT_DENSE}:
            layer = names.of(graph, operator)
            result = Result(layer, layer)
        else:
            layer = names.without_weights(graph, operator)
            before = [made[tensor] for tensor in ids(operator.inputs) if tensor in made]
            latest = max(before, key=lambda result: order[result], default=None)
            result = Result(layer, latest.convolution if latest else layer)
        order.setdefault(result, len(order))
        made |= dict.fromkeys(outputs, result)
    return {graph.name(tensor): result for tensor, result in made.items() if tensor >= 0}
