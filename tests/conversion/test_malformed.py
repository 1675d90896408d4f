"""Damaged files are refused with a ValueError or read; nothing else ever happens."""

import numpy as np
import pytest
from flatbuffers import flexbuffers
from pruned_models import prune

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection, model_file
from pconv_tf.fkw import VERSION

CASES = 2000


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


def damaged(data, rng):
    """`data` cut short, with flipped bits, an extreme number, or a piece missing."""
    copy = bytearray(data)
    kind = rng.integers(4)
    place = int(rng.integers(len(copy) - 4))
    if kind == 0:
        return bytes(copy[:place])
    if kind == 1:
        for spot in rng.integers(0, len(copy), rng.integers(1, 9)):
            copy[spot] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        place &= ~3
        extremes = [2**32 - 1, 2**31 - 1, 2**31, 0, int(rng.integers(2**32))]
        copy[place : place + 4] = int(rng.choice(extremes)).to_bytes(4, "little")
    else:
        del copy[place : place + int(rng.integers(1, 64))]
    return bytes(copy)


def test_mutations(converted, rng):
    refused = 0
    for case in range(CASES):
        data = damaged(converted, rng)
        for read in (inspection.inspect, pconv_tf.convert_dense, convert_with_report):
            if case % 4 and read is not inspection.inspect:
                continue  # all three begin by reading; the whole way is tried on every fourth
            try:
                read(data)
            except ValueError as error:
                refused += 1
                assert str(error)
    assert refused > CASES / 4


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
        (with_option(version=VERSION + 1), "version: the file has FKW version 2, .* up to 1"),
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
