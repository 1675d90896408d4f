"""How long a model is expected to run, as a whole, with and without the delegate.

The cost model of layers (cost_model.py) looks at one layer at a time. A network also pays for each
operator that the delegate runs and for layout changes at its borders, which weighs on small
networks: that is where pruned models can be slower than dense ones. docs/conversion.md explains the
figures, network_costs.json holds them.
"""

from __future__ import annotations

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
        seconds += division.other_operators * costs.xnnpack["operator"] * _NANOSECOND
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
        seconds = stretch.operators * costs.xnnpack["operator"] * _NANOSECOND
        return seconds + sum(xnnpack_layer(layers[place], costs) for place in stretch.layers)
    seconds = stretch.operators * costs.pruned["operator"] * _NANOSECOND
    seconds += stretch.borders * costs.border["tensor"] * _NANOSECOND
    seconds += stretch.border_values * costs.border["value"] * _NANOSECOND
    for place in stretch.layers:
        layer = layers[place]
        seconds += (
            pruned_layer(layer, costs) if place in pruned else delegate_dense_layer(layer, costs)
        )
    return seconds


def xnnpack_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """Seconds of a dense layer in stock LiteRT."""
    return _seconds(layer, costs.xnnpack)


def delegate_dense_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """Seconds of a dense layer that the delegate runs."""
    return _seconds(layer, costs.dense)


def pruned_layer(layer: LayerReport, costs: NetworkCosts) -> float:
    """Seconds of a layer as PConv2D."""
    return _seconds(layer, costs.pruned) / (layer.expected_gain or 1.0)


def _seconds(layer: LayerReport, engine: Mapping[str, float]) -> float:
    return work(layer) * engine[kind_of(layer)] * _NANOSECOND


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
