"""What to prune, how far, and on which schedule: `PruningConfig`.

Imports neither TensorFlow nor Keras, so that a configuration can be read and checked anywhere.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from pconv_tf.fkw.layer import FILTER_BLOCKS, MAX_KERNEL, MAX_PATTERNS

Mask: TypeAlias = tuple[tuple[int, ...], ...]
PatternSpec: TypeAlias = str | tuple[Mask, ...]
ConfigLike: TypeAlias = "PruningConfig | Mapping[str, Any] | str | os.PathLike[str]"

BALANCES = ("layer", "filter")
POINTWISE_UNITS = {"weight": 1, "quad": 4}  # input channels of a filter that go together
SALIENCIES = ("magnitude", "activation")
GROUPINGS = ("consecutive", "similar")
FIXED_SETS = ("pconv4", "squares4")

_NATURAL = re.compile(r"natural(\d+)")
_KERNEL_SIZE = re.compile(rf"([1-{MAX_KERNEL}])x([1-{MAX_KERNEL}])")
_PERIOD = re.compile(r"(\d+) (epochs?|steps?)")


def recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name: its YAML files, or else the checkout's."""
    package = Path(__file__).resolve().parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


@dataclasses.dataclass(frozen=True)
class LayerOverride:
    """What one `per_layer` entry changes; a field left at None keeps the network's value.

    Attributes:
        rate: Connectivity rate of the layer, at least 1 (1: keep every kernel).
        pattern_set: As `PruningConfig.pattern_set`; explicit masks must have the kernel's size.
        filter_block: 1, 4, 8 or 16.
        balance: "layer" or "filter".
        skip: True leaves the layer dense; False takes back a True of an earlier entry, and prunes a
            layer that `skip_thin` would leave dense.
    """

    rate: float | None = None
    pattern_set: PatternSpec | None = None
    filter_block: int | None = None
    balance: Literal["layer", "filter"] | None = None
    skip: bool | None = None


