"""Damaged files are refused with a ValueError or read; nothing else ever happens."""

import dataclasses

import numpy as np
import pytest
from flatbuffers import flexbuffers
from fuzz import check as check_within_limits
from fuzz import corpus, damaged, mutated
from pruned_models import prune

import pconv_tf
from pconv_tf import fkw
from pconv_tf.conversion import convert_with_report, inspection, model_file
from pconv_tf.conversion.graph import BuiltinOperator, Graph
from pconv_tf.fkw import VERSION

# The long run: python tests/conversion/fuzz.py --seconds=600
CASES = [500, pytest.param(2000, marks=pytest.mark.slow)]
FIRST_SEEDS = [1, *(pytest.param(first, marks=pytest.mark.slow) for first in (101, 201))]


@pytest.fixture(scope="module")
def converted():
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input((6, 6, 4))
    x = layers.Conv2D(10, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(16, 3, strides=2)(layers.ZeroPadding2D()(x))
    x = layers.Dense(24)(layers.GlobalAveragePooling2D()(x))
    model = prune(keras.Model(inputs, x), np.random.default_rng(3), rate=2)
    return pconv_tf.convert(model, force=True, quiet=True, weights="int8")


@pytest.fixture(scope="module")
def mixed():
    """Files of many kinds: 2 has sparse tensors, 3 is float16 with PAD and SPACE_TO_BATCH_ND."""
    return corpus()


@pytest.mark.parametrize("cases", CASES)
def test_mutations(converted, rng, cases):
    refused = 0
    for case in range(cases):
        data = damaged(converted, rng)
        for read in (inspection.inspect, pconv_tf.convert_dense, convert_with_report):
            if case % 4 and read is not inspection.inspect:
                continue  # all three begin by reading; the whole way is tried on every fourth
            try:
                read(data)
            except ValueError as error:
                refused += 1
                assert str(error)
    assert refused > cases / 4


@pytest.mark.parametrize("first", FIRST_SEEDS)
def test_wrong_graphs(mixed, first):
    for seed in range(first, first + 100):
        print(f"seed: {seed}")  # of the last one, if it fails
        check_within_limits(mutated(mixed, seed))


def edited(data, edit):
    """The file with `edit(model, operator)` applied to its first PConv2D."""
    file = model_file.read(data, "file")
    graph = file.model.subgraphs[0]
    operator = next(op for op in graph.operators if op.customOptions is not None)
    edit(file.model, graph, operator)
    return model_file.write(file)


def with_option(**changes):
    def edit(model, graph, operator):
        values = flexbuffers.Loads(bytes(operator.customOptions)) | changes
        values = {key: value for key, value in values.items() if value is not None}
        operator.customOptions = np.frombuffer(bytes(flexbuffers.Dumps(values)), np.uint8)

    return edit


def with_array(number, change):
    def edit(model, graph, operator):
        tensor = graph.tensors[operator.inputs[number]]
        data = model.buffers[tensor.buffer].data.copy()
        change(data)
        model.buffers[tensor.buffer].data = data

    return edit


def put(position, value):
    def change(data):
        data[position] = value

    return change


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (with_option(version=VERSION + 1), "version: the file has FKW version 4, .* up to 3"),
        (with_option(patterns=None), "patterns: missing"),
        (with_option(kernel_h=1), "patterns: expected masks of 3 bits"),
        (with_option(patterns=[1]), "stride: expected shape"),
        (with_option(out_channels=11), "reorder: expected shape"),
        (with_array(1, put(-1, 255)), "offset: expected to end"),
        (with_array(1, put(1, 200)), "offset: expected a non-decreasing"),
        (with_array(2, put(0, 9)), "reorder: expected a permutation"),
        (with_array(3, put(0, 77)), "index: expected channels below"),
        (with_array(4, put(0, 1)), "stride: expected rows"),
        (with_array(5, put(0, 128)), "weight: expected int8 values"),
    ],
)
def test_the_field_is_named(converted, edit, message):
    with pytest.raises(ValueError, match=f"PConv2D .*: ({message})"):
        inspection.inspect(edited(converted, edit))


def test_buffer_of_wrong_size(converted):
    def edit(model, graph, operator):
        buffer = model.buffers[graph.tensors[operator.inputs[5]].buffer]
        buffer.data = buffer.data[:-1].copy()

    with pytest.raises(ValueError, match=r"fkw_weight: shape .* needs \d+ bytes, found \d+"):
        inspection.inspect(edited(converted, edit))


