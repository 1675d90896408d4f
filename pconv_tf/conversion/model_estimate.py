"""How long a model is expected to run, as a whole, with and without the delegate.

The cost model of layers (cost_model.py) looks at one layer at a time. A network also pays for each
operator that the delegate runs and for layout changes at its borders, which weighs on small
networks: that is where pruned models can be slower than dense ones. docs/conversion.md explains the
figures, network_costs.json holds them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pconv_tf.conversion import cost_model
from pconv_tf.conversion.report import LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import NetworkCosts

LOW_GAIN = 1.1  # below, a model is hardly worth the delegate

_NANOSECOND = 1e-9
_XNNPACK_CHANNELS = 16

# How much a model has of each part of `NetworkCosts`, as "engine.part".
Parts = Mapping[str, float]


def model_seconds(
    layers: Sequence[LayerReport],
    divisions: Sequence[Division],
    pruned: Collection[int],
    costs: NetworkCosts,
) -> float:
    """Seconds that a model is expected to run.

    Args:
        layers: the table of its convolutions.
        divisions: its graphs.
        pruned: places of the layers that are a PConv2D.
        costs: of the target.
    """
    return _seconds(model_parts(layers, divisions, pruned), costs)


def stretch_seconds(
    layers: Sequence[LayerReport],
    stretch: Stretch,
    pruned: Collection[int],
    costs: NetworkCosts,
) -> float:
    """Seconds of one stretch: XNNPACK's if none of its layers is a PConv2D, else the delegate's."""
    return _seconds(_stretch_parts(layers, stretch, pruned), costs)


def delegate_dense_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """Seconds of a dense layer that the delegate runs, besides those of an operator."""
    return _seconds(_delegate_dense_parts(layer), costs)


def pruned_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """The same of a layer as PConv2D."""
    return _seconds(_pruned_parts(layer), costs)


def model_parts(
    layers: Sequence[LayerReport], divisions: Sequence[Division], pruned: Collection[int]
) -> Parts:
    """What is in a model; its time is linear in that.

    Args:
        layers: the table of its convolutions.
        divisions: its graphs.
        pruned: places of the layers that are a PConv2D; if there are none, all is XNNPACK's.
    """
    found: Counter[str] = Counter()
    for division in divisions:
        found.update(_operators("xnnpack", division.other_operators, division.other_values))
        for place in division.other_layers:
            found.update(_xnnpack_parts(layers[place]))
        for stretch in division.stretches:
            found.update(_stretch_parts(layers, stretch, pruned))
    return {name: amount for name, amount in found.items() if amount}


def _stretch_parts(
    layers: Sequence[LayerReport], stretch: Stretch, pruned: Collection[int]
) -> Parts:
    if not any(place in pruned for place in stretch.layers):
        found = _operators("xnnpack", stretch.operators, stretch.values)
        for place in stretch.layers:
            found.update(_xnnpack_parts(layers[place]))
        return found
    found = _operators("delegate", stretch.operators, stretch.tiled_values)
    found.update(
        {"delegate.border": stretch.borders, "delegate.border_value": stretch.border_values}
    )
    for place in stretch.layers:
        of = _pruned_parts if place in pruned else _delegate_dense_parts
        found.update(of(layers[place]))
    return found


def _operators(engine: str, count: int, values: Mapping[str, int]) -> Counter[str]:
    return Counter(
        {f"{engine}.operator": count, **{f"{engine}.{name}": n for name, n in values.items()}}
    )


def _xnnpack_parts(layer: LayerReport) -> Parts:
    return _layer("xnnpack", layer.dense_bytes, f"xnnpack.{kind_of(layer)}", padded_work(layer))


def _delegate_dense_parts(layer: LayerReport) -> Parts:
    return _layer("delegate", layer.dense_bytes, f"delegate.{kind_of(layer)}", tiled_work(layer))


def _pruned_parts(layer: LayerReport) -> Parts:
    left = work(layer) / (layer.expected_gain or 1.0)
    return _layer("delegate", layer.fkw_bytes, f"pruned.{kind_of(layer)}", left)


def _layer(engine: str, stored_bytes: int, kind: str, macs: float) -> Parts:
    return {f"{engine}.layer": 1, f"{engine}.weight": stored_bytes / 4, kind: macs}


def _seconds(parts: Parts, costs: NetworkCosts) -> float:
    nanoseconds = 0.0
    for name, amount in parts.items():
        engine, part = name.split(".")
        nanoseconds += amount * getattr(costs, engine)[part]
    return nanoseconds * _NANOSECOND


def kind_of(layer: LayerReport) -> str:
    """Which of `targets.KINDS` a layer is."""
    if layer.op in ("FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        return {"FULLY_CONNECTED": "fully_connected"}.get(layer.op, "depthwise")
    return "pointwise" if layer.kernel_size == (1, 1) else "spatial"


def work(layer: LayerReport) -> float:
    """Multiply-accumulates of the dense layer, and what each output value costs besides them."""
    if layer.macs is None:
        return 0.0
    if layer.op == "FULLY_CONNECTED":
        return layer.macs
    if layer.op == "DEPTHWISE_CONV_2D":
        return layer.macs + cost_model.DEPTHWISE.dense_output * layer.outputs
    kind = cost_model.POINTWISE if layer.kernel_size == (1, 1) else cost_model.SPATIAL
    return layer.macs + kind.dense_output * layer.outputs


def padded_work(layer: LayerReport) -> float:
    """`work` with the channels that XNNPACK computes in vain: its kernels make 16 at a time."""
    channels = layer.out_channels or _XNNPACK_CHANNELS
    return work(layer) * (_XNNPACK_CHANNELS * math.ceil(channels / _XNNPACK_CHANNELS)) / channels


def tiled_work(layer: LayerReport) -> float:
    """`work` with what the delegate's vectors of 4x4 tiles compute in vain beside a small map."""
    size = layer.outputs // max(layer.out_channels or 1, 1)
    if size <= 1:
        return work(layer)
    return work(layer) * 16 * math.ceil(math.sqrt(size) / 4) ** 2 / size
