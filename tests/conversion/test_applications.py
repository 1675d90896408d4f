"""One network of each family of keras.applications, pruned in one shot."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection

FAMILIES = {
    "VGG16": 32,
    "ResNet50": 32,
    "DenseNet121": 32,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "EfficientNetB0": 32,
    "NASNetMobile": 32,
    "InceptionV3": 75,
    "Xception": 71,
    "ConvNeXtTiny": 32,
}
# What takes minutes, or has no kind of layer that the others lack.
LARGE = ("DenseNet121", "NASNetMobile", "InceptionV3", "Xception", "MobileNet")


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=[pytest.mark.models] * (name in LARGE)) for name in FAMILIES],
)
def test_family(keras, rng, run, family, request):
    size = FAMILIES[family]
    make = getattr(keras.applications, family)
    model = make(weights=None, include_top=False, input_shape=(size, size, 3))
    settle(model, rng)
    pconv_tf.prune_one_shot(model, {"pattern_set": "pconv4", "connectivity_rate": 3.6})
    twin = pconv_tf.convert_dense(model)
    conversion = convert_with_report(twin, force=True)  # small maps gain little
    converted = [layer for layer in conversion.layers if layer.became == "PConv2D"]
    assert len(converted) > 8
    assert len(conversion.flatbuffer) < len(twin)
    results = inspection.verify(conversion.flatbuffer, twin)
    assert [result.name for result in results if not result.matches] == []

    images = rng.standard_normal((1, size, size, 3)).astype(np.float32)
    (expected,) = run(twin, images)
    assert np.isfinite(expected).all()
    assert expected.any()
    run_pconv = request.getfixturevalue("run_pconv")
    (actual,) = run_pconv(conversion.flatbuffer, images)
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def settle(model, rng):
    """Gives normalisations statistics with which random activations neither vanish nor explode."""
    for weight in model.weights:
        if weight.path.endswith(("moving_variance", "gamma")):
            weight.assign(rng.uniform(0.8, 1.2, weight.shape))
        elif weight.path.endswith(("moving_mean", "beta", "bias")):
            weight.assign(rng.uniform(-0.2, 0.2, weight.shape))
