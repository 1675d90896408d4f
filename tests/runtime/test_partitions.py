"""Whole networks stay in the delegate's own layout: one partition, nothing left to the runtime."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from pruned_models import prune
from tflite_models import ModelBuilder, pattern_weights

import pconv_tf
from pconv_tf.conversion import convert_with_report

# Image sizes are the smallest that the networks take, MobileNetV2 also in its narrowest form.
OPTIONS = {"VGG16": {}, "ResNet50": {}, "MobileNetV2": {"alpha": 0.35}}
NETWORKS = [pytest.param("VGG16", marks=pytest.mark.models), "ResNet50", "MobileNetV2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_one_partition(name, rng, capfd):
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=10, **OPTIONS[name])
    converted = pconv_tf.convert(prune(model, rng), force=True, quiet=True)
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": "cpu"})
    log = capfd.readouterr().err
    claimed, nodes, pruned = re.search(
        r"claims (\d+) of (\d+) nodes, (\d+) of them PConv2D", log
    ).groups()
    assert claimed == nodes, "\n".join(line for line in log.splitlines() if "refused" in line)
    assert int(pruned) > 8
    assert len(re.findall(r"partition of \d+ nodes on the cpu engine", log)) == 1
    assert np.isfinite(interpreter(np.ones((1, 32, 32, 3), np.float32))).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's quantiser warns of defaults
@pytest.mark.parametrize("name", NETWORKS)
def test_one_int8_partition(name, rng, capfd):
    """Nothing is left to the runtime but dense layers on CPUs with AMX."""
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=10, **OPTIONS[name])
    images = rng.standard_normal((2, 1, 32, 32, 3)).astype(np.float32)
    converted = pconv_tf.convert(
        prune(model, rng),
        quantize="int8",
        representative_dataset=lambda: ([image] for image in images),
        force=True,
        quiet=True,
    )
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": "cpu"})
    log = capfd.readouterr().err
    refused = [line for line in log.splitlines() if ": refused" in line]
    assert all("faster on a CPU with AMX" in line for line in refused), "\n".join(refused)
    if not refused:
        assert len(re.findall(r"partition of \d+ nodes on the cpu engine", log)) == 1
    assert "reference engine" not in log
    dense = pconv_tf.convert_dense(converted)
    image = images[0]
    stock = Interpreter(model_content=dense)
    stock.allocate_tensors()
    stock.set_tensor(stock.get_input_details()[0]["index"], image)
    stock.invoke()
    expected = stock.get_tensor(stock.get_output_details()[0]["index"])
    np.testing.assert_array_equal(interpreter(image), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.int8])
def test_dense_layers_of_stored_weights_are_taken(dtype, rng, capfd):
    """Constants that a DEQUANTIZE unpacks are the delegate's own, where nobody else reads them."""

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    class Stored(ModelBuilder):
        def constant(self, array):
            if array.dtype == np.float32 and array.ndim > 1:
                return self.unpacked(array, dtype)
            return super().constant(array)

    builder = Stored()
    x = builder.input(9, 11, 8)
    pruned = builder.conv(x, pattern_weights(rng, 16, 3, 8), normal(16))
    narrow = builder.conv(x, pattern_weights(rng, 16, 1, 8, density=1), normal(16))
    both = builder.depthwise(builder.binary("add", pruned, narrow), normal(1, 3, 3, 16), normal(16))
    shifted = builder.binary("mul", both, builder.unpacked(normal(16), np.float16))
    data = builder.finish(builder.dense(builder.mean(shifted), normal(10, 16), normal(10)))
    skip = [layer.name for layer in convert_with_report(data, force=True).layers[1:]]
    converted = pconv_tf.convert(
        data, force=True, skip=[f"^{re.escape(name)}$" for name in skip], quiet=True
    )
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": "cpu"})
    log = capfd.readouterr().err
    assert "claims 11 of 11 nodes, 1 of them PConv2D" in log, log
    assert log.count("DEQUANTIZE: claimed (constant)") == 4
    assert len(re.findall(r"partition of \d+ nodes on the cpu engine", log)) == 1
    for batch in (1, 3):
        images = normal(batch, 9, 11, 8)
        expected = _run_stock(data, images)
        np.testing.assert_allclose(interpreter(images), expected, rtol=1e-4, atol=1e-4)


def _run_stock(model, images):
    stock = Interpreter(model_content=model)
    stock.resize_tensor_input(stock.get_input_details()[0]["index"], images.shape)
    stock.allocate_tensors()
    stock.set_tensor(stock.get_input_details()[0]["index"], images)
    stock.invoke()
    return stock.get_tensor(stock.get_output_details()[0]["index"])


