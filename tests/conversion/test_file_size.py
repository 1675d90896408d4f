"""The compression that the format promises, on VGG-16's convolutions."""

import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection


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


def test_a_layer_that_is_used_several_times_is_stored_once(keras):
    layers, image = keras.layers, keras.Input((16, 16, 64))
    for shared in (
        layers.Conv2D(64, 3, padding="same"),
        layers.TimeDistributed(layers.Conv2D(64, 3, padding="same")),
    ):
        start = image if isinstance(shared, layers.Conv2D) else keras.Input((2, 16, 16, 64))
        model = keras.Model(start, shared(shared(shared(start))))
        pconv_tf.prune_one_shot(model, {"connectivity_rate": 2.0})
        once = len(pconv_tf.convert(keras.Model(start, shared(start)), force=True, quiet=True))
        conversion = convert_with_report(model, force=True)
        size = len(conversion.flatbuffer)
        assert size < 1.2 * once
        assert sum(layer.fkw_bytes for layer in conversion.layers) < size
        # The way back stores them once as well, and finds the layers under their names again.
        twin = pconv_tf.convert_dense(conversion.flatbuffer)
        assert len(twin) < len(pconv_tf.convert_dense(model)) * 1.2
        names = [layer.name for layer in convert_with_report(conversion.flatbuffer).layers]
        assert names == [layer.name for layer in conversion.layers]


def test_layers_with_equal_masks_keep_their_names(keras):
    """Equal arrays are stored once, also where they belong to different layers."""
    layers, image = keras.layers, keras.Input((8, 8, 16))
    first, second = (layers.Conv2D(16, 3, padding="same", name=name) for name in ("one", "two"))
    model = keras.Model(image, second(first(image)))
    config = {"connectivity_rate": 2.0, "balance": "filter", "filter_block": 16}
    pconv_tf.prune_one_shot(model, config)
    flatbuffer = pconv_tf.convert(model, force=True, quiet=True)
    assert [layer.name for layer in inspection.inspect(flatbuffer).layers] == ["one", "two"]
