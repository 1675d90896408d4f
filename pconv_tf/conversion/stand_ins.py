"""Takes large Dense kernels past TensorFlow's converter, which would copy them many times.

The kernels are replaced by constants of one repeated value, which TensorFlow stores as one number,
and put into the finished file where that value is found. The file has the same bytes as if they
had gone through the converter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pconv_tf.conversion.graph import BuiltinOperator, Graph, ids

MIN_BYTES = 8 << 20  # below, there is nothing to save


@dataclass(frozen=True)
class StandIn:
    """A Dense kernel that the converter does not see.

    Attributes:
        variable: the kernel [I, O], a TensorFlow variable.
        value: the number that all of its elements are for the converter.
    """

    variable: Any
    value: np.float32


def substitute(function: Any, variables: list[Any]) -> tuple[Any, list[StandIn]]:
    """Traces `function` anew with stand-ins for its large Dense kernels.

    Args:
        function: a concrete function without its own variables.
        variables: what it may read; the others are kept as they are.

    Returns:
        The function to convert, which is `function` if there are none, and the stand-ins.
    """
    import tensorflow as tf

    definition = function.graph.as_graph_def()
    nodes = {node.name: node for node in definition.node}
    by_handle = {id(variable.handle): variable for variable in variables}
    stand_ins: list[StandIn] = []
    captures = []
    for external, internal in function.graph.captures:
        variable, reads = by_handle.get(id(external)), internal.consumers()
        if variable is None or not _large_kernel(variable, reads):
            captures.append((external, internal.name))
            continue
        stand_in = StandIn(variable, np.float32(1 + (len(stand_ins) + 1) / 1024))
        stand_ins.append(stand_in)
        node = nodes[reads[0].name]
        node.op = "Const"
        del node.input[:]
        node.attr.clear()
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        value = tf.make_tensor_proto(stand_in.value, tf.float32, variable.shape.as_list())
        node.attr["value"].tensor.CopyFrom(value)
        definition.node.remove(nodes[internal.op.name])
    if not stand_ins:
        return function, []

    inputs = function.inputs[: len(function.inputs) - len(function.graph.captures)]
    outputs = [tensor.name for tensor in function.outputs]

    @tf.autograph.experimental.do_not_convert
    def call(*arguments: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        known = {tensor.name: value for tensor, value in zip(inputs, arguments, strict=True)}
        known |= {name: graph.capture(external) for external, name in captures}
        results = tf.graph_util.import_graph_def(definition, known, outputs, name="")
        return tf.nest.pack_sequence_as(
            function.structured_outputs, results, expand_composites=True
        )

    specs = [tf.TensorSpec(x.shape, x.dtype, name=x.op.name) for x in inputs]
    return tf.function(call).get_concrete_function(*specs), stand_ins


def _large_kernel(variable: Any, reads: list[Any]) -> bool:
    """Whether a variable is read once, as the kernel of a plain matrix product."""
    if variable.dtype != "float32" or variable.shape.rank != 2:
        return False
    if 4 * variable.shape.num_elements() < MIN_BYTES:
        return False
    if [read.type for read in reads] != ["ReadVariableOp"]:
        return False
    (kernel,) = reads[0].outputs
    return all(
        user.type == "MatMul" and user.inputs[0] is not kernel and not user.get_attr("transpose_b")
        for user in kernel.consumers()
    )


def restore(model: Any, stand_ins: list[StandIn]) -> bool:
    """Puts the kernels into the converted `model`.

    Returns:
        Whether each was found as the weights of fully connected layers and nowhere else. If not,
        the converter has worked with the value of a stand-in, and `model` is of no use.
    """
    import tensorflow as tf

    if len(model.subgraphs) != 1:
        return False
    graph = Graph(model, model.subgraphs[0])
    places = {}
    for stand_in in stand_ins:
        found = [t for t in range(len(graph.subgraph.tensors)) if _holds(graph, t, stand_in)]
        if len(found) != 1 or not _only_weights(graph, found[0]):
            return False
        places[graph.tensor(found[0]).buffer] = stand_in
    if len(places) != len(stand_ins):
        return False
    for number, buffer in enumerate(model.buffers):
        if number in places:
            kernel = tf.transpose(places[number].variable)
            buffer.data = np.asarray(memoryview(kernel)).reshape(-1).view(np.uint8)
        elif buffer.data is not None:
            buffer.data = np.array(buffer.data, np.uint8)  # lets go of the converter's file
    return True


def _holds(graph: Graph, tensor: int, stand_in: StandIn) -> bool:
    if graph.shape(tensor) != tuple(reversed(stand_in.variable.shape.as_list())):
        return False
    values = graph.constant(tensor)
    if values is None or values.dtype != np.float32:
        return False
    return bool(values.flat[0] == stand_in.value and values.min() == values.max())


def _only_weights(graph: Graph, tensor: int) -> bool:
    uses = [
        (graph.builtin(operator), place)
        for operator in graph.operators
        for place, used in enumerate(ids(operator.inputs))
        if used == tensor
    ]
    return bool(uses) and set(uses) == {(BuiltinOperator.FULLY_CONNECTED, 1)}
