"""Pruned models, and running .tflite files with and without the delegate."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest


@pytest.fixture
def rng():
    """A generator whose seed is printed when the test fails."""
    seed = int(os.environ.get("PCONV_TEST_SEED", "20200213"))
    print(f"seed: {seed} (set PCONV_TEST_SEED to change it)")
    return np.random.default_rng(seed)


@pytest.fixture
def keras():
    """Keras 3, seeded."""
    import keras

    keras.utils.set_random_seed(7)
    return keras


@pytest.fixture
def run():
    """A function that runs a .tflite file on inputs, XNNPACK included."""
    return run_tflite


@pytest.fixture
def run_pconv():
    """A function that runs a .tflite file with the delegate."""
    import pconv_tf

    try:
        pconv_tf.delegate_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))

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
