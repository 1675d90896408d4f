"""VGG-16 for small images (Simonyan and Zisserman 2015), with batch norm and narrower if wanted."""

from __future__ import annotations

from typing import Any

# Filters of the 3x3 convolutions of each stage; a stage ends with a pooling layer, but the last.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def build(input_shape: tuple[int, int, int], *, width: float = 1.0, classes: int = 10) -> Any:
    """The network: float32 [N, *input_shape] to logits [N, classes].

    Pooling rounds up, so that images of 28 and of 32 pixels end in 2x2, where the kernels of the
    last stage still have several taps inside of the image.

    Args:
        input_shape: (height, width, channels), not normalised by the network.
        width: Factor of all numbers of filters: 0.25 has 0.92 million weights.
        classes: Outputs.
    """
    import keras

    layers = keras.layers
    x = inputs = layers.Input(input_shape, name="image")
    for stage, filters in enumerate(STAGES, start=1):
        for number, count in enumerate(filters, start=1):
            name = f"conv{stage}_{number}"
            x = layers.Conv2D(round(count * width), 3, padding="same", use_bias=False, name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        if stage < len(STAGES):
            x = layers.MaxPooling2D(padding="same", name=f"pool{stage}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="vgg16")
