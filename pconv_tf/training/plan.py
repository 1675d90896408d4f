"""Decides for every kernel of a model what a configuration asks of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.config import (
    POINTWISE_UNITS,
    LayerOverride,
    PatternSpec,
    PruningConfig,
    natural_count,
)
from pconv_tf.training import patterns
from pconv_tf.training.grouping import similar_filters
from pconv_tf.training.layers import Kernel, LeftOut, find_kernels
from pconv_tf.training.projections import KernelConstraint, kept_kernels
from pconv_tf.training.saliency import salient

FROZEN = "is frozen (trainable=False)"


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """One kernel and its constraint.

    Attributes:
        kernel: The weight to prune.
        constraint: Its constraint sets. Before `bind`, mined patterns are still missing.
        pattern_spec: The pattern set that applies to the layer, None where patterns do not.
        entries: Taps that a pattern of this layer keeps.
        scheduled: Whether the layer's rate is `connectivity_rate`, which a schedule may drive.
    """

    kernel: Kernel
    constraint: KernelConstraint
    pattern_spec: PatternSpec | None
    entries: int
    scheduled: bool

    @property
    def name(self) -> str:
        """The kernel's name."""
        return self.kernel.name


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is pruned and what is left dense.

    Attributes:
        layers: The pruned kernels in model order.
        left_out: The others, with reasons.
    """

    layers: tuple[LayerPlan, ...]
    left_out: tuple[LeftOut, ...]


def make_plan(model: Any, config: PruningConfig, *, for_training: bool = False) -> Plan:
    """Resolves `config` against `model`, without reading a weight.

    Args:
        model: A built Keras 3 or tf_keras model.
        config: What is wanted.
        for_training: Leave out layers that are frozen, since training cannot adapt them.

    Raises:
        ValueError: A layer is not built, a `per_layer` key matches nothing, a rate keeps no kernel,
            a mask does not fit its layer, a pattern set can apply to no layer, or nothing in the
            model can be pruned; the text names the layer or field.
    """
    kernels, left_out = find_kernels(model)
    _require_kernel_of_masks(config, kernels)
    overrides = _overrides(config, kernels)
    first = next((k.name for k in kernels if k.kind in ("conv", "pointwise")), None)
    layers: list[LayerPlan] = []
    for kernel in kernels:
        planned = _plan_layer(kernel, config, overrides[kernel.name], kernel.name == first)
        if for_training and not isinstance(planned, str) and not is_trainable(kernel):
            planned = FROZEN
        if isinstance(planned, str):
            left_out.append(LeftOut(kernel.name, type(kernel.layer).__name__, planned))
        else:
            layers.append(planned)
    if not layers:
        reasons = "; ".join(f"{item.name}: {item.reason}" for item in left_out)
        raise ValueError(
            "model: no layer can be pruned with this configuration. "
            + (reasons or "It has neither convolutions nor Dense layers")
        )
    return Plan(tuple(layers), tuple(left_out))


def bind(
    plan: Plan, config: PruningConfig, scales: Mapping[str, npt.NDArray[np.float32]] | None = None
) -> Plan:
    """Completes a plan with what depends on the weights: similar filters and mined pattern sets.

    Every "naturalK" is mined once per kernel size, over the kernels of all layers that ask for it
    and that survive connectivity pruning.

    Args:
        plan: From `make_plan`.
        config: The same configuration.
        scales: From `saliency.input_scales`, where weights count by what they add to the outputs.

    Raises:
        ValueError: A weight is not finite, or more patterns are asked for than candidates exist.
    """
    grouped = tuple(_grouped(layer, config.filter_grouping) for layer in plan.layers)
    plan = dataclasses.replace(plan, layers=grouped)
    mined: dict[tuple[int, tuple[int, int], int], list[LayerPlan]] = {}
    for layer in plan.layers:
        key = _mining_key(layer)
        if key is not None:
            mined.setdefault(key, []).append(layer)
    sets: dict[tuple[int, tuple[int, int], int], patterns.PatternSet] = {}
    for key, members in mined.items():
        count, size, entries = key
        energies = [_surviving_energy(layer, scales or {}) for layer in members]
        sets[key] = patterns.mine(energies, size, count, entries, centre=not config.mine_centreless)

    def completed(layer: LayerPlan) -> LayerPlan:
        key = _mining_key(layer)
        if key is None:
            return layer
        constraint = dataclasses.replace(layer.constraint, patterns=sets[key])
        return dataclasses.replace(layer, constraint=constraint)

    return dataclasses.replace(plan, layers=tuple(completed(layer) for layer in plan.layers))


def _grouped(layer: LayerPlan, grouping: str) -> LayerPlan:
    """Chooses which filters share a block, where that is not given by their order."""
    constraint = layer.constraint
    if grouping == "consecutive" or constraint.block == 1 or constraint.order is not None:
        return layer
    order = similar_filters(
        layer.kernel.read(),
        constraint.block,
        1 if layer.kernel.kind == "depthwise" else layer.kernel.groups,
    )
    return dataclasses.replace(layer, constraint=dataclasses.replace(constraint, order=order))


def _mining_key(layer: LayerPlan) -> tuple[int, tuple[int, int], int] | None:
    count = None if layer.pattern_spec is None else natural_count(layer.pattern_spec)
    return None if count is None else (count, layer.kernel.shape[:2], layer.entries)


def _surviving_energy(layer: LayerPlan, scales: Mapping[str, npt.NDArray[np.float32]]) -> Any:
    weights = salient(layer.kernel, layer.kernel.read(), scales)
    energy = layer.constraint.tap_energy(weights)
    survivors = layer.constraint.project_connectivity(weights).kept
    if survivors is None:
        return energy.reshape(energy.shape[0], -1)
    return energy[:, survivors]


def _plan_layer(
    kernel: Kernel, config: PruningConfig, override: LayerOverride, first: bool
) -> LayerPlan | str:
    if override.skip:
        return "skipped by per_layer"
    if _is_spared(kernel, config, override, first):
        channels = f"{kernel.shape[2]} channel{'s'[: kernel.shape[2] != 1]}"
        return f"reads {channels}, fewer than skip_thin {config.skip_thin}"
    rate = _rate(kernel, config, override, first)
    scheduled = (
        override.rate is None
        and not first
        and (kernel.kind == "conv" or (kernel.kind == "pointwise" and not config.pointwise_rate))
    )
    block = override.filter_block or (
        config.dense_block if kernel.kind == "dense" else config.filter_block
    )
    spec, entries = None, kernel.shape[0] * kernel.shape[1]
    wants_patterns = config.depthwise_patterns or override.pattern_set is not None
    if kernel.kind == "conv" or (kernel.kind == "depthwise" and wants_patterns):
        spec, entries = _patterns(kernel, config, override)
    if spec is None and rate == 1 and not (scheduled and config.schedule is not None):
        return _why_dense(kernel, config, first)
    if kernel.groups > 1 and kernel.kind != "depthwise":
        per_group = kernel.shape[3] // kernel.groups
        if per_group % block:
            raise ValueError(
                f"layer {kernel.name}: filter_block {block} does not divide the {per_group} "
                f"filters of each of its {kernel.groups} channel groups; set per_layer "
                "filter_block: 1"
            )
    constraint = KernelConstraint(
        kernel.shape,
        _fixed_patterns(kernel, spec),
        rate,
        override.balance or config.balance,
        block,
        unit=POINTWISE_UNITS[config.pointwise_unit] if kernel.kind == "pointwise" else 1,
    )
    check_rate(kernel, constraint)
    return LayerPlan(kernel, constraint, spec, entries, scheduled)


def _is_spared(kernel: Kernel, config: PruningConfig, override: LayerOverride, first: bool) -> bool:
    """Whether the kernel reads too few channels to be pruned, and nothing asks for it by name."""
    # Groups of one channel are a depthwise layer: without its kernel, a channel would be lost.
    ungrouped = kernel.groups == 1 or kernel.shape[2] == 1
    thin = kernel.kind in ("conv", "pointwise") and ungrouped
    asked_for = (
        override.skip is False
        or override.rate is not None
        or override.pattern_set is not None
        or (first and config.first_layer_rate > 1)
    )
    return thin and kernel.shape[2] < config.skip_thin and not asked_for


def _rate(kernel: Kernel, config: PruningConfig, override: LayerOverride, first: bool) -> float:
    if kernel.kind == "depthwise":
        if override.rate not in (None, 1):
            raise ValueError(
                f"layer {kernel.name}: a depthwise layer takes no connectivity pruning, which "
                f"would delete channels; allowed rate: 1. Received: {override.rate:g}"
            )
        return 1.0
    if override.rate is not None:
        return override.rate
    if kernel.kind == "dense":
        return config.dense_rate
    if first:
        return config.first_layer_rate
    if kernel.kind == "pointwise" and config.pointwise_rate is not None:
        return config.pointwise_rate
    return config.connectivity_rate


def _patterns(
    kernel: Kernel, config: PruningConfig, override: LayerOverride
) -> tuple[PatternSpec | None, int]:
    """The pattern set that applies to a spatial kernel and the taps that it keeps."""
    size = kernel.shape[:2]
    label = f"{size[0]}x{size[1]}"
    spec = config.pattern_set if override.pattern_set is None else override.pattern_set
    if spec == "none":
        return None, size[0] * size[1]
    if not isinstance(spec, str):
        shape = (len(spec[0]), len(spec[0][0]))
        if shape == size:
            return spec, sum(map(sum, spec[0]))
        if override.pattern_set is not None:
            raise ValueError(
                f"layer {kernel.name}: pattern_set has masks of {shape[0]}x{shape[1]}, but the "
                f"layer's kernel is {label}"
            )
        return None, size[0] * size[1]
    entries = config.kernel_entries.get(label)
    if natural_count(spec) is None:
        if label == "3x3":
            if entries not in (None, 4):
                raise ValueError(
                    f'layer {kernel.name}: kernel_entries["3x3"] is {entries}, but every pattern '
                    f'of pattern_set "{spec}" keeps 4 taps; allowed: 4, or another pattern_set'
                )
            return spec, 4
        if override.pattern_set is None and entries is None:
            return None, size[0] * size[1]
        raise ValueError(
            f'layer {kernel.name}: pattern_set "{spec}" exists for 3x3 kernels only, and this one '
            f'is {label}; use "naturalK" or explicit masks in per_layer'
        )
    if entries is None:
        if override.pattern_set is not None:
            raise ValueError(
                f'layer {kernel.name}: kernel_entries does not say how many taps "{spec}" keeps of '
                f"a {label} kernel"
            )
        return None, size[0] * size[1]
    if entries == size[0] * size[1]:
        return None, entries
    return spec, entries


def _fixed_patterns(kernel: Kernel, spec: PatternSpec | None) -> patterns.PatternSet | None:
    if spec is None or natural_count(spec) is not None:
        return None
    return patterns.fixed_set(spec) if isinstance(spec, str) else patterns.explicit_set(spec)


def check_rate(kernel: Kernel, constraint: KernelConstraint) -> None:
    """Checks that the constraint's rate leaves the layer a kernel.

    Raises:
        ValueError: It leaves none; the text names the layer.
    """
    ranked = constraint.ranked
    try:
        kept_kernels(ranked, constraint.rate)
    except ValueError as error:
        what = "each filter" if constraint.balance == "filter" else "the layer"
        raise ValueError(
            f"layer {kernel.name}: connectivity {error} ({what} has {ranked}); the highest rate "
            f"allowed here is {2 * ranked:g}"
        ) from error


def _why_dense(kernel: Kernel, config: PruningConfig, first: bool) -> str:
    if kernel.kind == "dense":
        return "fully connected layers are off (dense_rate 1)"
    if kernel.kind == "depthwise":
        return "depthwise kernels take patterns only, and none apply"
    size = f"{kernel.shape[0]}x{kernel.shape[1]}"
    patterns_off = "" if kernel.kind == "pointwise" else f", and no pattern applies to {size}"
    field = "first_layer_rate 1" if first else "connectivity rate 1"
    return field + patterns_off


def _require_kernel_of_masks(config: PruningConfig, kernels: Iterable[Kernel]) -> None:
    """Checks that masks given for the whole network have the size of some kernel.

    Raises:
        ValueError: They could apply nowhere.
    """
    spec = config.pattern_set
    if isinstance(spec, str):
        return
    shape = (len(spec[0]), len(spec[0][0]))
    taking = [
        kernel
        for kernel in kernels
        if kernel.kind == "conv" or (kernel.kind == "depthwise" and config.depthwise_patterns)
    ]
    if not any(kernel.shape[:2] == shape for kernel in taking):
        sizes = sorted({f"{kernel.shape[0]}x{kernel.shape[1]}" for kernel in taking})
        raise ValueError(
            f"pattern_set: has masks of {shape[0]}x{shape[1]}, but no layer of the model that "
            f"takes patterns has such kernels; their sizes: {', '.join(sizes) or 'none'}"
        )


def _require_taps(key: str, override: LayerOverride, matched: Iterable[Kernel]) -> None:
    """Checks that a pattern set given in `per_layer` can apply to a layer that its key matches.

    Raises:
        ValueError: All of those layers have kernels of one tap.
    """
    if override.pattern_set in (None, "none"):
        return
    matched = list(matched)
    if all(kernel.kind in ("pointwise", "dense") for kernel in matched):
        raise ValueError(
            f"per_layer[{key!r}].pattern_set: layer {', '.join(k.name for k in matched)} has "
            'kernels of one tap (1x1 or fully connected), which take no pattern; allowed: "none". '
            f"Received: {override.pattern_set!r}"
        )


def _overrides(config: PruningConfig, kernels: Iterable[Kernel]) -> dict[str, LayerOverride]:
    """The merged override of every kernel.

    Raises:
        ValueError: A key matches no prunable layer, or gives patterns only to layers without.
    """
    kernels = list(kernels)
    merged = {kernel.name: LayerOverride() for kernel in kernels}
    exact: list[tuple[list[Kernel], LayerOverride]] = []
    for key, override in config.per_layer.items():
        named = [k for k in kernels if key in (k.name, k.layer.name)]
        matched = named or [k for k in kernels if re.fullmatch(key, k.name)]
        if not matched:
            raise ValueError(
                f"per_layer[{key!r}]: matches no layer that can be pruned. "
                f"Such layers: {', '.join(k.name for k in kernels) or 'none'}"
            )
        _require_taps(key, override, matched)
        if named:
            exact.append((named, override))
        else:
            _merge(merged, matched, override)
    for named, override in exact:
        _merge(merged, named, override)
    return merged


def _merge(
    merged: dict[str, LayerOverride], kernels: Iterable[Kernel], override: LayerOverride
) -> None:
    changes = {key: value for key, value in vars(override).items() if value is not None}
    for kernel in kernels:
        merged[kernel.name] = dataclasses.replace(merged[kernel.name], **changes)


def is_trainable(kernel: Kernel) -> bool:
    """Whether training changes the kernel."""
    return bool(kernel.layer.trainable) and bool(kernel.variable.trainable)
