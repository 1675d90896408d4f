"""The published weights of ResNet-20 for CIFAR-10, in PyTorch's names, and what they expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


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
