"""The int8 operations around PConv2D give stock LiteRT's results, bit for bit."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from pruned_models import prune
from tflite_models import ModelBuilder, schema

import pconv_tf

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's quantiser warns of defaults

L = keras.layers


def conv(x, filters=16, **options):
    return L.Conv2D(filters, 3, padding="same", **options)(x)


def sums(x):
    a, b = conv(x), conv(x, activation="relu")
    return [L.ReLU()(L.Add()([a, b])), L.Subtract()([conv(a), b])]


def products(x):
    a = conv(x, activation="relu6")
    squeezed = L.GlobalAveragePooling2D(keepdims=True)(a)
    gate = L.Activation("sigmoid")(L.Conv2D(16, 1)(squeezed))
    return [conv(L.Multiply()([a, gate])), L.Multiply()([a, conv(a)])]


def pools(x):
    a = conv(x)
    return [
        conv(L.MaxPooling2D(2)(a)),
        conv(L.AveragePooling2D(3, 2, padding="same")(a)),
        L.GlobalAveragePooling2D()(conv(a)),
        conv(L.MaxPooling2D(3, 2, padding="same")(a)),
    ]


def pads_and_joins(x):
    a = L.Conv2D(16, 3)(L.ZeroPadding2D(((1, 2), (0, 3)))(conv(x)))
    joined = L.Concatenate()([a, conv(a, 24)])
    return [conv(joined), L.Flatten()(conv(joined, 3))]


def depthwise(x):
    a = L.DepthwiseConv2D(3, padding="same", activation="relu6")(conv(x))
    b = L.DepthwiseConv2D(5, strides=2, padding="same")(conv(a, 24))
    return [conv(b), L.Conv2D(40, 1)(b)]


def classifier(x):
    a = L.GlobalAveragePooling2D()(conv(x, 40))
    return [L.Softmax()(L.Dense(10)(L.Dense(33, activation="relu")(a)))]


def tables(x):
    return [conv(L.Activation(name)(conv(x))) for name in ("sigmoid", "tanh")]


GRAPHS = (sums, products, pools, pads_and_joins, depthwise, classifier, tables)


def full_integer(build, rng, types):
    """The graph with pruned layers as int8 PConv2D, and the stock file of the same weights."""
    import tensorflow as tf

    inputs = keras.Input((14, 15, 8))
    model = prune(keras.Model(inputs, build(inputs)), rng)
    # Dense layers stay, too.
    for layer in model.layers[-4:]:
        for weight in getattr(layer, "trainable_weights", []):
            weight.assign(rng.standard_normal(weight.shape) / 4)
    images = rng.standard_normal((4, 1, 14, 15, 8)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    if types is not None:
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(types)
    source = converter.convert()
    return pconv_tf.convert(source, force=True, quiet=True), source


def outputs(interpreter, image):
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    details = sorted(interpreter.get_output_details(), key=lambda detail: detail["name"])
    return [interpreter.get_tensor(detail["index"]) for detail in details]


def run(flatbuffer, image, threads=1, **options):
    delegates = [pconv_tf.load_delegate(options={"num_threads": threads, **options})]
    return outputs(
        Interpreter(model_content=bytes(flatbuffer), experimental_delegates=delegates), image
    )


def image_of(types, rng):
    if types is None:
        return rng.standard_normal((1, 14, 15, 8)).astype(np.float32)
    info = np.iinfo(types)
    return rng.integers(info.min, info.max + 1, (1, 14, 15, 8)).astype(types)


@pytest.mark.parametrize("types", [None, "int8"])
@pytest.mark.parametrize("build", GRAPHS)
def test_equals_stock(build, types, rng, delegate):
    converted, source = full_integer(build, rng, types)
    for threads in (1, 2):
        image = image_of(types, rng)
        expected = outputs(Interpreter(model_content=source, num_threads=1), image)
        assert all(len(np.unique(array)) > 3 for array in expected)
        for backend in ("cpu", "reference"):
            found = run(converted, image, threads, backend=backend)
            for array, right in zip(found, expected, strict=True):
                np.testing.assert_array_equal(array, right)


@pytest.mark.parametrize("build", [sums, pools])
def test_uint8_inputs_and_outputs_are_part_of_the_partition(build, rng, delegate, capfd):
    converted, source = full_integer(build, rng, "uint8")
    image = image_of("uint8", rng)
    expected = outputs(Interpreter(model_content=source, num_threads=1), image)
    for backend in ("cpu", "reference"):
        capfd.readouterr()
        found = run(converted, image, backend=backend, verbose=True)
        log = capfd.readouterr().err
        claimed, nodes = re.search(r"claims (\d+) of (\d+) nodes", log).groups()
        assert claimed == nodes, log
        assert log.count(f"nodes on the {backend} engine") == 1
        for array, right in zip(found, expected, strict=True):
            assert array.dtype == np.uint8
            assert len(np.unique(right)) > 3
            np.testing.assert_array_equal(array, right)
    interpreter = pconv_tf.Interpreter(converted)
    model = pconv_tf.CompiledModel(converted)
    np.testing.assert_array_equal(interpreter(image)[0], model(image)[0])


def activations(zero_point, rng):
    """Activations of all int8 values, and QUANTIZE, behind layers that only change the scale.

    Ratios of scales are random, powers of two, whose products may be halves, and at both ends of
    what XNNPACK takes.
    """
    builder = ModelBuilder()
    x = builder.quantized(builder.input(16, 16, 1), np.int8, 1.0, zero_point)
    leaky = []
    for alpha in (0.1, -0.3, 1.4):
        leaky.append(schema.LeakyReluOptionsT())
        leaky[-1].alpha = alpha
    results = []
    for scale in (0.0625, *rng.uniform(0.01, 0.2, 2)):
        weights = builder.quantized(
            builder.constant(np.full((1, 1, 1, 1), 127, np.int8)), np.int8, scale / 127
        )
        bias = builder.constant(np.zeros(1, np.int32))
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = 1
        options.dilationHFactor = options.dilationWFactor = 1
        steps = builder.op("CONV_2D", [x, weights, bias], (1, 16, 16, 1), options, version=3)
        builder.quantized(steps, np.int8, scale, zero_point)
        for ratio in (0.005, 0.25, 1, 2, 100, *rng.uniform(0.2, 4, 3)):
            operations = [("RELU", None, 2), ("RELU6", None, 2), ("RELU_N1_TO_1", None, 1)]
            operations += [
                ("LEAKY_RELU", options, 2)
                for options in leaky
                if 1 / 256 <= abs(options.alpha) * ratio < 128
            ]
            operations.append(("QUANTIZE", None, 2))
            for name, options, version in operations:
                result = builder.op(name, [steps], steps.shape, options, version=version)
                offset = int(rng.choice([zero_point, -128, -7, 0, 127]))
                results.append(builder.quantized(result, np.int8, scale / ratio, offset))
    return builder.finish(*results)


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_activations_of_all_values_equal_stock(zero_point, rng, delegate, capfd):
    source = activations(zero_point, rng)
    converted = pconv_tf.convert(source, force=True, quiet=True)
    image = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)
    expected = outputs(Interpreter(model_content=source), image)
    assert len(expected) == 3 * (8 * 4 + 6 * 3 + 2 + 1)
    capfd.readouterr()
    found = run(converted, image, verbose=True)
    claimed, nodes = re.search(r"claims (\d+) of (\d+) nodes", capfd.readouterr().err).groups()
    assert claimed == nodes
    np.testing.assert_array_equal(found, expected)


def test_hard_swish_is_within_one(rng, delegate):
    """The builtin kernel rounds several times on its way."""

    def build(x):
        return [L.Activation("hard_silu")(conv(x))]

    converted, source = full_integer(build, rng, "int8")
    image = image_of("int8", rng)
    (expected,) = outputs(Interpreter(model_content=source, num_threads=1), image)
    (found,) = run(converted, image)
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05


def test_float32_and_int8_regions_are_partitions_of_their_own(rng, delegate, capfd):
    """Depthwise layers that the quantiser is told to leave, between int8 ones."""
    import tensorflow as tf

    inputs = keras.Input((14, 15, 8))
    x = L.DepthwiseConv2D(3, padding="same", activation="relu")(conv(inputs, activation="relu"))
    x = L.Add()([conv(L.DepthwiseConv2D(3, padding="same")(x)), conv(inputs, activation="relu")])
    model = prune(keras.Model(inputs, conv(x, 8)), rng)
    images = rng.standard_normal((4, 1, 14, 15, 8)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            denylisted_ops=["DEPTHWISE_CONV_2D"]
        ),
    )
    source = debugger.get_nondebug_quantized_model()
    converted = pconv_tf.convert(source, force=True, quiet=True)
    capfd.readouterr()
    found = run(converted, images[0], verbose=True)[0]
    log = capfd.readouterr().err
    assert "claims 11 of 11 nodes, 6 of them PConv2D" in log
    # int8 and float32, and what reads both.
    assert log.count("nodes on the cpu engine") == 3
    assert log.count("cpu engine, int8 kernels") == 2
    expected = outputs(Interpreter(model_content=source, num_threads=1), images[0])[0]
    # The float32 engine sums in another order, which may lead to the next step.
    assert (found != expected).mean() < 0.01
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
