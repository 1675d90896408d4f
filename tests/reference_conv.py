"""A plain numpy convolution: what PConv2D has to compute, written as its definition."""

from __future__ import annotations

import numpy as np

from pconv_tf.fkw import (
    Activation,
    ActivationQuantization,
    ConvOptions,
    FkwLayer,
    Padding,
    decode,
    dequantize,
)

BOUNDS = {
    Activation.NONE: (-np.inf, np.inf),
    Activation.RELU: (0, np.inf),
    Activation.RELU_N1_TO_1: (-1, 1),
    Activation.RELU6: (0, 6),
}


def pconv_2d(
    activation: np.ndarray, options: ConvOptions, layer: FkwLayer, bias: np.ndarray
) -> np.ndarray:
    """The op's output in float64: [N, H', W', O] for [N, H, W, I], [N, O] for [N, I]."""
    if activation.ndim == 2:
        return pconv_2d(activation[:, None, None, :], options, layer, bias)[:, 0, 0, :]
    weights = dequantize(decode(layer), layer.scale).astype(np.float64)
    out = _sums(activation.astype(np.float64), options, weights) + bias
    low, high = BOUNDS[options.activation]
    return np.clip(out, low, high)


def pconv_2d_int8(
    activation: np.ndarray,
    options: ConvOptions,
    layer: FkwLayer,
    bias: np.ndarray,
    quantization: ActivationQuantization,
) -> np.ndarray:
    """The same of int8 activations as XNNPACK computes it, in int8."""
    if activation.ndim == 2:
        image = activation[:, None, None, :]
        return pconv_2d_int8(image, options, layer, bias, quantization)[:, 0, 0, :]
    source, target = quantization.input, quantization.output
    centred = activation.astype(np.int64) - source.zero_point
    sums = _sums(centred, options, decode(layer).astype(np.int64)) + bias
    wrapped = sums.astype(np.uint32).view(np.int32)
    scale = np.float32(source.scale) * layer.scale / np.float32(target.scale)
    steps = np.rint(wrapped.astype(np.float32) * scale)
    low, high = (
        np.rint(
            np.clip(np.float32(bound) / np.float32(target.scale) + target.zero_point, -128, 127)
        )
        for bound in BOUNDS[options.activation]
    )
    return np.clip(steps + target.zero_point, low, high).astype(np.int8)


def _sums(activation: np.ndarray, options: ConvOptions, weights: np.ndarray) -> np.ndarray:
    """The sums of products over [N, H, W, I], in the type of the arguments."""
    top, bottom, left, right = padding_of(options, activation.shape[1:3])
    x = np.pad(activation, ((0, 0), (top, bottom), (left, right), (0, 0)))
    (kh, kw), (sh, sw), (dh, dw) = options.kernel_size, options.strides, options.dilations
    height = (x.shape[1] - (kh - 1) * dh - 1) // sh + 1
    width = (x.shape[2] - (kw - 1) * dw - 1) // sw + 1
    out = np.zeros((x.shape[0], height, width, options.out_channels), x.dtype)
    for r in range(kh):
        for c in range(kw):
            rows, columns = r * dh + sh * np.arange(height), c * dw + sw * np.arange(width)
            out += x[:, rows][:, :, columns] @ weights[:, r, c, :].T
    return out


def padding_of(options: ConvOptions, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The zeros put at (top, bottom, left, right) of an input of that size."""
    if options.padding == Padding.VALID:
        return options.pads or (0, 0, 0, 0)
    amounts = []
    for length, k, s, d in zip(
        size, options.kernel_size, options.strides, options.dilations, strict=True
    ):
        total = max((-(-length // s) - 1) * s + (k - 1) * d + 1 - length, 0)
        amounts += [total // 2, total - total // 2]
    return tuple(amounts)
