"""From which sparsity a pruned layer is faster than XNNPACK's dense one, on this machine."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pconv_tf.runtime.layer_models import conv_model, random_pruned_kernel
from pconv_tf.runtime.machine import Machine, describe_machine
from pconv_tf.runtime.op_profile import time_model

# Input and output channels and map size: what occurs in networks, from early to late layers.
SPATIAL_LAYERS = ((16, 112), (32, 56), (64, 56), (128, 28), (256, 14), (512, 14), (512, 7))
POINTWISE_LAYERS = ((16, 112), (32, 56), (64, 56), (128, 28), (256, 14), (512, 14), (960, 7))
# Patterns of fewer taps first, then connectivity: (taps, share of kernels kept).
_SPATIAL_STEPS = ((8, 1.0), (6, 1.0), (4, 1.0), (4, 1 / 2), (4, 1 / 3.6), (4, 1 / 8))
_POINTWISE_STEPS = ((1, 0.8), (1, 0.6), (1, 0.4), (1, 1 / 4), (1, 1 / 8))


@dataclass(frozen=True)
class Point:
    """One layer at one sparsity.

    Attributes:
        sparsity: Share of the weights that are zero.
        dense_ms, pruned_ms: Median latencies alone, measured one after the other.
        gain: Their ratio.
        expected: The gain that the converter's cost model expects.
    """

    sparsity: float
    dense_ms: float
    pruned_ms: float
    gain: float
    expected: float


@dataclass(frozen=True)
class Curve:
    """One layer over sparsities.

    Attributes:
        kernel: 3 for 3x3, 1 for 1x1.
        channels: Input and output channels.
        size: Height and width of the map.
        filter_block: Filters that share masks.
        points: By rising sparsity.
        break_even: Sparsity from which the pruned layer is faster, interpolated between points;
            the lowest measured sparsity if it is faster everywhere; None if nowhere.
        expected_break_even: The same by the cost model.
    """

    kernel: int
    channels: int
    size: int
    filter_block: int
    points: tuple[Point, ...]
    break_even: float | None
    expected_break_even: float | None


@dataclass(frozen=True)
class BreakEven:
    """What `breakeven` measured.

    Attributes:
        machine: What it ran on.
        num_threads: Of both contenders.
        curves: One a layer and filter block.
        model_error: Mean ratio by which the cost model's gain misses the measured one (1.2: 20 %).
        seed: Of weights and masks.
    """

    machine: Machine
    num_threads: int
    curves: tuple[Curve, ...]
    model_error: float
    seed: int


def measure_breakeven(
    *,
    kernels: Sequence[int] = (3, 1),
    filter_blocks: Sequence[int] = (1, 16),
    num_threads: int = 1,
    external_delegate_path: str | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> BreakEven:
    """Times single layers, dense and pruned, over sparsities.

    Args:
        kernels: Kernel sizes: 3, 1 or both.
        filter_blocks: Of 1, 4, 8 and 16.
        num_threads: Of both contenders.
        external_delegate_path: The delegate; by default this project's.
        seed: Of weights and masks.
        progress: Called with a text, steps done and steps in all.

    Raises:
        FileNotFoundError: The delegate is not built.
        ValueError: An argument is out of range.
    """
    from pconv_tf.runtime.delegate import delegate_path

    layers = {3: SPATIAL_LAYERS, 1: POINTWISE_LAYERS}
    for kernel in kernels:
        if kernel not in layers:
            raise ValueError(f"kernels: received {kernel}, expected 1 or 3")
    for block in filter_blocks:
        if block not in (1, 4, 8, 16):
            raise ValueError(f"filter_blocks: received {block}, expected 1, 4, 8 or 16")
    if num_threads < 1:
        raise ValueError(f"num_threads: received {num_threads}, expected at least 1")
    delegate = external_delegate_path or delegate_path()
    jobs = [
        (kernel, channels, size, block)
        for kernel in kernels
        for channels, size in layers[kernel]
        for block in filter_blocks
    ]
    curves = []
    for number, job in enumerate(jobs):
        kernel, channels, _, block = job
        progress(f"{kernel}x{kernel}, {channels} channels, block {block}", number, len(jobs))
        curves.append(_curve(*job, num_threads, delegate, seed))
    errors = [
        abs(math.log(point.gain / point.expected)) for curve in curves for point in curve.points
    ]
    return BreakEven(
        machine=describe_machine(),
        num_threads=num_threads,
        curves=tuple(curves),
        model_error=math.exp(sum(errors) / len(errors)),
        seed=seed,
    )


def _curve(
    kernel: int,
    channels: int,
    size: int,
    block: int,
    num_threads: int,
    delegate: str,
    seed: int,
) -> Curve:
    rng = np.random.default_rng([seed, kernel, channels, size, block])
    shape = (kernel, kernel, channels, channels)
    points = []
    for taps, kept in _SPATIAL_STEPS if kernel == 3 else _POINTWISE_STEPS:
        weights = random_pruned_kernel(shape, taps=taps, kept=kept, filter_block=block, rng=rng)
        points.append(_point(weights, size, block, num_threads, delegate))
    return Curve(
        kernel=kernel,
        channels=channels,
        size=size,
        filter_block=block,
        points=tuple(points),
        break_even=crossing([(p.sparsity, p.gain) for p in points]),
        expected_break_even=crossing([(p.sparsity, p.expected) for p in points]),
    )


def _point(weights: np.ndarray, size: int, block: int, num_threads: int, delegate: str) -> Point:
    import pconv_tf
    from pconv_tf.conversion import cost_model

    dense = conv_model(weights, size)
    pruned = pconv_tf.convert(dense, force=True, quiet=True)
    with tempfile.TemporaryDirectory(prefix="pconv_breakeven_") as folder:
        path = Path(folder) / "layer.tflite"
        dense_time = time_model(dense, path, num_threads, {})
        pruned_time = time_model(pruned, path, num_threads, {"delegate": delegate})
    if dense_time is None or pruned_time is None:
        raise RuntimeError("the runtime refuses a layer that it must run")
    kernel, _, channels, outputs = weights.shape
    kept_macs = np.count_nonzero(weights) / outputs
    return Point(
        sparsity=1 - np.count_nonzero(weights) / weights.size,
        dense_ms=dense_time.median,
        pruned_ms=pruned_time.median,
        gain=dense_time.median / pruned_time.median,
        expected=cost_model.expected_gain(
            kind=cost_model.SPATIAL if kernel > 1 else cost_model.POINTWISE,
            dense_macs=kernel * kernel * channels,
            kept_macs=kept_macs,
            map_size=size * size,
            filter_block=block,
        ),
    )


def crossing(points: Sequence[tuple[float, float]]) -> float | None:
    """The sparsity at which the gain last passes 1 upwards, by log-linear interpolation.

    Args:
        points: Pairs of sparsity and gain, by rising sparsity.

    Returns:
        The first sparsity if the gain is never below 1; None if it is below 1 at the last one.
    """
    if points[-1][1] < 1:
        return None
    for (low, before), (high, after) in reversed(list(itertools.pairwise(points))):
        if before < 1:
            share = math.log(1 / before) / math.log(after / before)
            return low + share * (high - low)
    return points[0][0]
