"""Dense twins of the networks of `benchmarks.models`: pruned at once, kept in the user's cache."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from benchmarks.model_networks import MODELS, Model
from pconv_tf.cache_folder import cache_folder
from pconv_tf.files import write_atomically

_SEED = 0
_PACKAGE = Path(__file__).resolve().parents[1] / "pconv_tf"
# What a twin depends on: networks, and pruning with the default configuration.
_SOURCES = ("config.py", "training")


def twin_of(model: Model, filter_block: int = 1) -> Path:
    """The dense twin of a network that the default configuration has pruned; made if it is new.

    Args:
        model: The network.
        filter_block: So many neighbouring filters share their masks.
    """
    name = re.sub("[^a-z0-9]+", "_", model.name)
    path = cache_folder("models", _digest()) / f"{name}_{filter_block}.tflite"
    if not path.is_file():
        from pconv_tf.conversion import convert_dense

        write_atomically(path, convert_dense(pruned(model, filter_block)))
    return path


def pruned(model: Model, filter_block: int = 1) -> Any:
    """The Keras model with random weights, pruned at once with the default configuration.

    Args:
        model: The network.
        filter_block: So many neighbouring filters share their masks.

    Kernels are as He et al. (2015) begin, and what pruning leaves is scaled up to the same energy:
    so activations keep their magnitude through deep networks, and an output means something.
    """
    import keras
    import numpy as np

    from pconv_tf.training import prune_one_shot

    keras.utils.set_random_seed(_SEED)
    rng = np.random.default_rng(_SEED)
    built = model.build(keras.Input(model.shape, batch_size=1, name="input"))
    energies = {}
    for weight in built.weights:
        if "kernel" in weight.name:
            # Of a depthwise layer [height, width, channels, 1]; names do not always tell.
            depthwise = weight.shape[-1] == 1
            fan_in = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
            values = rng.standard_normal(weight.shape, np.float32) * np.sqrt(2 / fan_in)
            weight.assign(values.astype(np.float32))
            energies[weight.path] = np.square(values, dtype=np.float64).sum()
    prune_one_shot(built, {"filter_block": filter_block})
    for weight in built.weights:
        if weight.path in energies:
            values = np.asarray(weight)
            left = np.square(values, dtype=np.float64).sum()
            weight.assign(values * np.float32(np.sqrt(energies[weight.path] / max(left, 1e-30))))
    return built


def _digest() -> str:
    digest = hashlib.sha256(Path(__file__).with_name("model_networks.py").read_bytes())
    digest.update(Path(__file__).read_bytes())
    for source in _SOURCES:
        path = _PACKAGE / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Makes all twins."""
    for model in MODELS:
        print(model.name, twin_of(model).stat().st_size, flush=True)


if __name__ == "__main__":
    main()