@dataclasses.dataclass(frozen=True)
class PruningConfig:
    """Pattern and connectivity pruning by ADMM, as in PCONV (AAAI 2020) and PatDNN (ASPLOS 2020).

    Accepted everywhere as an instance, a mapping with these keys, or the path of a YAML file.

    Attributes:
        pattern_set: "pconv4" (the four T shapes), "squares4" (the four 2x2 corners), "naturalK"
            (the K most frequent patterns mined from the model), "none", or explicit masks: a list
            of masks, each a list of rows of 0 and 1 or of strings such as ".X.".
        connectivity_rate: 3.6 keeps 1/3.6 of a layer's kernels; 1 keeps all.
        first_layer_rate: Connectivity rate of the first convolution; at 1 it takes patterns only.
            Above 1 it holds also where `skip_thin` would leave that layer dense.
        skip_thin: Convolutions that read fewer input channels than this stay dense: they hold
            hardly any weights, and everything that follows depends on them. With channel groups
            that holds only where a group is one channel, as in a depthwise layer. A `per_layer`
            entry that gives such a layer a rate, a pattern set or `skip: false` wins; 0 spares no
            layer.
        pointwise_rate: Connectivity rate of 1x1 convolutions; None means `connectivity_rate`.
        pointwise_unit: What 1x1 convolutions keep or drop: "weight", single ones, or "quad", four
            neighbouring input channels of a filter together (0 to 3, 4 to 7, ...; the last of a
            layer may hold fewer), which int8 kernels multiply at once. Filters of a block share
            their quads.
        depthwise_patterns: Whether depthwise kernels take patterns. They never take connectivity,
            which would delete whole channels.
        per_layer: Overrides by exact layer name or by regular expression (matched against the
            whole name), each a mapping of `LayerOverride` fields. Later entries win over earlier
            ones, and exact names over expressions.
        balance: "layer" ranks all kernels of a layer together; "filter" keeps the same number of
            kernels in every filter.
        saliency: What a projection at once (the hard prune, `prune_one_shot`) keeps: "magnitude",
            the largest weights, or "activation", those that add most to the layer's outputs,
            w^2 E[x^2] with the inputs x of the calibration samples, which it needs.
        filter_block: This many filters share pattern and connectivity: 1, 4, 8 or 16.
        filter_grouping: Which filters form a block: "consecutive" ones, or "similar" ones, chosen
            once before pruning starts so that sharing costs least.
        dense_rate: Fully connected layers keep 1/dense_rate of their weights; 1 leaves them dense.
        dense_block: This many consecutive outputs of a fully connected layer share their inputs.
        kernel_entries: Taps kept by a pattern, by kernel size ("3x3": 4). Kernels of a size that is
            not named keep all their taps and take connectivity only.
        mine_centreless: Whether "naturalK" may choose patterns without the centre tap.
        warmup_epochs: Epochs of plain training before ADMM starts (and before patterns are mined).
        rho: Penalty weight of each ADMM stage, in order.
        epochs_per_stage: Epochs of each stage.
        update_every: Period of the auxiliary and dual updates within a stage: a number of epochs,
            "N epochs" or "N steps" (training steps, that is batches).
        retrain_epochs: Epochs of masked retraining after the hard prune. Training longer than
            `total_epochs` simply retrains longer.
        rounds: How often ADMM, hard prune and retraining follow each other. Every round raises the
            connectivity rate of every layer by the same factor, from 1 in the first of several
            (patterns alone) to the whole rate in the last, and keeps the zeros of the one before.
        schedule: Optional tfmot `PruningSchedule` (or any callable from a step to
            (prune, sparsity), or a mapping {"class_name", "config"}) that drives the connectivity
            rate as 1 / (1 - sparsity) wherever `connectivity_rate` would apply.

    Raises:
        ValueError: A field has a value that is not allowed; the text names the field, what was
            received and what is allowed.
    """

    pattern_set: PatternSpec = "natural8"
    connectivity_rate: float = 3.6
    first_layer_rate: float = 1.0
    skip_thin: int = 8
    pointwise_rate: float | None = None
    pointwise_unit: Literal["weight", "quad"] = "weight"
    depthwise_patterns: bool = False
    per_layer: Mapping[str, LayerOverride] = dataclasses.field(default_factory=dict)
    balance: Literal["layer", "filter"] = "layer"
    saliency: Literal["magnitude", "activation"] = "magnitude"
    filter_block: int = 1
    filter_grouping: Literal["consecutive", "similar"] = "consecutive"
    dense_rate: float = 1.0
    dense_block: int = 1
    kernel_entries: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"3x3": 4})
    mine_centreless: bool = False
    warmup_epochs: int = 0
    rho: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    epochs_per_stage: int = 10
    update_every: int | str = 1
    retrain_epochs: int = 40
    rounds: int = 1
    schedule: Any = None

    def __post_init__(self) -> None:
        for field in ("connectivity_rate", "first_layer_rate", "dense_rate"):
            self._set(field, _rate(field, getattr(self, field)))
        if self.pointwise_rate is not None:
            self._set("pointwise_rate", _rate("pointwise_rate", self.pointwise_rate))
        for field in ("filter_block", "dense_block"):
            _one_of(field, getattr(self, field), FILTER_BLOCKS)
        _one_of("balance", self.balance, BALANCES)
        _one_of("pointwise_unit", self.pointwise_unit, tuple(POINTWISE_UNITS))
        _one_of("saliency", self.saliency, SALIENCIES)
        _one_of("filter_grouping", self.filter_grouping, GROUPINGS)
        for field in ("depthwise_patterns", "mine_centreless"):
            _one_of(field, getattr(self, field), (True, False))
        self._set("pattern_set", _pattern_spec("pattern_set", self.pattern_set))
        self._set("kernel_entries", _kernel_entries(self.kernel_entries))
        self._set("per_layer", _per_layer(self.per_layer))
        for field, least in (
            ("skip_thin", 0),
            ("warmup_epochs", 0),
            ("epochs_per_stage", 1),
            ("retrain_epochs", 0),
            ("rounds", 1),
        ):
            _integer(field, getattr(self, field), least)
        self._set("rho", _rho(self.rho))
        period, unit = self.update_period
        if unit == "epoch" and period > self.epochs_per_stage:
            raise ValueError(
                f"update_every: a stage has {self.epochs_per_stage} epochs (epochs_per_stage), so "
                f"it would hold no update; allowed: at most {self.epochs_per_stage} epochs. "
                f"Received: {self.update_every!r}"
            )
        if self.rounds > 1 and self.retrain_epochs == 0:
            raise ValueError(
                "retrain_epochs: expected at least 1 where several rounds follow each other. "
                "Received: 0"
            )
        if self.rounds > 1 and self.schedule is not None:
            raise ValueError(
                "rounds: expected 1 beside a schedule, which drives the rates by itself. "
                f"Received: {self.rounds}"
            )
        if self.schedule is not None and not callable(self.schedule):
            _schedule_mapping(self.schedule)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> PruningConfig:
        """Reads a configuration from a YAML file whose top level is a mapping of field names.

        Args:
            path: The file, or the name of a recipe that comes with the package, such as
                "vgg16_cifar10".

        Raises:
            FileNotFoundError: There is no such file or recipe.
            ValueError: The file is not YAML, not a mapping, or holds a bad field, which is named.
        """
        import yaml

        recipe = recipes().get(os.fspath(path))
        path = Path(path)
        if not path.is_file() and recipe is not None:
            path = recipe
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such configuration file, and no recipe of that name. Recipes: "
                f"{', '.join(recipes())}"
            )
        try:
            fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a YAML file: {error}") from error
        try:
            return cls.from_any({} if fields is None else fields)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_any(cls, config: ConfigLike) -> PruningConfig:
        """Returns `config` itself, or the configuration that a mapping or a YAML file describes.

        Raises:
            FileNotFoundError: A path that does not exist.
            ValueError: Not a configuration, an unknown field, or a value that is not allowed.
        """
        if isinstance(config, cls):
            return config
        if isinstance(config, str | os.PathLike):
            return cls.from_yaml(config)
        if not isinstance(config, Mapping):
            raise ValueError(
                "config: expected a PruningConfig, a mapping of its fields or the path of a YAML "
                f"file. Received: {config!r} of type {type(config).__name__}"
            )
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [str(key) for key in config if key not in known]
        if unknown:
            raise ValueError(
                f"config: unknown field {', '.join(unknown)}. Known fields: {', '.join(known)}"
            )
        return cls(**config)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values: `from_any` of it gives an equal configuration.

        A schedule given as an object is kept as that object.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields["rho"] = list(self.rho)
        fields["kernel_entries"] = dict(self.kernel_entries)
        fields["per_layer"] = {
            name: {
                key: value
                for key, value in dataclasses.asdict(override).items()
                if value is not None
            }
            for name, override in self.per_layer.items()
        }
        return fields

    @property
    def admm_epochs(self) -> int:
        """Epochs from the start of training to the (first) hard prune, warm-up included."""
        return self.warmup_epochs + len(self.rho) * self.epochs_per_stage

    @property
    def round_epochs(self) -> int:
        """Epochs of a round: ADMM stages and masked retraining."""
        return len(self.rho) * self.epochs_per_stage + self.retrain_epochs

    @property
    def pruned_epochs(self) -> int:
        """Epochs from the start of training to the last hard prune."""
        return self.admm_epochs + (self.rounds - 1) * self.round_epochs

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole schedule: warm-up, and all rounds."""
        return self.warmup_epochs + self.rounds * self.round_epochs

    def round_of(self, epoch: int) -> tuple[int, int]:
        """The round of an epoch of training (0 the first) and the epoch within that round.

        Warm-up counts as negative epochs of the first round; the last round has no end.
        """
        epoch -= self.warmup_epochs
        number = min(max(epoch // max(self.round_epochs, 1), 0), self.rounds - 1)
        return number, epoch - number * self.round_epochs

    def rate_share(self, number: int) -> float:
        """The power to which a round takes connectivity rates: from 0, with several, to 1."""
        return 1.0 if self.rounds == 1 else number / (self.rounds - 1)

    @property
    def update_period(self) -> tuple[int, Literal["epoch", "step"]]:
        """`update_every` as a number and its unit.

        Raises:
            ValueError: It is neither a positive number of epochs nor "N epochs" nor "N steps".
        """
        value = self.update_every
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value, "epoch"
        match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
        if match is None or int(match[1]) < 1:
            raise ValueError(
                'update_every: expected a positive number of epochs, "N epochs" or "N steps". '
                f"Received: {value!r}"
            )
        return int(match[1]), "step" if match[2].startswith("step") else "epoch"

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)


def natural_count(spec: PatternSpec) -> int | None:
    """K of "naturalK"; None for every other pattern set."""
    match = _NATURAL.fullmatch(spec) if isinstance(spec, str) else None
    return int(match[1]) if match else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _rate(field: str, value: Any) -> float:
    if not _is_number(value) or not math.isfinite(value) or value < 1:
        raise ValueError(f"{field}: expected a number of at least 1. Received: {value!r}")
    return float(value)


def _integer(field: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{field}: expected an integer of at least {least}. Received: {value!r}")
    return value


def _one_of(field: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    # `1 in (True, False)` holds in Python, so types are compared too.
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        choices = ", ".join(str(choice) for choice in allowed)
        raise ValueError(f"{field}: expected one of {choices}. Received: {value!r}")
    return value


def _rho(value: Any) -> tuple[float, ...]:
    stages = value if isinstance(value, list | tuple) else (value,)
    if not stages or not all(_is_number(r) and math.isfinite(r) and r > 0 for r in stages):
        raise ValueError(f"rho: expected a list of positive numbers. Received: {value!r}")
    return tuple(float(r) for r in stages)


def _kernel_entries(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ValueError(
            f'kernel_entries: expected a mapping such as {{"3x3": 4}}. Received: {value!r}'
        )
    for size, entries in value.items():
        match = _KERNEL_SIZE.fullmatch(size) if isinstance(size, str) else None
        if match is None:
            raise ValueError(
                f'kernel_entries: expected sizes from "1x1" to "7x7". Received: {size!r}'
            )
        taps = int(match[1]) * int(match[2])
        _integer(f"kernel_entries[{size!r}]", entries, 1)
        if entries > taps:
            raise ValueError(
                f"kernel_entries[{size!r}]: the kernel has {taps} taps. Received: {entries!r}"
            )
    return dict(value)


def _pattern_spec(field: str, value: Any) -> PatternSpec:
    if isinstance(value, str):
        if value in (*FIXED_SETS, "none"):
            return value
        count = natural_count(value)
        if count is None or not 1 <= count <= MAX_PATTERNS:
            raise ValueError(
                f'{field}: expected "pconv4", "squares4", "naturalK" (K from 1 to {MAX_PATTERNS}), '
                f'"none" or a list of masks. Received: {value!r}'
            )
        return value
    if not isinstance(value, list | tuple | np.ndarray) or len(value) == 0:
        raise ValueError(
            f"{field}: expected the name of a pattern set or a list of masks. Received: {value!r}"
        )
    masks = tuple(_mask(f"{field}[{i}]", mask) for i, mask in enumerate(value))
    shapes = {(len(mask), len(mask[0])) for mask in masks}
    if len(shapes) > 1:
        raise ValueError(f"{field}: all masks must have one shape. Received: {sorted(shapes)}")
    entries = {sum(map(sum, mask)) for mask in masks}
    if len(entries) > 1:
        raise ValueError(f"{field}: all masks must keep equally many taps. Kept: {sorted(entries)}")
    if len(set(masks)) < len(masks):
        raise ValueError(f"{field}: a mask is given twice")
    if len(masks) > MAX_PATTERNS:
        raise ValueError(f"{field}: at most {MAX_PATTERNS} masks. Received: {len(masks)}")
    return masks


def _mask(field: str, value: Any) -> Mask:
    symbols = {".": 0, "0": 0, "X": 1, "x": 1, "1": 1}
    try:
        rows = tuple(
            tuple(symbols[c] if isinstance(row, str) else _bit(c) for c in row) for row in value
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{field}: expected rows of 0 and 1, or strings of "." and "X". Received: {value!r}'
        ) from error
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise ValueError(f"{field}: expected rows of equal length. Received: {value!r}")
    if not any(map(any, rows)):
        raise ValueError(f"{field}: keeps no tap. Received: {value!r}")
    return rows


def _bit(value: Any) -> int:
    if value not in (0, 1):
        raise ValueError(value)
    return int(value)


def _per_layer(value: Any) -> dict[str, LayerOverride]:
    if not isinstance(value, Mapping):
        raise ValueError(f"per_layer: expected a mapping by layer name. Received: {value!r}")
    return {key: _override(key, override) for key, override in value.items()}


def _override(key: Any, value: Any) -> LayerOverride:
    field = f"per_layer[{key!r}]"
    if not isinstance(key, str):
        raise ValueError(f"{field}: expected a layer name or a regular expression")
    try:
        re.compile(key)
    except re.error as error:
        raise ValueError(f"{field}: not a regular expression: {error}") from error
    if not isinstance(value, LayerOverride):
        known = [f.name for f in dataclasses.fields(LayerOverride)]
        if not isinstance(value, Mapping) or any(name not in known for name in value):
            raise ValueError(
                f"{field}: expected a mapping with keys among {', '.join(known)}. "
                f"Received: {value!r}"
            )
        value = LayerOverride(**value)
    if value.rate is not None:
        value = dataclasses.replace(value, rate=_rate(f"{field}.rate", value.rate))
    if value.pattern_set is not None:
        spec = _pattern_spec(f"{field}.pattern_set", value.pattern_set)
        value = dataclasses.replace(value, pattern_set=spec)
    if value.filter_block is not None:
        _one_of(f"{field}.filter_block", value.filter_block, FILTER_BLOCKS)
    if value.balance is not None:
        _one_of(f"{field}.balance", value.balance, BALANCES)
    if value.skip is not None:
        _one_of(f"{field}.skip", value.skip, (True, False))
    return value


def _schedule_mapping(value: Any) -> None:
    if not isinstance(value, Mapping) or set(value) != {"class_name", "config"}:
        raise ValueError(
            "schedule: expected a tfmot PruningSchedule, a callable from a step to "
            '(prune, sparsity), or a mapping with the keys "class_name" and "config". '
            f"Received: {value!r}"
        )
