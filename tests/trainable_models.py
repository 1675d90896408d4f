"""Small Keras models to train and prune, and data that they can learn."""

import numpy as np


def small_cnn(keras, *, filters=8, size=8):
    """Two 3x3 convolutions, a 1x1, a depthwise and a fully connected layer."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((size, size, 3)),
            layers.Conv2D(filters, 3, padding="same", activation="relu", name="first"),
            layers.Conv2D(2 * filters, 3, padding="same", name="second"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.Conv2D(2 * filters, 1, name="pointwise"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(4, name="classes"),
        ]
    )


def small_data(rng, samples=64, size=8):
    """Images and labels that a small network can learn."""
    labels = rng.integers(0, 4, samples)
    images = rng.normal(size=(samples, size, size, 3)).astype(np.float32)
    images[np.arange(samples), labels, labels] += 4
    return images, labels


def compiled(keras, model, *, ready=True, **kwargs):
    """The model, compiled for classification with Adam.

    Keras 3 makes the variables of optimizers and metrics in the first step, and TensorFlow traces a
    step that made variables once more: that is half the time of a short training. Here they are
    made at once, unless not `ready`.
    """
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"], **kwargs)
    if ready and model.built and keras.__name__ == "keras":
        model.optimizer.build(model.trainable_variables)
        scores = np.zeros((1, *model.output_shape[1:]), np.float32)
        model.compute_metrics(None, np.zeros(scores.shape[:-1], int), scores)
        model.reset_metrics()
    return model
