"""The networks that comparisons know by name, as Keras 3 models with random weights.

Dense kernels do not look at weight values, and pruned ones only at where the zeros are, so random
weights give honest latencies. They are scaled so that activations neither vanish nor blow up in any
layer: an output check against them means something.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pconv_tf.comparing.published_networks import demosaicnet, resnet20

if TYPE_CHECKING:
    import keras
    import numpy as np

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Network:
    """A network by name.

    Attributes:
        name: What `--network` accepts.
        description: One line for help and docs.
        input_shape: Height, width, channels; the batch is 1.
        build: Makes the Keras model, weights as Keras initialises them.
        pruning: Fields of `PruningConfig` the network is pruned with unless told otherwise: the
            rates at which comparisons of it are usually made.
    """

    name: str
    description: str
    input_shape: Shape
    build: Callable[[Shape], keras.Model]
    pruning: Mapping[str, Any] = field(default_factory=dict)


def network(name: str) -> Network:
    """Looks a network up.

    Raises:
        ValueError: No network has this name.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}, expected one of: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def build_network(name: str, *, seed: int = 0) -> keras.Model:
    """Builds a network for batch 1 with He-scaled random weights, the same for the same seed.

    Batch normalisation gets random statistics too, so that folding it is part of what is tested.
    """
    spec = network(name)
    model = spec.build(spec.input_shape)
    for layer in model.layers:
        _randomise(layer, seed)
    return model


def _randomise(layer: keras.layers.Layer, seed: int) -> None:
    import numpy as np

    # A stream per layer name: weights do not depend on the order of layers.
    rng = np.random.default_rng([seed, zlib.crc32(layer.name.encode())])
    for weight in layer.weights:
        match weight.name:
            case "kernel":
                values = _normal(rng, math.sqrt(2 / _fan_in(layer)), weight.shape)
            case "bias" | "beta" | "moving_mean":
                values = _normal(rng, 0.1, weight.shape)
            case "gamma" | "moving_variance":
                values = rng.uniform(0.8, 1.2, weight.shape)
            case _:
                raise ValueError(
                    f"layer {layer.name!r}: weight {weight.name!r} is of no known kind"
                )
        weight.assign(values.astype(np.float32, copy=False))


def _normal(rng: np.random.Generator, deviation: float, shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np

    return rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)


def _fan_in(layer: keras.layers.Layer) -> int:
    import keras

    shape = layer.kernel.shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):  # [kh, kw, channels, multiplier]
        return shape[0] * shape[1]
    if isinstance(layer, keras.layers.Conv2DTranspose):  # [kh, kw, out, in], no overlap
        return shape[3]
    return math.prod(shape[:-1])


def _application(name: str, **options: Any) -> Callable[[Shape], keras.Model]:
    def build(shape: Shape) -> keras.Model:
        import keras

        make = getattr(keras.applications, name)
        return make(weights=None, input_tensor=_input(shape), **options)

    return build


def vgg16_cifar(inputs: keras.KerasTensor) -> keras.Model:
    """VGG-16's convolutions with batch normalisation and one classifier layer.

    Args:
        inputs: float32 [N, 32, 32, 3].
    """
    from keras import Model, layers

    x = inputs
    for block, (depth, filters) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for conv in range(1, depth + 1):
            name = f"block{block}_conv{conv}"
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
            x = layers.BatchNormalization(name=f"{name}_bn")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    return Model(inputs, layers.Dense(10, name="predictions")(x), name="vgg16_cifar")


def _input(shape: Shape) -> Any:
    import keras

    return keras.Input(shape=shape, batch_size=1, name="input")


_EIGHT_PATTERNS = {"pattern_set": "natural8", "connectivity_rate": 3.6}

NETWORKS: dict[str, Network] = {
    spec.name: spec
    for spec in (
        Network(
            "vgg16",
            "VGG-16 with its fully connected layers, 224x224",
            (224, 224, 3),
            _application("VGG16"),
            {**_EIGHT_PATTERNS, "dense_rate": 10},
        ),
        Network(
            "vgg16_conv",
            "VGG-16 without its fully connected top, 224x224",
            (224, 224, 3),
            _application("VGG16", include_top=False),
            _EIGHT_PATTERNS,
        ),
        Network(
            "resnet50",
            "ResNet-50, 224x224",
            (224, 224, 3),
            _application("ResNet50"),
            {"pattern_set": "natural8", "connectivity_rate": 2, "pointwise_rate": 4},
        ),
        Network(
            "mobilenet_v2",
            "MobileNet-V2 1.0, 224x224",
            (224, 224, 3),
            _application("MobileNetV2"),
            {"pattern_set": "natural8", "connectivity_rate": 1, "pointwise_rate": 8},
        ),
        Network(
            "vgg16_cifar",
            "VGG-16's convs with batch normalisation, 32x32",
            (32, 32, 3),
            lambda shape: vgg16_cifar(_input(shape)),
            _EIGHT_PATTERNS,
        ),
        Network(
            "resnet20_cifar",
            "ResNet-20 (option-A shortcuts), 32x32",
            (32, 32, 3),
            lambda shape: resnet20(_input(shape)),
            {"pattern_set": "natural8", "connectivity_rate": 2, "pointwise_rate": 1},
        ),
        Network(
            "demosaicnet",
            "DemosaicNet (Bayer), a tile of 128x128",
            (128, 128, 3),
            lambda shape: demosaicnet(_input(shape)),
            {"pattern_set": "natural8", "connectivity_rate": 1.8, "pointwise_rate": 1},
        ),
    )
}