RESIZED = ((18, 22), (9, 11), (20, 7), (4, 30), (1, 1))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("block", [1, 16])
@pytest.mark.parametrize("align_corners, half_pixel_centers", [(0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("nearest", [False, True])
def test_resize_is_taken(nearest, align_corners, half_pixel_centers, block, backend, rng, capfd):
    """As large again, the same, larger and smaller by odd factors, a single pixel."""

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    builder = ModelBuilder()
    weights = pattern_weights(rng, 16, 3, 8, block=block)
    x = builder.conv(builder.input(9, 11, 8), weights / 8, normal(16))
    grid = {"align_corners": bool(align_corners), "half_pixel_centers": bool(half_pixel_centers)}
    resized = [builder.resize(x, size, nearest=nearest, **grid) for size in RESIZED]
    after = builder.conv(resized[0], pattern_weights(rng, 16, 3, 16, block=block) / 8, normal(16))
    data = builder.finish(*resized, after)
    converted = pconv_tf.convert(data, force=True, quiet=True)
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": backend})
    assert "claims 7 of 7 nodes, 2 of them PConv2D" in capfd.readouterr().err
    stock = Interpreter(model_content=data)
    for shape in ((1, 9, 11, 8), (3, 9, 11, 8), (1, 14, 6, 8)):  # also batches and other inputs
        images = normal(*shape)
        stock.resize_tensor_input(stock.get_input_details()[0]["index"], shape)
        stock.allocate_tensors()
        stock.set_tensor(stock.get_input_details()[0]["index"], images)
        stock.invoke()
        found = interpreter(images)
        for detail, output in zip(stock.get_output_details(), found, strict=True):
            expected = stock.get_tensor(detail["index"])
            np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("block", [1, 16])
def test_slopes_gelu_and_depth_to_space_are_taken(block, backend, rng, capfd):
    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def pruned(x, filters):
        weights = pattern_weights(rng, filters, 3, x.shape[3], block=block)
        return builder.conv(x, weights / 8, normal(filters))

    builder = ModelBuilder()
    x = pruned(builder.input(9, 11, 8), 16)
    x = builder.op("PRELU", [x, builder.constant(normal(1, 1, 16))], x.shape)
    x = builder.gelu(pruned(x, 32), approximate=False)
    x = builder.gelu(pruned(x, 16), approximate=True)
    x = pruned(builder.depth_to_space(x, 2), 16)
    data = builder.finish(builder.depth_to_space(x, 2))
    converted = pconv_tf.convert(data, force=True, quiet=True)
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": backend})
    assert "claims 9 of 9 nodes, 4 of them PConv2D" in capfd.readouterr().err
    for batch in (1, 3):
        images = normal(batch, 9, 11, 8)
        expected = _run_stock(data, images)
        assert expected.shape == (batch, 36, 44, 4)
        np.testing.assert_allclose(interpreter(images), expected, rtol=1e-4, atol=1e-4)


class _Sine(keras.layers.Layer):
    """An operation that the delegate leaves to the runtime."""

    def call(self, x):
        return keras.ops.sin(x)


class _FlattenAs(keras.layers.Layer):
    """Flattens features with the number of images of another tensor."""

    def call(self, x, features):
        return keras.ops.reshape(features, (keras.ops.shape(x)[0], 8 * 8 * 16))

    def compute_output_shape(self, x_shape, features_shape):
        return (x_shape[0], 8 * 8 * 16)


def test_shape_that_an_earlier_partition_could_compute(rng, capfd):
    """The shape of the model's input, for a RESHAPE behind the sine, is left to the runtime."""
    inputs = keras.Input((8, 8, 16))
    x = keras.layers.Conv2D(16, 3, padding="same")(inputs)
    x = keras.layers.Conv2D(16, 3, padding="same")(_Sine()(x))
    model = prune(keras.Model(inputs, _FlattenAs()(inputs, x)), rng)
    converted = pconv_tf.convert(model, force=True, quiet=True)
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": "cpu"})
    log = capfd.readouterr().err
    assert len(re.findall(r"partition of \d+ nodes on the cpu engine", log)) == 2
    assert re.search(r"SHAPE: refused", log)
    assert re.search(r"RESHAPE: claimed", log)
    images = rng.standard_normal((3, 8, 8, 16)).astype(np.float32)
    np.testing.assert_allclose(interpreter(images), np.asarray(model(images)), rtol=1e-4, atol=1e-4)
