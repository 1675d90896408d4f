"""The networks of `benchmarks.models`: what people bring, at usual and at small sizes.

Families of keras.applications, and heads and decoders as they are built around them. Weights are
random; those of networks that end in a softmax end before it, which would hide errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pconv_tf.comparing.networks import vgg16_cifar
from pconv_tf.comparing.published_networks import demosaicnet, resnet20

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """One network at one size.

    Attributes:
        name: with its size.
        shape: of the input without the batch, which is 1.
        build: makes the Keras model from its input.
        tolerance: largest difference from the twin's output, relative to its magnitude.
    """

    name: str
    shape: Shape
    build: Callable[[Any], Any]
    tolerance: float = 1e-4


def _application(name: str, **options: Any) -> Callable[[Any], Any]:
    def build(image: Any) -> Any:
        import keras

        make = getattr(keras.applications, name)
        return make(weights=None, input_tensor=image, classifier_activation=None, **options)

    return build


def _conv(
    x: Any,
    filters: int,
    size: int | tuple[int, int] = 3,
    activation: str | None = "relu",
    **options: Any,
) -> Any:
    """A convolution without bias, batch normalisation, activation."""
    from keras import layers

    x = layers.Conv2D(filters, size, padding="same", use_bias=False, **options)(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.Activation(activation)(x)


def _backbone(image: Any, alpha: float, *ends: str) -> list[Any]:
    """Feature maps of a MobileNetV2, by the names of its layers."""
    import keras

    model = keras.applications.MobileNetV2(
        weights=None, input_tensor=image, alpha=alpha, include_top=False
    )
    return [model.get_layer(end).output for end in ends]


def unet(image: Any) -> Any:
    """U-Net (Ronneberger et al. 2015) of half its width, transposed convolutions upwards."""
    import keras
    from keras import layers

    x, skips = image, []
    for filters in (32, 64, 128, 256):
        x = _conv(_conv(x, filters), filters)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = _conv(_conv(x, 512), 512)
    for filters, skip in zip((256, 128, 64, 32), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = _conv(_conv(layers.Concatenate()([skip, x]), filters), filters)
    return keras.Model(image, layers.Conv2D(2, 1)(x))


def deeplab(image: Any) -> Any:
    """DeepLabV3+ (Chen et al. 2018) in small: MobileNetV2, three dilated branches, bilinear."""
    import keras
    from keras import layers

    low, x = _backbone(image, 0.5, "block_3_expand_relu", "block_13_expand_relu")
    branches = [_conv(x, 128, 1)]
    branches += [_conv(x, 128, dilation_rate=rate) for rate in (2, 4)]
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = layers.UpSampling2D(x.shape[1:3], interpolation="bilinear")(_conv(pooled, 128, 1))
    x = _conv(layers.Concatenate()([*branches, pooled]), 128, 1)
    x = layers.UpSampling2D(low.shape[1] // x.shape[1], interpolation="bilinear")(x)
    x = _conv(layers.Concatenate()([x, _conv(low, 48, 1)]), 128)
    x = layers.Conv2D(21, 1)(x)
    return keras.Model(image, layers.UpSampling2D(4, interpolation="bilinear")(x))


def ssd(image: Any) -> Any:
    """SSD (Liu et al. 2016) on MobileNetV2 0.35: six maps, boxes and classes of each."""
    import keras
    from keras import layers

    maps = _backbone(image, 0.35, "block_13_expand_relu", "out_relu")
    for filters in (256, 128, 128, 64):
        x = _conv(maps[-1], filters // 2, 1)
        maps.append(_conv(x, filters, strides=2))
    boxes, classes = [], []
    for features in maps:
        boxes.append(layers.Reshape((-1, 4))(layers.Conv2D(24, 3, padding="same")(features)))
        classes.append(layers.Reshape((-1, 21))(layers.Conv2D(126, 3, padding="same")(features)))
    joined = [layers.Concatenate(axis=1)(part) for part in (boxes, classes)]
    return keras.Model(image, joined)


def yolo(image: Any) -> Any:
    """Tiny YOLOv3 (Redmon and Farhadi 2018): LeakyReLU, two scales, nearest neighbours upwards."""
    import keras
    from keras import layers

    def block(x: Any, filters: int, size: int = 3) -> Any:
        return layers.LeakyReLU(negative_slope=0.1)(_conv(x, filters, size, None))

    x, route = image, None
    for filters in (16, 32, 64, 128, 256):
        route = block(x, filters)
        x = layers.MaxPooling2D(2)(route)
    x = block(block(block(x, 512), 1024), 256, 1)
    coarse = layers.Conv2D(255, 1)(block(x, 512))
    x = layers.UpSampling2D()(block(x, 128, 1))
    fine = layers.Conv2D(255, 1)(block(layers.Concatenate()([x, route]), 256))
    return keras.Model(image, [coarse, fine])


def espcn(image: Any) -> Any:
    """ESPCN (Shi et al. 2016), 3x: sub-pixel convolution."""
    import keras
    import tensorflow as tf
    from keras import layers

    depth_to_space = layers.Lambda(
        lambda x: tf.nn.depth_to_space(x, 3), output_shape=lambda s: (s[0], 3 * s[1], 3 * s[2], 1)
    )
    x = layers.Conv2D(64, 5, padding="same", activation="tanh")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="tanh")(x)
    x = layers.Conv2D(9, 3, padding="same")(x)
    return keras.Model(image, depth_to_space(x))


def crnn(image: Any) -> Any:
    """CRNN (Shi et al. 2015) for lines of text: convolutions, then an LSTM along the line."""
    import keras
    from keras import layers

    x = image
    for filters, pool in ((64, (2, 2)), (128, (2, 2)), (256, (2, 1)), (256, (2, 1)), (256, (2, 1))):
        x = layers.MaxPooling2D(pool)(_conv(x, filters))
    x = layers.Reshape((x.shape[2], x.shape[1] * x.shape[3]))(x)
    x = layers.LSTM(128, return_sequences=True)(x)
    return keras.Model(image, layers.Dense(37)(x))


def ds_cnn(image: Any) -> Any:
    """DS-CNN (Zhang et al. 2017) for key words: depthwise separable, 64 filters."""
    import keras
    from keras import layers

    x = _conv(image, 64, (10, 4), strides=2)
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = _conv(layers.ReLU()(layers.BatchNormalization()(x)), 64, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(12)(x))


MODELS = (
    Model("mobilenet_v2 0.35 32x32", (32, 32, 3), _application("MobileNetV2", alpha=0.35)),
    Model("mobilenet_v2 0.35 96x96", (96, 96, 3), _application("MobileNetV2", alpha=0.35)),
    Model("mobilenet_v2 0.5 64x64", (64, 64, 3), _application("MobileNetV2", alpha=0.5)),
    Model("mobilenet_v2 1.0 224x224", (224, 224, 3), _application("MobileNetV2")),
    Model("mobilenet 0.25 96x96", (96, 96, 1), _application("MobileNet", alpha=0.25)),
    Model("mobilenet 1.0 224x224", (224, 224, 3), _application("MobileNet")),
    Model("mobilenet_v3_small 224x224", (224, 224, 3), _application("MobileNetV3Small")),
    Model("mobilenet_v3_large 96x96", (96, 96, 3), _application("MobileNetV3Large")),
    Model("efficientnet_b0 224x224", (224, 224, 3), _application("EfficientNetB0")),
    # With these weights XNNPACK's output is 4e-4 from that of TFLite's reference kernels.
    Model("efficientnet_v2_b0 96x96", (96, 96, 3), _application("EfficientNetV2B0"), 1e-3),
    Model("resnet50 224x224", (224, 224, 3), _application("ResNet50")),
    Model("resnet50_v2 64x64", (64, 64, 3), _application("ResNet50V2")),
    Model("vgg16 64x64", (64, 64, 3), _application("VGG16", include_top=False)),
    Model("densenet121 96x96", (96, 96, 3), _application("DenseNet121")),
    Model("inception_v3 128x128", (128, 128, 3), _application("InceptionV3")),
    Model("xception 96x96", (96, 96, 3), _application("Xception")),
    Model("convnext_tiny 64x64", (64, 64, 3), _application("ConvNeXtTiny")),
    Model("vgg16_cifar 32x32", (32, 32, 3), vgg16_cifar),
    Model("resnet20_cifar 32x32", (32, 32, 3), resnet20),
    Model("demosaicnet 128x128", (128, 128, 3), demosaicnet),
    Model("unet 128x128", (128, 128, 1), unet),
    Model("deeplab 128x128", (128, 128, 3), deeplab),
    Model("ssd 160x160", (160, 160, 3), ssd),
    Model("yolo 160x160", (160, 160, 3), yolo),
    Model("espcn 60x80", (60, 80, 1), espcn),
    Model("crnn 32x128", (32, 128, 1), crnn),
    Model("ds_cnn 49x10", (49, 10, 1), ds_cnn),
)
