"""FKW to dense weights."""

from __future__ import annotations

import numpy as np

from pconv_tf.fkw.layer import FkwLayer


def decode(layer: FkwLayer, *, groups: int = 1) -> np.ndarray:
    """The dense weights of a valid layer: [O, kh, kw, I / groups], in the stored type.

    int8 weights stay int8; `dequantize` applies their scales.

    Raises:
        ValueError: if `groups` does not divide the channels, or a kernel lies outside its group.
    """
    filters, inputs = layer.out_channels, layer.in_channels
    if groups < 1 or filters % groups or inputs % groups:
        raise ValueError(f"groups: {groups} does not divide {filters} filters of {inputs} channels")
    kh, kw = layer.kernel_size
    channels = inputs // groups
    group = layer.kernel_groups()
    taps = layer.taps[layer.kernel_patterns()]
    index = layer.index.astype(np.int64)
    reorder = layer.reorder.astype(np.int64)

    dense = np.zeros((filters, kh * kw, channels), layer.weight.dtype)
    for member in range(layer.filter_block):
        position = group * layer.filter_block + member
        real = position < filters
        filter_ = reorder[position[real]]
        channel = index[real] - filter_ // (filters // groups) * channels
        if groups > 1 and ((channel < 0) | (channel >= channels)).any():
            raise ValueError(f"groups: a kernel reads outside its filter's group of {groups}")
        for tap in range(layer.num_taps):
            dense[filter_, taps[real, tap], channel] = layer.weight[real, tap, member]
    return dense.reshape(filters, kh, kw, channels)


def infer_groups(layer: FkwLayer) -> int:
    """The largest number of groups a convolution can have whose kernels are those of `layer`."""
    if not layer.num_kernels:
        return 1
    group = layer.kernel_groups()
    first = layer.reorder.astype(np.int64)[group * layer.filter_block]
    index = layer.index.astype(np.int64)
    common = int(np.gcd(layer.out_channels, layer.in_channels))
    for groups in range(common, 1, -1):
        if common % groups or layer.out_channels // groups % layer.filter_block:
            continue
        filters, channels = layer.out_channels // groups, layer.in_channels // groups
        if np.array_equal(first // filters, index // channels):
            return groups
    return 1
