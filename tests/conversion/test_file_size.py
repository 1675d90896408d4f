"""The compression that the format promises, on VGG-16's convolutions."""

import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report


@pytest.mark.slow
def test_vgg16_convolutions_at_8_1x(keras):
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    pconv_tf.prune_one_shot(
        model, {"pattern_set": "pconv4", "connectivity_rate": 3.6, "first_layer_rate": 3.6}
    )
    twin = pconv_tf.convert_dense(model)
    for weights, ratio in (("float32", 7), ("float16", 12), ("int8", 20)):
        conversion = convert_with_report(twin, weights=weights)
        assert all(layer.became == "PConv2D" for layer in conversion.layers)
        assert len(conversion.flatbuffer) * ratio <= len(twin), weights
