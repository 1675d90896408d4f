"""Whether a pruned layer gains from being a PConv2D: the only place where speed is predicted.

Costs are relative to what XNNPACK takes for one multiply-accumulate of a dense layer of the same
kind. Those of 3x3 and 1x1 convolutions were measured: `pconv-tf breakeven --cost_model=FILE` writes
such a file. docs/conversion.md explains the figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MINIMUM_GAIN = 1.1
SMALL_MAP = 100  # maps of fewer values do not fill the vectors
MEASURED_FILE = Path(__file__).with_name("cost_model.json")


@dataclass(frozen=True)
class SparseCosts:
    """Of a pruned layer.

    Attributes:
        mac: One kept multiply-accumulate.
        small_map_mac: The same on maps of fewer than `SMALL_MAP` values.
        output: To start, activate and store one output value.
    """

    mac: float
    small_map_mac: float
    output: float


@dataclass(frozen=True)
class LayerCosts:
    """Of one kind of layer.

    Attributes:
        dense_output: XNNPACK's cost of an output value besides its multiply-accumulates.
        free: Pruned, every filter with its own masks.
        shared: Pruned, 4 or more consecutive filters sharing masks.
    """

    dense_output: float
    free: SparseCosts
    shared: SparseCosts


def read_costs(path: Path) -> dict[str, LayerCosts]:
    """Costs by kind of layer, from a file that `write_costs` made."""
    kinds = json.loads(path.read_text())["costs"]
    return {
        name: LayerCosts(
            kind["dense_output"], SparseCosts(**kind["free"]), SparseCosts(**kind["shared"])
        )
        for name, kind in kinds.items()
    }


def read_engine_commit(path: Path) -> str:
    """The commit of the engine that a file of costs was measured with; empty if unknown."""
    return str(json.loads(path.read_text()).get("engine_commit", ""))


def costs_text(costs: Mapping[str, LayerCosts], about: str, engine_commit: str) -> str:
    """The content of a file for `read_costs`.

    Args:
        costs: By kind of layer.
        about: What they were measured on.
        engine_commit: For `read_engine_commit`.
    """
    rounded = {
        name: {
            "dense_output": round(kind.dense_output, 3),
            "free": {key: round(value, 3) for key, value in asdict(kind.free).items()},
            "shared": {key: round(value, 3) for key, value in asdict(kind.shared).items()},
        }
        for name, kind in costs.items()
    }
    content = {"about": about, "engine_commit": engine_commit, "costs": rounded}
    return json.dumps(content, indent=1) + "\n"


MEASURED = read_costs(MEASURED_FILE)
SPATIAL = MEASURED["spatial"]
POINTWISE = MEASURED["pointwise"]
_DEPTHWISE_SPARSE = SparseCosts(mac=0.37, small_map_mac=0.46, output=4.6)
DEPTHWISE = LayerCosts(dense_output=1.7, free=_DEPTHWISE_SPARSE, shared=_DEPTHWISE_SPARSE)
# Bound by memory: relative to streaming the dense float32 weights.
FULLY_CONNECTED = LayerCosts(
    dense_output=0.0, free=SparseCosts(3.0, 3.0, 0.0), shared=SparseCosts(1.5, 1.5, 0.0)
)
# int8 activations, over XNNPACK's int8 kernels of the same instruction set: from llvm-mca on the
# inner loops, not measured on networks. A dot is four multiply-accumulates of a vector operation.
_INT8_WINDOW_DOT = 5.2
_INT8_QUAD_DOT = 4.4
_INT8_OUTPUT = 6.0
_BYTES_FACTOR = {"float32": 1.0, "float16": 1.5, "int8": 2.2}


def expected_gain(
    *,
    kind: LayerCosts,
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
    sparse = kind.free if filter_block == 1 else kind.shared
    kept_macs = max(kept_macs, 1.0)
    if kind is FULLY_CONNECTED:
        return dense_macs / (kept_macs * sparse.mac) * _BYTES_FACTOR[weights]
    mac = sparse.small_map_mac if map_size < SMALL_MAP else sparse.mac
    return (dense_macs + kind.dense_output) / (kept_macs * mac + sparse.output)


def expected_int8_gain(*, dense_macs: float, dots: float, windows: bool) -> float:
    """How many times faster than XNNPACK's dense int8 layer the layer is expected to be.

    Args:
        dense_macs: multiply-accumulates per output value of the dense layer.
        dots: of the pruned one; each meets four inputs, zeros among them or not.
        windows: whether the kernels for 3x3 kernels of stride 1 compute it, whose dots meet only
            kept taps; others take four neighbouring channels of a tap.
    """
    dot = _INT8_WINDOW_DOT if windows else _INT8_QUAD_DOT
    return (dense_macs + _INT8_OUTPUT) / (dots * dot + _INT8_OUTPUT)
