"""Decides over the whole graph which layers become a PConv2D.

A layer that gains alone can lose in its network: the delegate takes over the operators around it,
which XNNPACK runs faster where maps are small. So layers are judged by stretches, the operators
that the delegate would take together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pconv_tf.conversion import model_estimate
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import NetworkCosts

# A dense model that is expected to run no longer is converted as its layers say: neither file is
# slow, and examples and tests stay what they are.
TINY_SECONDS = 30e-6


@dataclass(frozen=True)
class ModelChoice:
    """Which layers stay dense for the sake of the whole.

    Attributes:
        left: why, by place in the table.
        gain: how many times faster than its dense twin the model is expected to be with the other
            layers as PConv2D; None if that is not known, or no layer is one.
        refused_gain: the same if no layer stayed dense, where some do.
    """

    left: dict[int, str] = field(default_factory=dict)
    gain: float | None = None
    refused_gain: float | None = None


def choose_layers(
    layers: Sequence[LayerReport],
    divisions: Sequence[Division],
    costs: NetworkCosts,
    *,
    force: bool = False,
) -> ModelChoice:
    """The layers that make the model fastest, of those that are to become a PConv2D.

    Args:
        layers: what becomes of every convolution, each judged alone.
        divisions: the graphs that they are in.
        costs: of the target.
        force: leave all of them a PConv2D.
    """
    wanted = {place for place, layer in enumerate(layers) if layer.became == PCONV}
    if not wanted or any(not _is_known(layers[place]) for place in wanted):
        return ModelChoice()
    dense = model_estimate.model_seconds(layers, divisions, set(), costs)
    whole_gain = dense / model_estimate.model_seconds(layers, divisions, wanted, costs)
    if force or dense <= TINY_SECONDS:
        return ModelChoice(gain=whole_gain)
    left: dict[int, str] = {}
    for division in divisions:
        for stretch in division.stretches:
            left |= _left_in_stretch(layers, stretch, wanted, costs)
    if not left:
        return ModelChoice(gain=whole_gain)
    kept = wanted - set(left)
    gain = dense / model_estimate.model_seconds(layers, divisions, kept, costs) if kept else None
    return ModelChoice(left, gain, whole_gain)


def _left_in_stretch(
    layers: Sequence[LayerReport], stretch: Stretch, wanted: set[int], costs: NetworkCosts
) -> dict[int, str]:
    """First the layers that the delegate itself runs faster dense, then all if XNNPACK wins."""
    inside = [place for place in stretch.layers if place in wanted]
    best = [
        place
        for place in inside
        if model_estimate.pruned_layer(layers[place], costs)
        <= model_estimate.delegate_dense_layer(layers[place], costs)
    ]
    stock = model_estimate.stretch_seconds(layers, stretch, (), costs)
    gain = stock / model_estimate.stretch_seconds(layers, stretch, best, costs)
    if gain < 1:
        reason = f"expected {gain:.2f}x with the {stretch.operators} operators around it"
        return dict.fromkeys(inside, reason)
    return dict.fromkeys(
        (place for place in inside if place not in best), "among pruned layers faster dense"
    )


def _is_known(layer: LayerReport) -> bool:
    """Whether the estimate applies: sizes are known, and activations are float32."""
    return layer.macs is not None and layer.activations == "float32"
