"""A layer has one name: Keras', in the conversion of a model, of its .tflite and in profiles."""

import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report
from pconv_tf.conversion.inspection import inspect
from pconv_tf.conversion.naming import Scopes
from pconv_tf.measuring.op_profile import profile_ops

NAMES = ["first", "conv2d_1", "backbone/inner", "top"]


@pytest.fixture(scope="module")
def model():
    import keras

    layers = keras.layers
    inner = layers.Conv2D(32, 3, name="inner", activation="relu")
    backbone = keras.Sequential([keras.Input((8, 8, 16)), inner], name="backbone")
    inputs = keras.Input((16, 16, 8), batch_size=1)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, name="first")(inputs)))
    y = layers.Conv2D(16, 3, padding="same", name="conv2d_1")(x)
    x = layers.Add(name="sum")([x, y])
    x = backbone(layers.ZeroPadding2D(1)(layers.MaxPooling2D(2, name="pool")(x))[:, :8, :8])
    outputs = layers.Dense(64, name="top")(layers.Flatten()(x))
    model = keras.Model(inputs, outputs, name="small")
    return pconv_tf.prune_one_shot(model, {"connectivity_rate": 3.6, "dense_rate": 4.0})


@pytest.fixture(scope="module")
def stock(model):
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_keras_model(model).convert()


def test_convert_and_inspect(model, stock):
    for source in (model, stock):
        converted = convert_with_report(source, force=True)
        assert [layer.name for layer in converted.layers] == NAMES
        assert [layer.name for layer in inspect(converted.flatbuffer).layers] == NAMES


def test_profiles(model, stock, delegate, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(stock)
    alone = [time.name for time in profile_ops(path, num_threads=1, options={})]
    assert [name for name in alone if name in NAMES] == NAMES
    assert {"sum", "pool"} < set(alone)
    path.write_bytes(pconv_tf.convert(model, force=True, quiet=True))
    inside = profile_ops(path, num_threads=1, options={"delegate": delegate})
    assert {time.name for time in inside if time.op.startswith("PConv2D")} == set(NAMES)


@pytest.mark.parametrize(
    ("tensors", "scope", "name"),
    [
        (["small_1/a_1/Relu;small_1/a_1/Conv2D", "small_1/b_2_1/Relu"], "small_1/b_2_1", "b_2"),
        (["small/a/Relu", "small/conv2d_1/Conv2D"], "small/conv2d_1", "conv2d_1"),
        (["small_1/a/Relu", "small_1/b_1/Relu"], "small_1/b_1", "b_1"),  # not all have the number
        (["a/Relu", "b/Relu"], "b", "b"),
        (["a/Relu", "a/Conv2D"], "a", "a"),
        (["StatefulPartitionedCall:0", "m/x/y/Relu"], "m/x/y", "x/y"),
        ([], "a/b", "a/b"),
    ],
)
def test_what_all_names_share_is_left_out(tensors, scope, name):
    assert Scopes(tensors).layer(scope) == name
