"""The channels of kernels as steps of one byte: how version 3 stores `index`.

Inside a pattern of a filter group channels ascend, mostly by little: in layers of more than 256
channels steps take half of what channels take.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pconv_tf.fkw.encode import narrow
from pconv_tf.fkw.layer import FkwLayer
from pconv_tf.fkw.options import INT8_VERSION, STEPS_VERSION
from pconv_tf.fkw.validate import check_counts

# A step that goes on in the next element.
_LONG = 255


def version_for(layer: FkwLayer, *, int8_activations: bool) -> int:
    """The version that a valid layer is written in.

    1 with float32 activations, which every runtime reads; else 2, or 3 where that is smaller.
    """
    if not int8_activations:
        return 1
    is_smaller = to_steps(layer).nbytes < layer.index.nbytes
    return STEPS_VERSION if is_smaller else INT8_VERSION


def stored_arrays(layer: FkwLayer, version: int) -> dict[str, np.ndarray]:
    """The arrays of a valid layer as `version` stores them, by name, in the op's input order."""
    arrays = layer.arrays()
    if version >= STEPS_VERSION:
        arrays["index"] = to_steps(layer)
    return arrays


def to_steps(layer: FkwLayer) -> np.ndarray:
    """`index` of a valid layer as steps: [J] uint8 for K kernels, J >= K.

    A kernel's step is its channel less that of the kernel before it in the same pattern of the same
    group, less 1; of the first one it is the channel. Steps of 255 and more begin with as many
    elements of 255 as fit.
    """
    index = layer.index.astype(np.int64)
    run = layer.kernel_groups() * len(layer.patterns) + layer.kernel_patterns()
    steps = index.copy()
    follows = run[1:] == run[:-1]
    steps[1:][follows] -= index[:-1][follows] + 1
    long, rest = np.divmod(steps, _LONG)
    stored = np.full(len(steps) + int(long.sum()), _LONG, np.uint8)
    stored[np.cumsum(long + 1) - 1] = rest
    return stored


def from_steps(layer: FkwLayer) -> FkwLayer:
    """The layer with channels for an `index`, in place of steps.

    Raises:
        ValueError: names the field that does not fit, what was found and what is expected.
    """
    steps = layer.index
    if steps.ndim != 1 or steps.dtype != np.uint8:
        raise ValueError(
            f"index: expected uint8 [J] as of FKW version 3, found {steps.dtype}"
            f" {list(steps.shape)}"
        )
    if len(steps) and steps[-1] == _LONG:
        raise ValueError(f"index: expected a last element below {_LONG}, found {_LONG}")
    last = np.flatnonzero(steps != _LONG)
    check_counts(dataclasses.replace(layer, index=np.zeros(len(last), np.uint8)))
    # Channels as if each run went on where the one before it ended.
    places = np.cumsum(steps, dtype=np.int64)[last] + np.arange(len(last))
    stride = layer.stride.astype(np.int64)
    lengths = (stride[:, 1:] - stride[:, :-1]).reshape(-1)
    begins = (np.cumsum(lengths) - lengths)[lengths > 0]
    ends = np.append(np.int64(-1), places)[begins]
    channels = places - np.repeat(ends + 1, lengths[lengths > 0])
    return dataclasses.replace(layer, index=narrow(channels))
