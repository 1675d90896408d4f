"""Every recipe in configs/ is valid and fits the network it is named for."""

import functools
from pathlib import Path

import pytest

from pconv_tf.config import PruningConfig
from pconv_tf.training.plan import make_plan

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


@functools.cache
def network(family):
    import keras

    if family == "vgg16":
        return keras.applications.VGG16(weights=None)
    if family == "resnet50":
        return keras.applications.ResNet50(weights=None)
    if family == "mobilenet":
        return keras.applications.MobileNetV2(weights=None)
    if family == "resnet20":
        from experiments.resnet20 import build

        return build()
    from experiments.demosaicnet import build_bayer

    return build_bayer()


def test_recipes_are_there():
    families = {name.split("_")[0] for name in RECIPES}
    assert families >= {"vgg16", "resnet50", "mobilenet", "resnet20", "demosaicnet"}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_fits_its_network(name):
    config = PruningConfig.from_yaml(CONFIGS / f"{name}.yaml")
    plan = make_plan(network(name.split("_")[0]), config, for_training=True)
    convs = [layer for layer in plan.layers if layer.kernel.kind != "dense"]
    assert len(convs) >= 10
    expected = {"vgg16": 8.1, "resnet20_cifar10": 4.4, "demosaicnet": 4.0, "resnet50_imagenet": 4.4}
    for prefix, compression in expected.items():
        if name.startswith(prefix):
            dense = kept = 0.0
            for layer in convs:
                kh, kw, channels, filters = layer.kernel.shape
                dense += kh * kw * channels * filters
                kept += layer.entries * channels * filters / layer.constraint.rate
            assert dense / kept == pytest.approx(compression, rel=0.15), name
