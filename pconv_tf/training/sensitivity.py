"""Which layers bear pruning, and which rates a wanted compression should give them."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pconv_tf.config import ConfigLike, PruningConfig
from pconv_tf.files import write_atomically
from pconv_tf.training.batch_norm import norm_layers, recalibrate_with
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.layers import Kernel, find_kernels
from pconv_tf.training.plan import bind, make_plan
from pconv_tf.training.saliency import input_scales, require_samples, salient

RATES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)


@dataclasses.dataclass(frozen=True)
class LayerSensitivity:
    """What pruning one layer alone, without retraining, does to the model's score.

    Attributes:
        name: The layer.
        weights: Its weights.
        rates: Connectivity rates tried, ascending; the layer's patterns are applied at each.
        kept: Weights left at each rate.
        scores: The model's score at each rate.
        positions: Outputs of each filter for one sample, by which a weight's multiplications
            count; None where the model does not tell (subclassed models, free sizes).
    """

    name: str
    weights: int
    rates: tuple[float, ...]
    kept: tuple[int, ...]
    scores: tuple[float, ...]
    positions: int | None = None


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of every layer that can be pruned.

    Attributes:
        baseline: The score of the unpruned model.
        layers: In model order.
        other_weights: Convolution weights that stay dense whatever the rates.
        other_macs: Multiplications of those for one sample; None where the model does not tell.
    """

    baseline: float
    layers: tuple[LayerSensitivity, ...]
    other_weights: int
    other_macs: int | None = None

    def suggest(
        self,
        compression: float,
        *,
        by: Literal["weights", "macs"] = "weights",
        highest: float = math.inf,
    ) -> dict[str, float]:
        """Rates by layer that compress the convolutions `compression` times at the least cost.

        Starting from patterns alone, the next higher rate goes, again and again, to the layer whose
        score falls least per weight (or multiplication) removed. Costs are added up as if layers
        did not interact.

        Args:
            compression: How many times fewer are to be left.
            by: What is counted: weights, or multiplications for one sample.
            highest: No layer gets a higher rate. Scores of one layer pruned alone say little about
                very high rates; twice the mean rate is a good cap.

        Raises:
            ValueError: The compression is below 1, or more than the rates tried can reach, or
                multiplications are asked for that are not known.
        """
        if not compression >= 1:
            raise ValueError(f"compression: expected at least 1. Received: {compression!r}")
        if by not in ("weights", "macs"):
            raise ValueError(f"by: expected weights or macs. Received: {by!r}")
        units = [1 if by == "weights" else layer.positions for layer in self.layers]
        other = self.other_weights if by == "weights" else self.other_macs
        if other is None or None in units:
            raise ValueError(
                'by: "macs" needs a functional or Sequential model whose input sizes are known and '
                'that uses each layer once; use "weights"'
            )
        each = [unit for unit in units if unit is not None]
        total = other + sum(
            layer.weights * unit for layer, unit in zip(self.layers, each, strict=True)
        )
        choice = [0] * len(self.layers)

        def kept() -> int:
            chosen = zip(self.layers, choice, each, strict=True)
            return other + sum(layer.kept[at] * unit for layer, at, unit in chosen)

        def price(i: int) -> float:
            layer, at = self.layers[i], choice[i]
            # The steepest fall up to this rate: noise must not make a higher rate look free.
            floor = min(layer.scores[: at + 1])
            fall = max(floor - layer.scores[at + 1], 0.0)
            return fall / max((layer.kept[at] - layer.kept[at + 1]) * each[i], 1)

        while total / kept() < compression:
            raisable = [
                i
                for i, at in enumerate(choice)
                if at + 1 < len(self.layers[i].rates) and self.layers[i].rates[at + 1] <= highest
            ]
            if not raisable:
                limit = "" if highest == math.inf else f" up to {highest:g}"
                raise ValueError(
                    f"compression: the rates tried{limit} reach {total / kept():.2f}. "
                    f"Received: {compression!r}"
                )
            cheapest = min(raisable, key=lambda i: (price(i), -self.layers[i].weights))
            choice[cheapest] += 1
        return {layer.name: layer.rates[at] for layer, at in zip(self.layers, choice, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    def plot(self, path: str) -> None:
        """Draws score against rate for every layer.

        Raises:
            ValueError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ValueError("plot: needs the package matplotlib") from error
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"]
        for i, layer in enumerate(self.layers):
            style = ("-", "--", ":", "-.")[i // len(colours) % 4]
            axes.plot(
                layer.rates, layer.scores, style, color=colours[i % len(colours)], label=layer.name
            )
        axes.axhline(self.baseline, color="0.6", linewidth=1, label="unpruned")
        axes.set_xscale("log", base=2)
        axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
        axes.set_xlabel("connectivity rate of this layer alone, without retraining")
        axes.set_ylabel("score")
        axes.legend(fontsize="x-small", ncols=1 + len(self.layers) // 16, loc="lower left")
        picture = io.BytesIO()
        figure.savefig(picture, dpi=150, format=Path(path).suffix.removeprefix(".") or "png")
        write_atomically(path, picture.getvalue())


class _Statistics:
    """The statistics of a model's batch normalisation, to be put back."""

    def __init__(self, model: Any) -> None:
        self._framework = framework_of(model)
        self._variables = [
            variable
            for layer in norm_layers(model)
            for variable in (layer.moving_mean, layer.moving_variance)
        ]
        self._values = [self._framework.read(variable).copy() for variable in self._variables]

    def restore(self) -> None:
        for variable, value in zip(self._variables, self._values, strict=True):
            self._framework.assign(variable, value)


def measure(
    model: Any,
    config: ConfigLike,
    score: Callable[[Any], float],
    *,
    calibration: Any = None,
    rates: Sequence[float] = RATES,
    progress: Callable[[int, int], None] | None = None,
) -> Sensitivity:
    """Prunes one layer at a time, at every rate, and scores the model.

    Args:
        model: A built Keras 3 or tf_keras model; unchanged afterwards.
        config: Pattern sets, balance and blocks are taken from it; its rates are not.
        score: From the model to a number that is better when higher, such as accuracy on a
            validation set.
        calibration: Inputs without labels, as `pconv_tf.training.Calibration` takes them. The
            statistics of batch normalisation are set anew before every score, since stale ones
            hide what a layer can bear, and `saliency: activation` is followed. Every score then
            costs a pass over the samples for each such layer: some hundred will do.
        rates: Connectivity rates to try; a layer skips those above the number of kernels that are
            ranked together in it, which leave one kernel at most.
        progress: Called with (evaluations done, evaluations in all).

    Raises:
        ValueError: The configuration does not fit the model, a rate is below 1, or
            `saliency: activation` has no samples.
    """
    settings = PruningConfig.from_any(config)
    rates = sorted(set(rates))
    if not rates or rates[0] < 1:
        raise ValueError(f"rates: expected numbers of at least 1. Received: {list(rates)!r}")
    samples = None if calibration is None else Calibration.of(calibration)
    require_samples(settings, samples)
    plan, scales = make_plan(model, settings), {}
    if samples is not None and settings.saliency == "activation":
        scales = input_scales(model, [layer.kernel for layer in plan.layers], samples)
    plan = bind(plan, settings, scales)
    statistics = _Statistics(model)
    layers = [layer for layer in plan.layers if layer.kernel.kind != "depthwise"]
    # At a rate of `ranked` one kernel is left; higher ones leave no fewer, or none.
    tried = [[rate for rate in rates if rate <= layer.constraint.ranked] for layer in layers]
    total = 1 + sum(map(len, tried))
    done = 0

    def evaluate() -> float:
        nonlocal done
        if samples is not None:
            recalibrate_with(model, samples)
        value = float(score(model))
        done += 1
        if progress is not None:
            progress(done, total)
        return value

    try:
        baseline = evaluate()
    finally:
        statistics.restore()
    measured = []
    for layer, layer_rates in zip(layers, tried, strict=True):
        weights = layer.kernel.read()
        kept, scores = [], []
        try:
            for rate in layer_rates:
                judged = salient(layer.kernel, weights, scales)
                mask = layer.constraint.expand(layer.constraint.project(judged, rate))
                layer.kernel.write(np.where(mask, weights, np.float32(0)))
                kept.append(int(mask.sum()))
                scores.append(evaluate())
        finally:
            layer.kernel.write(weights)
            statistics.restore()
        measured.append(
            LayerSensitivity(
                layer.name,
                weights.size,
                tuple(layer_rates),
                tuple(kept),
                tuple(scores),
                _positions(layer.kernel),
            )
        )
    names = {layer.name for layer in layers}
    others = [k for k in find_kernels(model)[0] if k.kind != "dense" and k.name not in names]
    sizes = [int(np.prod(kernel.shape)) for kernel in others]
    places = [_positions(kernel) for kernel in others]
    macs: int | None = 0
    for size, place in zip(sizes, places, strict=True):
        macs = None if macs is None or place is None else macs + size * place
    return Sensitivity(baseline, tuple(measured), sum(sizes), macs)


def _positions(kernel: Kernel) -> int | None:
    """Outputs of each filter for one sample, where the layer was called once on known sizes."""
    if kernel.kind == "dense":
        return 1
    try:
        shape = tuple(kernel.layer.output.shape)
    except (AttributeError, ValueError):  # Keras: called never, or several times.
        return None
    first = getattr(kernel.layer, "data_format", "channels_last") == "channels_first"
    extent = shape[2:] if first else shape[1:-1]
    return None if None in extent else int(np.prod(extent))
