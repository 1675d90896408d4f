"""Networks by name: shapes, and activations that mean something."""

import numpy as np
import pytest

from pconv_tf.comparing.network_files import _normalise_logits, network_files
from pconv_tf.comparing.networks import NETWORKS, build_network, network

# Filters of all 3x3 convolutions, as published.
_CONVS = {
    "vgg16": 13,
    "vgg16_conv": 13,
    "resnet50": 16,
    "mobilenet_v2": 1,
    "vgg16_cifar": 13,
    "resnet20_cifar": 19,
    "demosaicnet": 16,
}
_PARAMETERS = {
    "vgg16": 138_357_544,
    "vgg16_conv": 14_714_688,
    "resnet50": 25_636_712,
    "mobilenet_v2": 3_538_984,
    "resnet20_cifar": 271_098,  # 269,722 to train, and the statistics of normalisation
    "demosaicnet": 560_982,
}


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "vgg16"])
def test_network(name):
    import keras

    model = build_network(name)
    assert model.input_shape == (1, *NETWORKS[name].input_shape)
    convs = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
        and layer.kernel_size == (3, 3)
    ]
    assert len(convs) == _CONVS[name]
    if name in _PARAMETERS:
        assert model.count_params() == _PARAMETERS[name]


@pytest.mark.parametrize("name", ["resnet20_cifar", "vgg16_cifar", "demosaicnet"])
def test_activations_keep_their_magnitude(name):
    model = build_network(name)
    _normalise_logits(model, seed=0)
    image = np.random.default_rng(0).uniform(-1, 1, model.input_shape).astype(np.float32)
    out = np.asarray(model(image, training=False))
    assert np.isfinite(out).all()
    assert 0.1 < out.std() < 10


def test_weights_depend_on_the_seed_only():
    kernels = [
        np.asarray(build_network("resnet20_cifar", seed=seed).get_layer("conv1").kernel)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="unknown network 'vgg19', expected one of: vgg16, "):
        network("vgg19")
    with pytest.raises(ValueError, match="filter_block"):
        network_files("resnet20_cifar", {"filter_block": 3})
