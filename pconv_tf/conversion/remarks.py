"""What a user should know about a conversion beside its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pconv_tf.conversion.layer_choice import NOT_PRUNED
from pconv_tf.conversion.model_choice import ModelChoice
from pconv_tf.conversion.model_estimate import LOW_GAIN
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.targets import NetworkCosts

_SHOWN = 3  # names of layers in one remark


def remarks_on(
    layers: Sequence[LayerReport],
    pruned: Mapping[str, float],
    whole: ModelChoice,
    costs: NetworkCosts,
) -> list[str]:
    """Whole sentences: the expected gain, and what is not as a user of pruning would expect it.

    Args:
        layers: the table.
        pruned: the share of zeros of each layer that was pruned in this process.
        whole: what was decided over the whole model.
        costs: of the target.
    """
    gain = whole.gain
    dense = {layer.name.partition("#")[0] for layer in layers if layer.reason == NOT_PRUNED}
    lost = [name for name in pruned if name in dense]
    remarks = []
    if lost:
        remarks.append(
            f"The model was pruned, but {_names(lost)} {'is' if len(lost) == 1 else 'are'} dense"
            " now: training without PConvCallback or KeepZeros loses the zeros. Prune again, or"
            " train with pconv_tf.training.KeepZeros."
        )
    if any(layer.became == PCONV for layer in layers):
        if any(layer.became == PCONV and layer.activations == "int8" for layer in layers):
            remarks.append(
                "Gains of int8 layers are estimates for CPUs without AMX; with AMX (Sapphire Rapids"
                " and later) the stock int8 file is faster. Measure both (pconv-tf compare"
                " --graph=FILE --baseline=TWIN); the twin comes from convert_dense or --to-dense."
            )
        if gain is not None:
            remarks.append(f"Expected for the model: {gain:.1f}x ({costs.title}).")
        remarks += _left(whole)
        if gain is not None and gain < LOW_GAIN:
            remarks.append(
                "That is hardly faster than its dense twin, or slower: the model is so small that"
                " starting its operators takes longer than pruning saves. Measure both (pconv-tf"
                " compare --graph=FILE --baseline=TWIN); the twin comes from convert_dense or"
                " --to-dense."
            )
        return remarks
    if whole.refused_gain is not None:
        remarks += [f"Expected for the model: 1.0x ({costs.title}).", *_left(whole)]
    elif all(layer.kept_weights in (None, 1) for layer in layers):
        if not lost:
            remarks.append(
                "The model is not pruned: no layer has zeros, and the file is as large and as fast"
                " as before. Prune it first, with PConvCallback while it trains, or at once with"
                " prune_one_shot."
            )
    else:
        remarks.append(
            "No layer became a PConv2D, so the file runs as any other; the table says why."
        )
    return remarks


def _left(whole: ModelChoice) -> list[str]:
    if whole.refused_gain is None:
        return []
    layers = (
        "1 pruned layer stays" if len(whole.left) == 1 else f"{len(whole.left)} pruned layers stay"
    )
    return [
        f"For the sake of the whole, {layers} dense: with all as PConv2D it would be expected"
        f" {whole.refused_gain:.2f}x, as the delegate runs other operators of the model slower."
        " measure=True (--measure) finds out by running, force=True (--force) converts them all."
    ]


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"layer{'s' if len(names) > 1 else ''} {listed}" + (f" and {more} more" * (more > 0))
