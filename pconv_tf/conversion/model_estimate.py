"""How much faster a converted model is expected to be as a whole, over its dense twin.

The cost model of layers (cost_model.py) looks at one layer at a time. A network also pays for each
operator that the delegate runs, which weighs on small networks: that is where pruned models can be
slower than dense ones. The figures below were fitted to five networks on Zen 4 (AVX-512, one
thread), whose gains they meet within a fifth; docs/conversion.md lists them. They correct what
cost_model.json misses on whole networks, and are to be fitted anew together with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pconv_tf.conversion import cost_model
from pconv_tf.conversion.report import PCONV, LayerReport

TARGET = "AVX-512, 1 thread"
LOW_GAIN = 1.1  # below, a model is hardly worth the delegate

_MAC_SECONDS = 20e-12  # XNNPACK's dense convolutions
_XNNPACK_OPERATOR_SECONDS = 0.4e-6
_DELEGATE_OPERATOR_SECONDS = 2.6e-6  # changes of layout at small maps and borders are in it
# Gains of a layer inside a network of pruned ones, over what the cost model expects of it alone.
_SPATIAL_FACTOR = 2.4
_POINTWISE_FACTOR = 1.3
# Dense layers that the delegate takes over, over XNNPACK.
_DENSE_FACTORS = {"DEPTHWISE_CONV_2D": 2.0, "CONV_2D": 1.3}


def expected_gain_of(layers: Sequence[LayerReport], operators: int) -> float | None:
    """How many times faster than its dense twin a model is expected to run.

    Args:
        layers: what became of its convolutions.
        operators: how many operators it has in all.

    Returns:
        The gain; None if no layer is a PConv2D, the size of one is not known, or one has int8
        activations, to which the figures do not apply.
    """
    known = [layer for layer in layers if layer.macs is not None]
    if not any(layer.became == PCONV for layer in known):
        return None
    if any(layer.became == PCONV and layer.macs is None for layer in layers):
        return None
    if any(layer.became == PCONV and layer.activations == "int8" for layer in layers):
        return None
    dense = operators * _XNNPACK_OPERATOR_SECONDS
    pruned = operators * _DELEGATE_OPERATOR_SECONDS
    for layer in known:
        seconds = _MAC_SECONDS * _work(layer)
        dense += seconds
        pruned += seconds / _gain(layer)
    return dense / pruned


def _work(layer: LayerReport) -> float:
    """Multiply-accumulates, and what each output value costs besides them."""
    assert layer.macs is not None
    if layer.op == "FULLY_CONNECTED":
        return layer.macs
    if layer.op == "DEPTHWISE_CONV_2D":
        return layer.macs + cost_model.DEPTHWISE.dense_output * layer.outputs
    kind = cost_model.POINTWISE if layer.kernel_size == (1, 1) else cost_model.SPATIAL
    return layer.macs + kind.dense_output * layer.outputs


def _gain(layer: LayerReport) -> float:
    if layer.became != PCONV or layer.expected_gain is None:
        return _DENSE_FACTORS.get(layer.op, 1.0)
    if layer.op != "CONV_2D":
        return layer.expected_gain
    factor = _POINTWISE_FACTOR if layer.kernel_size == (1, 1) else _SPATIAL_FACTOR
    return layer.expected_gain * factor
