"""Prunes a network of keras.applications while it is fine-tuned on one's own images.

python examples/fine_tune_application.py [FOLDER [WEIGHTS]]

FOLDER has a subfolder of images for each class; without it, random images take their place.
WEIGHTS is "imagenet", which Keras downloads, or "none" (the default), which shows the steps only.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import pconv_tf

SIZE = 64
folder = sys.argv[1] if len(sys.argv) > 1 else None
weights = sys.argv[2] if len(sys.argv) > 2 else "none"
keras.utils.set_random_seed(0)
if folder is None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (64, SIZE, SIZE, 3)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((images, rng.integers(0, 3, 64))).batch(16)
    classes = 3
else:
    data = keras.utils.image_dataset_from_directory(folder, image_size=(SIZE, SIZE))
    classes = len(data.class_names)

base = keras.applications.MobileNetV2(
    input_shape=(SIZE, SIZE, 3),
    include_top=False,
    pooling="avg",
    weights=None if weights == "none" else weights,
)
inputs = keras.Input((SIZE, SIZE, 3))
features = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs))
model = keras.Model(inputs, keras.layers.Dense(classes, name="logits")(features))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

# First the new top alone, then all of it while it is pruned.
base.trainable = False
model.compile("adam", loss, metrics=["accuracy"])
model.fit(data, epochs=1, verbose=2)
base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
config = pconv_tf.PruningConfig(
    pointwise_rate=4.0, rho=(1e-2,), epochs_per_stage=1, retrain_epochs=1
)
model.fit(data, epochs=config.total_epochs, callbacks=[pconv_tf.PConvCallback(config)], verbose=2)
pconv_tf.convert(model, output="fine_tuned.tflite")
