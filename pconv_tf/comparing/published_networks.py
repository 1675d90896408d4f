"""Networks of papers, exactly as their published weights expect them.

Studies of accuracy load those weights into them (experiments/), comparisons of speed fill them with
random ones: what is timed is what was proven accurate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_RESNET_BLOCKS = 3
_RESNET_WIDTHS = (16, 32, 64)
_DEMOSAIC_DEPTH = 15
_DEMOSAIC_WIDTH = 64
# Every 'valid' 3x3 convolution takes one pixel off each side, at half and at full resolution.
DEMOSAIC_MARGIN = 2 * _DEMOSAIC_DEPTH + 1


def resnet20(inputs: keras.KerasTensor | None = None) -> keras.Model:
    """ResNet-20 for CIFAR-10 (He et al. 2016, section 4.2, option-A shortcuts).

    Layers are named after the parameters of the usual PyTorch checkpoints: "layer1_0_conv1" for
    "layer1.0.conv1".

    Args:
        inputs: float32 [N, 32, 32, 3]; by default an input of that shape.

    Returns:
        The network from normalised images to 10 logits.
    """
    import keras

    layers = keras.layers

    def conv(x: Any, name: str, width: int, stride: int = 1) -> Any:
        # PyTorch pads both sides by one, also at stride 2.
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        return layers.Conv2D(width, 3, strides=stride, use_bias=False, name=name)(x)

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)

    inputs = layers.Input((32, 32, 3)) if inputs is None else inputs
    x = layers.ReLU()(norm(conv(inputs, "conv1", _RESNET_WIDTHS[0]), "bn1"))
    for stage, width in enumerate(_RESNET_WIDTHS, start=1):
        for block in range(_RESNET_BLOCKS):
            prefix = f"layer{stage}_{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            shortcut = x
            if stride == 2:
                shortcut = layers.AveragePooling2D(1, strides=2)(x)
                shortcut = keras.ops.pad(shortcut, [[0, 0]] * 3 + [[width // 4, width // 4]])
            y = layers.ReLU()(norm(conv(x, f"{prefix}_conv1", width, stride), f"{prefix}_bn1"))
            y = norm(conv(y, f"{prefix}_conv2", width), f"{prefix}_bn2")
            x = layers.ReLU()(layers.Add()([y, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, name="linear")(x), name="resnet20")


def demosaicnet(inputs: keras.KerasTensor | None = None) -> keras.Model:
    """DemosaicNet for Bayer mosaics (Gharbi et al. 2016).

    Args:
        inputs: float32 [N, H, W, 3], a mosaic in 0..1 of even height and width; by default an input
            of any such size.

    Returns:
        The network to pixels [N, H - 62, W - 62, 3].
    """
    import keras

    layers = keras.layers
    mosaic = layers.Input((None, None, 3)) if inputs is None else inputs
    x = layers.Conv2D(4, 2, strides=2, name="pack_mosaic")(mosaic)
    for i in range(1, _DEMOSAIC_DEPTH + 1):
        width = 2 * _DEMOSAIC_WIDTH if i == _DEMOSAIC_DEPTH else _DEMOSAIC_WIDTH
        x = layers.Conv2D(width, 3, activation="relu", name=f"conv{i}")(x)
    filtered = layers.Multiply()([x[..., :_DEMOSAIC_WIDTH], x[..., _DEMOSAIC_WIDTH:]])
    residual = layers.Conv2D(12, 1, name="residual_predictor")(filtered)
    upsampled = layers.Conv2DTranspose(3, 2, strides=2, name="upsampler")(residual)
    cropped = layers.Cropping2D(DEMOSAIC_MARGIN - 1, name="crop")(mosaic)
    packed = layers.Concatenate()([cropped, upsampled])
    x = layers.Conv2D(_DEMOSAIC_WIDTH, 3, activation="relu", name="post_conv")(packed)
    return keras.Model(mosaic, layers.Conv2D(3, 1, name="output")(x), name="demosaicnet")