def test_too_few_inputs(converted):
    def edit(model, graph, operator):
        operator.inputs = operator.inputs[:5]

    with pytest.raises(ValueError, match="inputs: expected 7 or 8 tensors"):
        inspection.inspect(edited(converted, edit))


def test_no_options(converted):
    def edit(model, graph, operator):
        operator.customOptions = None

    with pytest.raises(ValueError, match="custom options: missing"):
        file = model_file.read(converted, "file")
        graph = file.model.subgraphs[0]
        edit(file.model, graph, graph.operators[0])
        inspection.inspect(model_file.write(file))


def with_graph(data, edit):
    """`data` with its main subgraph changed."""
    file = model_file.read(data, "file")
    edit(Graph(file.model, file.model.subgraphs[0]))
    return model_file.write(file)


def refused(data, message):
    for run in (inspection.inspect, pconv_tf.convert_dense, convert_with_report):
        with pytest.raises(ValueError, match=message):
            run(data)


def operators_of(graph, name):
    builtin = getattr(BuiltinOperator, name)
    return [operator for operator in graph.operators if graph.builtin(operator) == builtin]


def test_operators_that_read_their_own_results(mixed):
    def edit(graph):
        first, second = operators_of(graph, "DEQUANTIZE")[:2]
        first.inputs, second.inputs = second.outputs, first.outputs

    refused(with_graph(mixed[3], edit), "an operator reads what is made after it")


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("SPACE_TO_BATCH_ND", 1), ("PAD", 1), ("DEQUANTIZE", 0), ("BATCH_TO_SPACE_ND", 2)],
)
def test_operators_that_lack_inputs(mixed, name, inputs):
    def edit(graph):
        for operator in operators_of(graph, name):
            operator.inputs = operator.inputs[:inputs]

    refused(with_graph(mixed[3], edit), rf"damaged .tflite file \(subgraph 0: {name} with inputs")


def test_crops_of_a_wrong_shape(mixed):
    def edit(graph):
        for operator in operators_of(graph, "BATCH_TO_SPACE_ND"):
            graph.tensor(operator.inputs[2]).shape = np.array([4], np.int32)

    data = with_graph(mixed[3], edit)
    dilations = {layer.dilations for layer in inspection.inspect(_converted(data)).layers}
    assert dilations == {(1, 1)}  # the three operators stay what they are


def test_unknown_tensor_types_are_a_reason_to_stay(mixed):
    def edit(graph):
        graph.tensor(operators_of(graph, "CONV_2D")[0].inputs[0]).type = 77

    layers = convert_with_report(with_graph(mixed[0], edit), force=True).layers
    reasons = [layer.reason for layer in layers]
    unknown = "its activations are of an unknown type (77) and float32, not float32 or int8"
    assert unknown in reasons


def _converted(data):
    return convert_with_report(data, force=True).flatbuffer


def test_few_bytes_that_mean_much(converted):
    layer = fkw.encode(np.ones((2, 1, 1, 1), np.float32))
    channels = 1 << 24
    huge = dataclasses.replace(layer, in_channels=channels, index=np.array([7, 7], np.uint32))

    def edit(model, graph, operator):
        helper = Graph(model, graph)
        arrays = [*huge.arrays().values(), np.zeros(2, np.float32)]
        constants = [helper.add_constant("part", array) for array in arrays]
        options = fkw.ConvOptions.of(huge)
        graph.operators = [operator]
        operator.inputs = np.array([operator.inputs[0], *constants], np.int32)
        operator.customOptions = np.frombuffer(options.to_bytes(), np.uint8)

    data = edited(converted, edit)
    assert len(data) < 20_000
    assert len(inspection.inspect(data).layers) == 1
    with pytest.raises(ValueError, match="its weights would take 134 MB as dense arrays"):
        pconv_tf.convert_dense(data)


def test_sparse_storage_that_means_much(mixed):
    def edit(graph):
        tensor = next(t for t in graph.subgraph.tensors if t.sparsity is not None)
        tensor.shape = np.array([30_000] * len(tensor.shape), np.int32)

    refused(with_graph(mixed[2], edit), "its weights would take .* MB as dense arrays")
