"""Whether a pruned layer gains from being a PConv2D: the only place where speed is predicted.

Costs are FMA slots per output value on one core. docs/conversion.md explains the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

MINIMUM_GAIN = 1.1


@dataclass(frozen=True)
class Throughput:
    """How well one kind of layer uses the FMA units.

    Attributes:
        dense: share of the FMA peak that XNNPACK reaches on it.
        free: share that kept MACs reach when every filter has its own masks.
        shared: the same when 4 or more consecutive filters share masks.
        small_map: factor on both sparse shares for maps of fewer than `_SMALL_MAP` values.
    """

    dense: float
    free: float
    shared: float
    small_map: float


SPATIAL = Throughput(dense=0.90, free=0.85, shared=0.93, small_map=0.80)
POINTWISE = Throughput(dense=0.90, free=0.65, shared=0.92, small_map=0.83)
DEPTHWISE = Throughput(dense=0.33, free=0.90, shared=0.90, small_map=0.80)
# Bound by memory: the shares are relative to streaming the dense float32 weights.
FULLY_CONNECTED = Throughput(dense=1.00, free=0.33, shared=0.65, small_map=1.00)
_BYTES_FACTOR = {"float32": 1.0, "float16": 1.5, "int8": 2.2}

_DENSE_OUTPUT = 5.0  # FMA slots to start, activate and store one output value
_SPARSE_OUTPUT = 14.0
_SMALL_MAP = 100


def expected_gain(
    *,
    kind: Throughput,
    dense_macs: float,
    kept_macs: float,
    map_size: int,
    filter_block: int,
    weights: str = "float32",
) -> float:
    """How many times faster than XNNPACK's dense layer the layer is expected to be.

    Args:
        kind: one of this module's constants.
        dense_macs: multiply-accumulates per output value of the dense layer.
        kept_macs: the same of the pruned layer, zeros stored in shared masks included.
        map_size: height times width of the output.
        filter_block: consecutive filters that share masks.
        weights: type of the stored weights.
    """
    share = kind.free if filter_block == 1 else kind.shared
    if kind is FULLY_CONNECTED:
        return dense_macs / max(kept_macs, 1.0) * share * _BYTES_FACTOR[weights]
    if map_size < _SMALL_MAP:
        share *= kind.small_map
    dense = dense_macs / kind.dense + _DENSE_OUTPUT
    return dense / (kept_macs / share + _SPARSE_OUTPUT)
