"""Every operator of stock files can be timed alone, or is left out."""

import numpy as np
import pytest

from pconv_tf.measuring.op_profile import profile_ops


def half(model, tf):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def sparse(model, tf):
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            kernel = np.array(layer.kernel)
            layer.kernel.assign(kernel * (np.random.default_rng(0).random(kernel.shape) < 0.1))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    return converter.convert()


def reshaped(model, tf):
    @tf.function(input_signature=[tf.TensorSpec([1, None, 8, 3])])
    def call(x):
        return tf.reshape(x, [tf.shape(x)[1], -1])

    return tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()]).convert()


@pytest.mark.parametrize("make", [half, sparse, reshaped])
def test_files_of_others(make, small_model, tmp_path):
    import keras
    import tensorflow as tf

    path = tmp_path / "model.tflite"
    path.write_bytes(make(keras.models.clone_model(small_model), tf))
    times = profile_ops(path, num_threads=1, options={})
    convolutions = [time for time in times if time.op == "CONV_2D"]
    assert all(time.ms for time in convolutions)
    assert len(convolutions) == (0 if make is reshaped else 3)
    assert times
