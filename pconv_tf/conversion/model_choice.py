"""Decides over the whole graph which layers become a PConv2D.

A layer that gains alone can lose in its network: the delegate takes over the operators around it,
which XNNPACK runs faster where maps are small. So layers are judged by stretches, the operators
that the delegate would take together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from pconv_tf.conversion import model_estimate
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import NetworkCosts

# What a stretch must be expected to gain: the estimates of networks around 1x miss by a tenth.
MINIMUM_GAIN = 1.15
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
    wanted = _wanted(layers)
    gain = _expected_gain(layers, divisions, wanted, costs)
    if gain is None or force or _is_tiny(layers, divisions, costs):
        return ModelChoice(gain=gain)
    left: dict[int, str] = {}
    for division in divisions:
        for stretch in division.stretches:
            left |= _left_in_stretch(layers, stretch, wanted, costs)
    if not left:
        return ModelChoice(gain=gain)
    kept = wanted - set(left)
    return ModelChoice(left, _expected_gain(layers, divisions, kept, costs), gain)


def split_choice(
    layers: Sequence[LayerReport],
    divisions: Sequence[Division],
    kept: Collection[int],
    costs: NetworkCosts,
    reason: str,
) -> ModelChoice:
    """The choice of `kept`, of the layers that are to become a PConv2D.

    Args:
        layers: what becomes of every convolution, each judged alone.
        divisions: the graphs that they are in.
        kept: places of those that become a PConv2D.
        costs: of the target.
        reason: why the others stay dense.
    """
    left = dict.fromkeys(sorted(_wanted(layers) - set(kept)), reason)
    return ModelChoice(left, _expected_gain(layers, divisions, kept, costs))


def _left_in_stretch(
    layers: Sequence[LayerReport], stretch: Stretch, wanted: set[int], costs: NetworkCosts
) -> dict[int, str]:
    """First the layers that the delegate itself runs faster dense, then all if XNNPACK wins."""
    inside = [place for place in stretch.layers if place in wanted]
    best = [
        place
        for place in inside
        if place in stretch.never_dense
        or model_estimate.pruned_layer(layers[place], costs)
        <= model_estimate.delegate_dense_layer(layers[place], costs)
    ]
    stock = model_estimate.stretch_seconds(layers, stretch, (), costs)
    gain = stock / model_estimate.stretch_seconds(layers, stretch, best, costs)
    if gain < MINIMUM_GAIN:
        reason = f"expected {gain:.2f}x with the {stretch.operators} operators around it"
        return dict.fromkeys(inside, reason)
    return dict.fromkeys(
        (place for place in inside if place not in best), "among pruned layers faster dense"
    )


def _wanted(layers: Sequence[LayerReport]) -> set[int]:
    return {place for place, layer in enumerate(layers) if layer.became == PCONV}


def _expected_gain(
    layers: Sequence[LayerReport],
    divisions: Sequence[Division],
    kept: Collection[int],
    costs: NetworkCosts,
) -> float | None:
    """None without a PConv2D, and where the estimate does not apply: free sizes, int8."""
    wanted = [layers[place] for place in _wanted(layers)]
    if not kept or any(row.macs is None or row.activations != "float32" for row in wanted):
        return None
    dense = model_estimate.model_seconds(layers, divisions, (), costs)
    return dense / model_estimate.model_seconds(layers, divisions, kept, costs)


def _is_tiny(
    layers: Sequence[LayerReport], divisions: Sequence[Division], costs: NetworkCosts
) -> bool:
    return model_estimate.model_seconds(layers, divisions, (), costs) <= TINY_SECONDS
