"""Files whose zeros were made by another framework: only the .tflite counts."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection

PATTERNS = [0o33, 0o66, 0o330, 0o660]  # squares of four taps


@pytest.fixture
def kernels(rng):
    """Weights of PyTorch's order [O, I, kh, kw], pruned by patterns and whole kernels."""
    spatial = rng.standard_normal((32, 16, 3, 3)).astype(np.float32)
    for filter_, channel in np.ndindex(32, 16):
        mask = PATTERNS[rng.integers(4)] if rng.random() < 0.5 else 0
        taps = [mask >> bit & 1 for bit in range(9)]
        spatial[filter_, channel] *= np.reshape(taps, (3, 3))
    grouped = rng.standard_normal((32, 8, 3, 3)).astype(np.float32)
    grouped *= rng.random((32, 8, 1, 1)) < 0.4
    pointwise = rng.standard_normal((24, 32, 1, 1)).astype(np.float32)
    pointwise *= rng.random(pointwise.shape) < 0.25
    return spatial, grouped, pointwise


def tflite_of(kernels, half=False):
    """A plain TensorFlow function of the three convolutions as .tflite."""
    import tensorflow as tf

    spatial, grouped, pointwise = (kernel.transpose(2, 3, 1, 0) for kernel in kernels)

    @tf.function(input_signature=[tf.TensorSpec([1, 14, 14, 16])])
    def network(x):
        x = tf.nn.relu(tf.nn.conv2d(x, spatial, 1, "SAME") + 0.1)
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        x = tf.nn.relu6(tf.nn.conv2d(x, grouped, 2, "VALID"))
        return tf.nn.conv2d(x, pointwise, 1, "VALID")

    concrete = network.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], network)
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


@pytest.mark.parametrize("half", [False, True])
def test_patterns_and_kept_kernels_are_read_off_the_zeros(kernels, half, rng, run, run_pconv):
    source = tflite_of(kernels, half)
    conversion = convert_with_report(source, force=True)
    assert [layer.became for layer in conversion.layers] == ["PConv2D"] * 3
    spatial, grouped, pointwise = inspection.inspect(conversion.flatbuffer).layers
    assert set(spatial.patterns) == set(PATTERNS)
    assert spatial.kernels == np.count_nonzero(kernels[0].any(axis=(2, 3)))
    assert (grouped.groups, grouped.patterns) == (4, (0o777,))
    assert pointwise.kernels == np.count_nonzero(kernels[2])
    data = rng.standard_normal((1, 14, 14, 16)).astype(np.float32)
    (expected,) = run(source, data)
    (actual,) = run_pconv(conversion.flatbuffer, data)
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def test_weights_shifted_off_zero_are_not_pruned(kernels):
    shifted = [kernel + np.float32(1e-6) for kernel in kernels]
    conversion = convert_with_report(tflite_of(shifted))
    assert {layer.reason for layer in conversion.layers} == {"not pruned"}
    assert conversion.remarks[0].startswith("The model is not pruned")
    assert pconv_tf.convert(tflite_of(shifted), quiet=True)
