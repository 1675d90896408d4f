"""Keras 3 on JAX: the same callback; the file is made by TensorFlow afterwards.

python examples/jax_training.py
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

import pconv_tf

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(256, 16, 16, 8)).astype(np.float32)
y = rng.integers(0, 4, 256)

model = keras.Sequential(
    [
        keras.Input((16, 16, 8)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="a"),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="b"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(4),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
config = pconv_tf.PruningConfig(
    connectivity_rate=2.0, rho=(0.1,), epochs_per_stage=1, retrain_epochs=1
)
callback = pconv_tf.PConvCallback(config)
model.fit(x, y, epochs=config.total_epochs, callbacks=[callback], verbose=2)
pconv_tf.summary(model, config)
model.save("jax_pruned.keras")
print("now, with TensorFlow: pconv-tf convert jax_pruned.keras")
