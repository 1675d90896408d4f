"""Pruned models, and running .tflite files with and without the delegate."""

import copy

import numpy as np
import pytest
from pruned_models import small_net


@pytest.fixture
def keras():
    """Keras 3, seeded."""
    import keras

    keras.utils.set_random_seed(7)
    return keras


@pytest.fixture
def fresh_net(keras, rng):
    """A small network with one of each kind of convertible layer, pruned."""
    return small_net(keras, rng)


@pytest.fixture(scope="session")
def net_for_all():
    """Such a network, and a place for what TensorFlow makes of it."""
    import keras

    keras.utils.set_random_seed(7)
    return small_net(keras, np.random.default_rng(7)), []


@pytest.fixture
def net(net_for_all, monkeypatch):
    """Such a network, shared by all tests of a process: TensorFlow converts it to float32 once."""
    from pconv_tf.conversion import sources

    model, converted = net_for_all
    convert = sources._from_keras

    def from_keras(source, family, shapes, calibration):
        if source is not model or shapes is not None or calibration is not None:
            return convert(source, family, shapes, calibration)
        if not converted:
            converted.append(convert(source, family, shapes, calibration))
        return copy.deepcopy(converted[0])

    monkeypatch.setattr(sources, "_from_keras", from_keras)
    return model


@pytest.fixture
def image(rng):
    """An input of `net`."""
    return rng.standard_normal((1, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def run():
    """A function that runs a .tflite file on inputs, XNNPACK included."""
    return run_tflite


@pytest.fixture
def run_pconv(delegate):
    """A function that runs a .tflite file with the delegate."""
    import pconv_tf

    def call(flatbuffer, *inputs):
        return run_tflite(flatbuffer, *inputs, delegates=[pconv_tf.load_delegate()])

    return call


def run_tflite(flatbuffer, *inputs, delegates=None):
    """All outputs for `inputs`, in the order of the file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(
        model_content=bytes(flatbuffer), experimental_delegates=delegates, num_threads=1
    )
    details = interpreter.get_input_details()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
