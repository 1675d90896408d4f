"""From which sparsity a pruned layer is faster than XNNPACK's dense one, on this machine."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pconv_tf.conversion import cost_model
from pconv_tf.conversion.cost_model import LayerCosts, SparseCosts
from pconv_tf.fkw import FILTER_BLOCKS
from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel
from pconv_tf.measuring.machine import Machine, describe_machine
from pconv_tf.measuring.op_profile import time_model

# Input and output channels and map size: what occurs in networks, from early to late layers.
SPATIAL_LAYERS = ((16, 112), (32, 56), (64, 56), (128, 28), (256, 14), (512, 14), (512, 7))
POINTWISE_LAYERS = ((16, 112), (32, 56), (64, 56), (128, 28), (256, 14), (512, 14), (960, 7))
# Patterns of fewer taps first, then connectivity: (taps, share of kernels kept).
_SPATIAL_STEPS = ((8, 1.0), (6, 1.0), (4, 1.0), (4, 1 / 2), (4, 1 / 3.6), (4, 1 / 8))
_POINTWISE_STEPS = ((1, 0.8), (1, 0.6), (1, 0.4), (1, 1 / 4), (1, 1 / 8))
# A lone layer would also pay for changing the memory layout at its borders.
_CHAIN = 8


@dataclass(frozen=True)
class Point:
    """One layer at one sparsity.

    Attributes:
        sparsity: Share of the weights that are zero.
        dense_ms, pruned_ms: Median latencies of one of a chain of such layers, measured one after
            the other.
        gain: Their ratio.
        expected: The gain that the cost model expects.
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
        costs: The cost model compared with, by kind of layer.
        model_error: Mean ratio by which its gain misses the measured one (1.2: 20 %).
        seed: Of weights and masks.
    """

    machine: Machine
    num_threads: int
    curves: tuple[Curve, ...]
    costs: Mapping[str, LayerCosts]
    model_error: float
    seed: int


def measure_breakeven(
    *,
    kernels: Sequence[int] = (3, 1),
    filter_blocks: Sequence[int] = (1, 16),
    num_threads: int = 1,
    external_delegate_path: str | None = None,
    seed: int = 0,
    fit: bool = False,
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> BreakEven:
    """Times single layers, dense and pruned, over sparsities.

    Args:
        kernels: Kernel sizes: 3, 1 or both.
        filter_blocks: Of 1, 4, 8 and 16.
        num_threads: Of both contenders.
        external_delegate_path: The delegate; by default this project's.
        seed: Of weights and masks.
        fit: Compare with a cost model fitted to this very measurement, not with the converter's.
        progress: Called with a text, steps done and steps in all.

    Raises:
        FileNotFoundError: The delegate is not built.
        ValueError: An argument is out of range, or `fit` lacks kernels or filter blocks.
    """
    from pconv_tf.runtime.delegate import delegate_path

    layers = {3: SPATIAL_LAYERS, 1: POINTWISE_LAYERS}
    for kernel in kernels:
        if kernel not in layers:
            raise ValueError(f"kernels: received {kernel}, expected 1 or 3")
    for block in filter_blocks:
        if block not in FILTER_BLOCKS:
            raise ValueError(f"filter_blocks: received {block}, expected 1, 4, 8 or 16")
    if num_threads < 1:
        raise ValueError(f"num_threads: received {num_threads}, expected at least 1")
    if fit and not (set(kernels) == {1, 3} and 1 in filter_blocks and len(set(filter_blocks)) > 1):
        raise ValueError(
            f"fit: received kernels {list(kernels)} and filter_blocks {list(filter_blocks)}, "
            "expected kernels 3 and 1, filter block 1 and a larger one"
        )
    delegate = external_delegate_path or delegate_path()
    jobs = [
        (kernel, channels, size, block)
        for kernel in kernels
        for channels, size in layers[kernel]
        for block in filter_blocks
    ]
    measured = []
    for number, job in enumerate(jobs):
        kernel, channels, _, block = job
        progress(f"{kernel}x{kernel}, {channels} channels, block {block}", number, len(jobs))
        measured.append(_measure(*job, num_threads, delegate, seed))
    costs = fit_costs(measured) if fit else cost_model.MEASURED
    curves = [_curve(layer, costs) for layer in measured]
    errors = [
        abs(math.log(point.gain / point.expected)) for curve in curves for point in curve.points
    ]
    return BreakEven(
        machine=describe_machine(),
        num_threads=num_threads,
        curves=tuple(curves),
        costs=costs,
        model_error=math.exp(sum(errors) / len(errors)),
        seed=seed,
    )


@dataclass(frozen=True)
class Measured:
    """One layer over sparsities, as timed.

    Attributes:
        kernel, channels, size, filter_block: As in `Curve`.
        kept: Share of the weights kept, one a point.
        dense_ms, pruned_ms: Latencies of one layer.
    """

    kernel: int
    channels: int
    size: int
    filter_block: int
    kept: tuple[float, ...]
    dense_ms: tuple[float, ...]
    pruned_ms: tuple[float, ...]

    @property
    def kind(self) -> str:
        """Its key in the cost model."""
        return "spatial" if self.kernel > 1 else "pointwise"

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates per output value."""
        return self.kernel * self.kernel * self.channels


