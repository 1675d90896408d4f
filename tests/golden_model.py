"""A stored dense .tflite and what it converts to: `PYTHONPATH=. python tests/golden_model.py`.

`model_dense.tflite` is written once, by whichever TensorFlow is installed; `model_pconv.tflite` is
what convert() makes of it, byte by byte, until the format changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pruned_models import prune

import pconv_tf

FOLDER = Path(__file__).parent / "golden"
DENSE = FOLDER / "model_dense.tflite"
CONVERTED = FOLDER / "model_pconv.tflite"


def write() -> None:
    """Writes both files; the dense one only if it is not there."""
    if not DENSE.exists():
        import keras

        layers = keras.layers
        inputs = keras.Input((8, 8, 4), name="image")
        x = layers.Conv2D(10, 3, padding="same", activation="relu", name="same")(inputs)
        x = layers.Conv2D(16, 3, strides=2, name="padded")(layers.ZeroPadding2D()(x))
        x = layers.Dense(6, name="top")(layers.GlobalAveragePooling2D()(x))
        model = prune(keras.Model(inputs, x, name="golden"), np.random.default_rng(8))
        pconv_tf.convert_dense(model, output=DENSE)
    pconv_tf.convert(DENSE, output=CONVERTED, force=True, quiet=True)


if __name__ == "__main__":
    write()
