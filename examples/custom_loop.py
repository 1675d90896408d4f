"""A training loop of one's own in TensorFlow, with PConvCallback called by hand.

python examples/custom_loop.py
"""

import keras
import numpy as np
import tensorflow as tf

import pconv_tf

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(256, 16, 16, 8)).astype(np.float32)
y = rng.integers(0, 4, 256)
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)

model = keras.Sequential(
    [
        keras.Input((16, 16, 8)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="a"),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="b"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(4),
    ]
)
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-3))
optimizer = model.optimizer
config = pconv_tf.PruningConfig(
    connectivity_rate=2.0, rho=(0.1,), epochs_per_stage=1, retrain_epochs=1
)

callback = pconv_tf.PConvCallback(config)
callback.set_model(model)
callback.on_train_begin()
for epoch in range(config.total_epochs):
    callback.on_epoch_begin(epoch)
    for batch, (images, labels) in enumerate(data):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True)) + callback.penalty()
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        callback.apply_masks()
        callback.on_train_batch_end(batch)
    logs: dict[str, float] = {}
    callback.on_epoch_end(epoch, logs)
    print(f"epoch {epoch}: loss {float(loss):.3f}, {logs['pconv_sparsity']:.1%} zeros")
callback.on_train_end()

pconv_tf.summary(model, config)
pconv_tf.convert(model, output="custom_loop.tflite", force=True)
