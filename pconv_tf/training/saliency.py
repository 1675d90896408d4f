"""How much a weight matters: by its size, or by what it adds to the outputs on real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.config import PruningConfig
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.layers import Kernel
from pconv_tf.training.patches import patches
from pconv_tf.training.refitting import by_group, from_groups
from pconv_tf.training.watching import Watcher

Array = npt.NDArray[np.float32]

# Output positions that are looked at for each call of a layer and batch of samples.
_POSITIONS = 4096


def input_scales(
    model: Any, kernels: Iterable[Kernel], calibration: Calibration
) -> dict[str, Array]:
    """The root mean square of what each weight is multiplied with, over all samples.

    Args:
        model: The model, with the weights that it is to be judged by.
        kernels: Kernels of its layers.
        calibration: The samples.

    Returns:
        By kernel name, float32 [groups, kh * kw * I]. Kernels that no sample reaches are missing.
    """
    kernels = list(kernels)
    sums: dict[str, npt.NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    watcher = Watcher(model)
    for seed, batch in enumerate(calibration.batches()):

        def take(index: int, inputs: Array, seed: int = seed) -> None:
            kernel = kernels[index]
            read = patches(kernel, inputs, _POSITIONS, seed)
            squares = np.square(read).sum(axis=1, dtype=np.float64)
            sums[kernel.name] = sums.get(kernel.name, 0.0) + squares
            counts[kernel.name] = counts.get(kernel.name, 0) + read.shape[1]

        watcher.each_input([kernel.layer for kernel in kernels], batch, take)
    return {name: np.sqrt(sums[name] / counts[name]).astype(np.float32) for name in sums}


def require_samples(config: PruningConfig, calibration: Calibration | None) -> None:
    """Checks that there are samples where the configuration needs some.

    Raises:
        ValueError: There are none.
    """
    if config.saliency == "activation" and calibration is None:
        raise ValueError(
            'saliency: "activation" needs samples of the inputs; give calibration=x (--calibration '
            'of pconv-tf prune), or use "magnitude"'
        )


def salient(kernel: Kernel, weights: Array, scales: Mapping[str, Array]) -> Array:
    """`weights` times what they read, whose squares say how much each adds to the outputs.

    Args:
        kernel: Whose weights they are.
        weights: float32 [kh, kw, I, O].
        scales: From `input_scales`; without an entry for the kernel its weights stay as they are.

    Returns:
        float32 [kh, kw, I, O].
    """
    scale = scales.get(kernel.name)
    if scale is None:
        return weights
    return from_groups(kernel, by_group(kernel, weights) * scale[:, :, None])