def _measure(
    kernel: int,
    channels: int,
    size: int,
    block: int,
    num_threads: int,
    delegate: str,
    seed: int,
) -> Measured:
    rng = np.random.default_rng([seed, kernel, channels, size, block])
    shape = (kernel, kernel, channels, channels)
    kept, times = [], []
    for taps, share in _SPATIAL_STEPS if kernel == 3 else _POINTWISE_STEPS:
        layers = [
            random_pruned_kernel(shape, taps=taps, kept=share, filter_block=block, rng=rng)
            for _ in range(_CHAIN)
        ]
        kept.append(sum(np.count_nonzero(w) / w.size for w in layers) / _CHAIN)
        times.append(_time_both(conv_chain(layers, size), num_threads, delegate))
    dense, pruned = zip(*times, strict=True)
    return Measured(kernel, channels, size, block, tuple(kept), dense, pruned)


def _time_both(dense: bytes, num_threads: int, delegate: str) -> tuple[float, float]:
    from pconv_tf.conversion import convert

    pruned = convert(dense, force=True, quiet=True)
    with tempfile.TemporaryDirectory(prefix="pconv_breakeven_") as folder:
        path = Path(folder) / "layers.tflite"
        dense_time = time_model(dense, path, num_threads, {})
        pruned_time = time_model(pruned, path, num_threads, {"delegate": delegate})
    if dense_time is None or pruned_time is None:
        raise RuntimeError("the runtime refuses layers that it must run")
    return dense_time.median / _CHAIN, pruned_time.median / _CHAIN


def _curve(layer: Measured, costs: Mapping[str, LayerCosts]) -> Curve:
    points = tuple(
        Point(
            sparsity=1 - kept,
            dense_ms=dense,
            pruned_ms=pruned,
            gain=dense / pruned,
            expected=cost_model.expected_gain(
                kind=costs[layer.kind],
                dense_macs=layer.dense_macs,
                kept_macs=layer.dense_macs * kept,
                map_size=layer.size**2,
                filter_block=layer.filter_block,
            ),
        )
        for kept, dense, pruned in zip(layer.kept, layer.dense_ms, layer.pruned_ms, strict=True)
    )
    return Curve(
        kernel=layer.kernel,
        channels=layer.channels,
        size=layer.size,
        filter_block=layer.filter_block,
        points=points,
        break_even=crossing([(p.sparsity, p.gain) for p in points]),
        expected_break_even=crossing([(p.sparsity, p.expected) for p in points]),
    )


def fit_costs(measured: Sequence[Measured]) -> dict[str, LayerCosts]:
    """The cost model that fits measured layers best.

    The time of an output value is linear in its multiply-accumulates; the lines are fitted by least
    squares of the relative error.

    Args:
        measured: Layers of both kinds, with masks of their own and shared ones.
    """
    return {
        kind: _fit_kind([layer for layer in measured if layer.kind == kind])
        for kind in ("spatial", "pointwise")
    }


def _fit_kind(layers: Sequence[Measured]) -> LayerCosts:
    def per_output(layer: Measured, milliseconds: float) -> float:
        return milliseconds / (layer.size**2 * layer.channels)

    dense_mac, dense_output = _fit_line(
        [[layer.dense_macs, 1.0] for layer in layers for _ in layer.dense_ms],
        [per_output(layer, time) for layer in layers for time in layer.dense_ms],
    )

    def sparse(chosen: Sequence[Measured]) -> SparseCosts:
        rows, times = [], []
        for layer in chosen:
            is_small = layer.size**2 < cost_model.SMALL_MAP
            for kept, time in zip(layer.kept, layer.pruned_ms, strict=True):
                macs = layer.dense_macs * kept
                rows.append([0.0 if is_small else macs, macs if is_small else 0.0, 1.0])
                times.append(per_output(layer, time))
        mac, small_map_mac, output = (_fit_line(rows, times) / dense_mac).tolist()
        return SparseCosts(mac, small_map_mac, output)

    return LayerCosts(
        float(dense_output / dense_mac),
        free=sparse([layer for layer in layers if layer.filter_block == 1]),
        shared=sparse([layer for layer in layers if layer.filter_block > 1]),
    )


def _fit_line(rows: Sequence[Sequence[float]], times: Sequence[float]) -> np.ndarray:
    """Coefficients with the least relative error, the last one not below zero."""
    weighted = np.asarray(rows) / np.asarray(times)[:, None]
    target = np.ones(len(times))
    found = np.linalg.lstsq(weighted, target, rcond=None)[0]
    if found[-1] >= 0:
        return found
    return np.append(np.linalg.lstsq(weighted[:, :-1], target, rcond=None)[0], 0.0)


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
