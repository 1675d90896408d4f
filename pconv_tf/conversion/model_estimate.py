"""How long a model is expected to run, as a whole, with and without the delegate.

The cost model of layers (cost_model.py) looks at one layer at a time. A network also pays for each
operator that the delegate runs and for layout changes at its borders, which weighs on small
networks: that is where pruned models can be slower than dense ones. docs/conversion.md explains the
figures, network_costs.json holds them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from pconv_tf.conversion import cost_model
from pconv_tf.conversion.report import LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import NetworkCosts

LOW_GAIN = 1.1  # below, a model is hardly worth the delegate

_NANOSECOND = 1e-9


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
    seconds = 0.0
    for division in divisions:
        seconds += _operators(division.other_operators, division.other_values, costs.xnnpack)
        seconds += sum(xnnpack_layer(layers[place], costs) for place in division.other_layers)
        seconds += sum(
            stretch_seconds(layers, stretch, pruned, costs) for stretch in division.stretches
        )
    return seconds


def stretch_seconds(
    layers: Sequence[LayerReport],
    stretch: Stretch,
    pruned: Collection[int],
    costs: NetworkCosts,
) -> float:
    """Seconds of one stretch: XNNPACK's if none of its layers is a PConv2D, else the delegate's."""
    if not any(place in pruned for place in stretch.layers):
        seconds = _operators(stretch.operators, stretch.values, costs.xnnpack)
        return seconds + sum(xnnpack_layer(layers[place], costs) for place in stretch.layers)
    seconds = _operators(stretch.operators, stretch.tiled_values, costs.delegate)
    seconds += stretch.borders * costs.delegate["border"] * _NANOSECOND
    seconds += stretch.border_values * costs.delegate["border_value"] * _NANOSECOND
    for place in stretch.layers:
        layer = layers[place]
        seconds += (
            pruned_layer(layer, costs) if place in pruned else delegate_dense_layer(layer, costs)
        )
    return seconds


def _operators(count: int, values: Mapping[str, int], engine: Mapping[str, float]) -> float:
    nanoseconds = count * engine["operator"]
    nanoseconds += sum(number * engine[name] for name, number in values.items())
    return nanoseconds * _NANOSECOND


def xnnpack_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """Seconds of a dense layer in stock LiteRT, besides those of an operator."""
    mac = costs.xnnpack[kind_of(layer)]
    return _layer(costs.xnnpack, layer.dense_bytes, mac * work(layer))


def delegate_dense_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """The same of a dense layer that the delegate runs, as fast as XNNPACK where maps are large."""
    mac = costs.xnnpack[kind_of(layer)]
    return _layer(costs.delegate, layer.dense_bytes, mac * tiled_work(layer))


def pruned_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """The same of a layer as PConv2D."""
    mac = costs.pruned[kind_of(layer)] / (layer.expected_gain or 1.0)
    return _layer(costs.delegate, layer.fkw_bytes, mac * work(layer))


def _layer(engine: Mapping[str, float], stored_bytes: int, nanoseconds: float) -> float:
    nanoseconds += engine["layer"] + engine["weight"] * stored_bytes / 4
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


def tiled_work(layer: LayerReport) -> float:
    """`work` with what the delegate's vectors of 4x4 tiles compute in vain beside a small map."""
    size = layer.outputs // max(layer.out_channels or 1, 1)
    if size <= 1:
        return work(layer)
    return work(layer) * 16 * math.ceil(math.sqrt(size) / 4) ** 2 / size
