"""ResNet-20 for CIFAR-10 (He et al. 2016, option-A shortcuts), with weights in PyTorch's names.

`resnet20_cifar` of `pconv-tf compare` is another variant, see pconv_tf/comparing/networks.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
BLOCKS = 3
WIDTHS = (16, 32, 64)


def build() -> Any:
    """The network: float32 [N, 32, 32, 3], normalised by MEAN and STD, to 10 logits."""
    import keras

    layers = keras.layers

    def conv(x: Any, name: str, width: int, stride: int = 1) -> Any:
        # PyTorch pads both sides by one, also at stride 2.
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        return layers.Conv2D(width, 3, strides=stride, use_bias=False, name=name)(x)

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)

    inputs = layers.Input((32, 32, 3))
    x = layers.ReLU()(norm(conv(inputs, "conv1", WIDTHS[0]), "bn1"))
    for stage, width in enumerate(WIDTHS, start=1):
        for block in range(BLOCKS):
            prefix = f"layer{stage}_{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            shortcut = x
            if stride == 2:
                shortcut = layers.AveragePooling2D(1, strides=2)(x)
                shortcut = keras.ops.pad(shortcut, [[0, 0]] * 3 + [[width // 4, width // 4]])
            y = layers.ReLU()(norm(conv(x, f"{prefix}_conv1", width, stride), f"{prefix}_bn1"))
            y = norm(conv(y, f"{prefix}_conv2", width), f"{prefix}_bn2")
            x = layers.ReLU()(layers.Add()([y, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, name="linear")(x), name="resnet20")


def load_weights(model: Any, path: Path) -> None:
    """Loads an .npz with PyTorch names ("layer1.0.conv1.weight") and layouts (OIHW).

    Raises:
        KeyError: An array is missing.
    """
    with np.load(path) as arrays:
        for layer in model.layers:
            if not layer.weights:
                continue
            source = layer.name.replace("_", ".")
            if layer.name.split("_")[-1].startswith("bn"):
                names = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([arrays[f"{source}.{name}"] for name in names])
            elif layer.name == "linear":
                layer.set_weights([arrays["linear.weight"].T, arrays["linear.bias"]])
            else:
                layer.set_weights([arrays[f"{source}.weight"].transpose(2, 3, 1, 0)])
