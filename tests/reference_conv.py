"""A plain numpy convolution: what PConv2D has to compute, written as its definition."""

from __future__ import annotations

import numpy as np

from pconv_tf.fkw import Activation, ConvOptions, FkwLayer, Padding, decode, dequantize


def pconv_2d(
    activation: np.ndarray, options: ConvOptions, layer: FkwLayer, bias: np.ndarray
) -> np.ndarray:
    """The op's output in float64: [N, H', W', O] for [N, H, W, I], [N, O] for [N, I]."""
    if activation.ndim == 2:
        return pconv_2d(activation[:, None, None, :], options, layer, bias)[:, 0, 0, :]
    weights = dequantize(decode(layer), layer.scale).astype(np.float64)
    top, bottom, left, right = padding_of(options, activation.shape[1:3])
    x = np.pad(activation.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    (kh, kw), (sh, sw), (dh, dw) = options.kernel_size, options.strides, options.dilations
    height = (x.shape[1] - (kh - 1) * dh - 1) // sh + 1
    width = (x.shape[2] - (kw - 1) * dw - 1) // sw + 1
    out = np.zeros((x.shape[0], height, width, options.out_channels)) + bias
    for r in range(kh):
        for c in range(kw):
            rows, columns = r * dh + sh * np.arange(height), c * dw + sw * np.arange(width)
            out += x[:, rows][:, :, columns] @ weights[:, r, c, :].T
    low, high = {
        Activation.NONE: (-np.inf, np.inf),
        Activation.RELU: (0, np.inf),
        Activation.RELU_N1_TO_1: (-1, 1),
        Activation.RELU6: (0, 6),
    }[options.activation]
    return np.clip(out, low, high)


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
