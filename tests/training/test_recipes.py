"""Every recipe in configs/ fits the network it is named for and compresses it as it says."""

import re
from pathlib import Path

import numpy as np
import pytest

from pconv_tf.comparing.networks import network
from pconv_tf.comparing.published_networks import demosaicnet, resnet20
from pconv_tf.config import PruningConfig
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.plan import make_plan
from pconv_tf.training.projections import kept_kernels

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
CIFAR = (32, 32, 3)
IMAGENET = (224, 224, 3)


def application(name, shape, classes):
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=shape, classes=classes)


def fashion_mnist_vgg():
    from experiments.fashion_mnist_vgg import build

    return build()


NETWORKS = {
    "demosaicnet": demosaicnet,
    "fashion_mnist_vgg": fashion_mnist_vgg,
    "mobilenet_v2_cifar10": lambda: application("MobileNetV2", CIFAR, 10),
    "mobilenet_v2_imagenet": lambda: network("mobilenet_v2").build(IMAGENET),
    "resnet20_cifar10": resnet20,
    "resnet50_cifar10": lambda: application("ResNet50", CIFAR, 10),
    "resnet50_imagenet": lambda: network("resnet50").build(IMAGENET),
    "vgg16_cifar10": lambda: network("vgg16_cifar").build(CIFAR),
    "vgg16_imagenet": lambda: network("vgg16").build(IMAGENET),
}


def stated_compression(name):
    """The N of "convolutions Nx" in the recipe's opening comment."""
    comment = re.match(r"(?:#.*\n)+", (CONFIGS / f"{name}.yaml").read_text())
    assert comment, f"{name}: has no opening comment"
    stated = re.findall(r"convolutions\s+([\d.]+)x", comment[0].replace("\n#", " "))
    assert len(stated) == 1, f"{name}: must say once how far convolutions are compressed"
    return float(stated[0])


def weights_kept(layer):
    _, _, channels, filters = layer.kernel.shape
    constraint = layer.constraint
    share = kept_kernels(constraint.ranked, constraint.rate) / constraint.ranked
    return layer.entries * channels * filters * share


def test_every_recipe_has_a_network():
    assert sorted(NETWORKS) == RECIPES


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] * (name.endswith("imagenet") or "net_v2" in name)
        )
        for name in RECIPES
    ],
)
def test_recipe_compresses_its_network_as_stated(name):
    model = NETWORKS[name]()
    if name not in ("demosaicnet", "fashion_mnist_vgg"):
        shape, classes = (CIFAR, 10) if name.endswith("cifar10") else (IMAGENET, 1000)
        assert model.input_shape[1:] == shape
        assert model.output_shape[1:] == (classes,)
    config = PruningConfig.from_yaml(CONFIGS / f"{name}.yaml")
    pruned = {layer.name: layer for layer in make_plan(model, config, for_training=True).layers}
    weights = kept = 0
    for kernel in find_kernels(model)[0]:
        if kernel.kind == "dense":
            continue
        weights += (size := np.prod(kernel.shape))
        kept += weights_kept(pruned[kernel.name]) if kernel.name in pruned else size
    assert weights / kept == pytest.approx(stated_compression(name), rel=0.05)


@pytest.mark.slow
def test_hidden_layers_of_vgg16_keep_a_tenth():
    model = NETWORKS["vgg16_imagenet"]()
    plan = make_plan(model, PruningConfig.from_yaml(CONFIGS / "vgg16_imagenet.yaml"))
    dense = [layer for layer in plan.layers if layer.kernel.kind == "dense"]
    assert [layer.name for layer in dense] == ["fc1", "fc2"]
    for layer in dense:
        assert weights_kept(layer) / np.prod(layer.kernel.shape) == pytest.approx(0.1, rel=0.01)
