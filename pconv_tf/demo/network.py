"""The demo's network: a small VGG, 3x3 convolutions with batch normalisation."""

from __future__ import annotations

from typing import Any

from pconv_tf.demo.fashion_mnist import IMAGE_SHAPE, NUM_CLASSES

# (filters, pool after it) of each 3x3 convolution.
BLOCKS = ((16, True), (64, True), (128, False), (128, True), (256, False), (256, False))


def build(learning_rate: Any, *, soft_labels: bool = False) -> Any:
    """Returns a compiled `keras.Model` for 28x28x1 images; its outputs are logits.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`.
        soft_labels: Whether labels are probabilities [images, 10], instead of numbers.
    """
    import keras

    layers: list[Any] = [keras.Input(IMAGE_SHAPE, batch_size=None, name="image")]
    for number, (filters, pool) in enumerate(BLOCKS, start=1):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}"),
            # Few steps an epoch: the default momentum would leave the averages far behind.
            keras.layers.BatchNormalization(momentum=0.9, name=f"norm{number}"),
            keras.layers.ReLU(name=f"relu{number}"),
        ]
        if pool:
            layers.append(keras.layers.MaxPooling2D(name=f"pool{number}"))
    layers += [
        keras.layers.GlobalAveragePooling2D(name="mean"),
        keras.layers.Dense(NUM_CLASSES, name="logits"),
    ]
    model = keras.Sequential(layers, name="fashion_cnn")
    loss = "CategoricalCrossentropy" if soft_labels else "SparseCategoricalCrossentropy"
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=getattr(keras.losses, loss)(from_logits=True),
        metrics=["accuracy"],
    )
    return model
