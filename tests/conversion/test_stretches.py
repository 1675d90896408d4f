"""Which operators the delegate would take over together."""

import re
from pathlib import Path

import pytest

from pconv_tf.conversion import convert_dense, model_file
from pconv_tf.conversion.graph import BuiltinOperator, Graph
from pconv_tf.conversion.match import CONVOLUTIONS
from pconv_tf.conversion.stretches import KNOWN, divide

ROOT = Path(__file__).resolve().parents[2]


def graph_of(keras, build, shape=(16, 16, 8)):
    """The graph of a Keras model from its input and a function, and its convolutions."""
    image = keras.Input(shape, batch_size=1)
    model = model_file.read(convert_dense(keras.Model(image, build(image))), "model").model
    graph = Graph(model, model.subgraphs[0])
    convolutions = [op for op in graph.operators if graph.builtin(op) in CONVOLUTIONS]
    return graph, {place: [op] for place, op in enumerate(convolutions)}


def conv(keras, filters=8, **options):
    return keras.layers.Conv2D(filters, 3, padding="same", **options)


def test_known_operators_are_those_of_the_delegate():
    source = (ROOT / "delegate" / "node_reader.cc").read_text()
    listed = re.findall(r'{kTfLiteBuiltin\w+, "(\w+)"}', source)
    others = {"PACK", "SHAPE", "STRIDED_SLICE", "QUANTIZE", "DEQUANTIZE"}
    assert sorted({*KNOWN, *others}) == sorted(listed)
    assert all(hasattr(BuiltinOperator, name) for name in KNOWN)


def test_a_chain_is_one_stretch(keras):
    graph, layers = graph_of(
        keras, lambda x: conv(keras)(keras.layers.MaxPooling2D(2)(conv(keras)(x)))
    )
    division = divide(graph, layers, {0, 1})
    (found,) = division.stretches
    assert (found.layers, found.operators, found.borders) == ((0, 1), 3, 2)
    assert found.border_values == 16 * 16 * 8 + 8 * 8 * 8
    assert (division.other_layers, division.other_operators) == ((), 0)


def test_one_pruned_layer_takes_all_connected_ones_along(keras):
    graph, layers = graph_of(keras, lambda x: conv(keras)(conv(keras)(x)))
    assert divide(graph, layers, {1}).stretches[0].layers == (0, 1)


def test_an_operator_that_the_delegate_lacks_ends_a_stretch(keras):
    def build(x):
        x = keras.ops.abs(conv(keras)(x))
        return conv(keras)(conv(keras)(x))

    graph, layers = graph_of(keras, build)
    division = divide(graph, layers, {0, 1, 2})
    assert [part.layers for part in division.stretches] == [(0,), (1, 2)]
    assert [part.borders for part in division.stretches] == [2, 2]
    assert division.other_operators == 1
    division = divide(graph, layers, {2})
    assert [part.layers for part in division.stretches] == [(1, 2)]
    assert (division.other_layers, division.other_operators) == ((0,), 2)


def test_a_skip_connection_joins_what_an_operator_divides(keras):
    def build(x):
        x = conv(keras)(x)
        return conv(keras)(keras.layers.Concatenate()([x, keras.ops.abs(x)]))

    graph, layers = graph_of(keras, build)
    (found,) = divide(graph, layers, {0, 1}).stretches
    assert found.layers == (0, 1)
    assert found.borders == 4  # input, what is divided, its magnitude, output
    assert found.border_values == 16 * 16 * 8 * 4


@pytest.mark.parametrize("candidates", [set(), {0}])
def test_operators_that_unpack_weights_do_not_count(keras, candidates):
    import tensorflow as tf

    image = keras.Input((16, 16, 8), batch_size=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, conv(keras)(image)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    model = model_file.read(converter.convert(), "model").model
    graph = Graph(model, model.subgraphs[0])
    assert len(graph.operators) > 1
    (operator,) = (op for op in graph.operators if graph.builtin(op) in CONVOLUTIONS)
    division = divide(graph, {0: [operator]}, candidates)
    counted = sum(part.operators for part in division.stretches) + division.other_operators
    assert counted == 1


def float16_graph(keras):
    """Three convolutions in a row whose weights a DEQUANTIZE unpacks, and their places."""
    import tensorflow as tf

    image = keras.Input((16, 16, 8), batch_size=1)
    model = keras.Model(image, conv(keras)(conv(keras)(conv(keras)(image))))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    file = model_file.read(converter.convert(), "model").model
    graph = Graph(file, file.subgraphs[0])
    convolutions = [op for op in graph.operators if graph.builtin(op) in CONVOLUTIONS]
    return graph, {place: [op] for place, op in enumerate(convolutions)}


def test_dense_layers_of_float16_weights_are_taken(keras):
    graph, layers = float16_graph(keras)
    division = divide(graph, layers, {0, 2})
    assert [part.layers for part in division.stretches] == [(0, 1, 2)]
    assert division.stretches[0].never_dense == set()
    assert division.other_layers == ()


def test_layers_whose_weights_another_operator_unpacks_are_taken_as_pconv_only(keras):
    graph, layers = float16_graph(keras)
    for code in graph.model.operatorCodes:
        if code.builtinCode == BuiltinOperator.DEQUANTIZE:
            code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.DENSIFY
    division = divide(graph, layers, {0, 2})
    assert [part.layers for part in division.stretches] == [(0,), (2,)]
    assert [part.never_dense for part in division.stretches] == [{0}, {2}]
    assert division.other_layers == (1,)
