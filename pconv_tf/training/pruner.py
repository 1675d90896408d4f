"""The state of one pruning run and its attachment to a model; knows nothing of epochs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pconv_tf.config import PruningConfig
from pconv_tf.training.admm import ConstraintSet, LayerAdmm, Residuals, Splitting
from pconv_tf.training.averaging import restart_average
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.fit_watch import on_next_fit
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.patterns import PatternSet
from pconv_tf.training.plan import LayerPlan, Plan, bind, check_rate, make_plan
from pconv_tf.training.projections import KernelConstraint, Support
from pconv_tf.training.pruned_memory import remember_pruned, warn_when_zeros_go
from pconv_tf.training.refitting import DenseWeights, refit_to
from pconv_tf.training.saliency import input_scales, salient
from pconv_tf.training.schedules import load_schedule, scheduled_rate

Phase = Literal["warmup", "admm", "retrain"]
State = dict[str, npt.NDArray[Any]]
_ATTACHED = "_pconv_pruner"
PHASES: tuple[Phase, ...] = ("warmup", "admm", "retrain")


@dataclasses.dataclass(frozen=True)
class _Attachment:
    """What one layer's variable carries while training runs."""

    token: Any
    target: Any
    mask: Any
    penalty: Callable[[Any], Any]


class Pruner:
    """Moves one model from dense to pruned, in steps that its owner times.

    The order is `attach`, one `begin_stage` per rho with any number of `update`s after each,
    `hard_prune`, and `detach`. Training steps happen in between. Stages may follow a hard prune:
    what it removed stays removed.

    Attributes:
        model: The model.
        plan: What is pruned; its mined pattern sets are known from the first stage on.
        phase: "warmup" before the first stage, "admm" until the hard prune, then "retrain".
        masks: By layer name, the kept weights as bool [kh, kw, I, O]; empty before the hard prune.
        rho: The penalty weight in force.
        rate_share: The power to which connectivity rates are taken, see `PruningConfig.rounds`.
    """

    def __init__(
        self, model: Any, config: PruningConfig, calibration: Calibration | None = None
    ) -> None:
        """Resolves `config` against `model`.

        Args:
            model: The model.
            config: What is wanted of it.
            calibration: Samples for the hard prune; None leaves everything to retraining.

        Raises:
            ValueError: The configuration does not fit the model.
        """
        self.plan: Plan = make_plan(model, config, for_training=True)
        self.phase: Phase = "warmup"
        self.masks: dict[str, npt.NDArray[np.bool_]] = {}
        self.rho = 0.0
        self.rate_share = 1.0
        self.model = model
        self._framework = framework_of(model)
        self._config = config
        self._calibration = calibration
        self._schedule = load_schedule(config.schedule)
        self._admm: dict[str, LayerAdmm] = {}
        self._residuals: dict[str, Residuals] = {}
        self._attached: dict[str, _Attachment] = {}
        self._rho_state: Any = None
        self._unwatch: Callable[[], None] | None = None

    def check_schedule(self, steps: Iterable[int]) -> None:
        """Checks the schedule, where there is one, at the optimizer steps at which it is asked.

        Raises:
            ValueError: A sparsity is out of range, or leaves a layer no kernel.
        """
        scheduled = [layer for layer in self.plan.layers if self._is_scheduled(layer)]
        if scheduled:
            highest = max((scheduled_rate(self._schedule, step) for step in steps), default=1.0)
            for layer in scheduled:
                check_rate(layer.kernel, dataclasses.replace(layer.constraint, rate=highest))

    def attach(self, *, in_fit: bool = False) -> None:
        """Adds penalties and masks to the model's variables and rebuilds its train step.

        Args:
            in_fit: Whether a `fit` runs. If it ends without `detach`, the next one detaches.
        """
        # An aborted training loop tells nobody, so its attachment waits here for the next one.
        abandoned = getattr(self.model, _ATTACHED, None)
        if abandoned is not None:
            abandoned.detach()
        framework, model = self._framework, self.model
        rho = self._rho_state = framework.state(model, np.asarray(self.rho, np.float32))
        for layer in self.plan.layers:
            kernel = layer.kernel
            target = framework.state(model, kernel.native(self._target(layer)))
            mask = framework.mask(model, kernel.native(self._mask(layer)))
            half_terms = _terms(layer, self._is_scheduled(layer)) / 2

            def penalty(weights: Any, target: Any = target, factor: float = half_terms) -> Any:
                return rho * factor * framework.squared_distance(weights, target)

            def constraint(weights: Any, mask: Any = mask) -> Any:
                return framework.where(mask, weights)

            token = framework.attach(kernel.layer, kernel.variable, penalty, constraint)
            self._attached[layer.name] = _Attachment(token, target, mask, penalty)
        setattr(model, _ATTACHED, self)
        framework.retrace(model)
        if in_fit:
            self._unwatch = on_next_fit(model, self._end_broken_fit)

    def _end_broken_fit(self) -> None:
        self.detach()
        if self.phase == "retrain":
            warn_when_zeros_go(self.model)

    def detach(self) -> None:
        """Gives the model back as it was, but for its weights; does nothing if not attached."""
        if not self._attached:
            return
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        for attachment in self._attached.values():
            self._framework.detach(attachment.token)
        states = [attachment.target for attachment in self._attached.values()]
        self._framework.drop_state(self.model, [*states, self._rho_state])
        self._framework.retrace(self.model)
        delattr(self.model, _ATTACHED)
        self._attached = {}
        self._rho_state = None

    def begin_stage(self, rho: float, step: int) -> None:
        """Starts an ADMM stage at the current weights; mines patterns before the first one."""
        if self.phase == "warmup":
            self.plan = bind(self.plan, self._config, self._scales())
        self.phase = "admm"
        for layer in self.plan.layers:
            changes = self._is_scheduled(layer) or layer.constraint.rate > 1
            rate = self._rate(layer, step) if changes else None
            self._admm[layer.name] = LayerAdmm.start(layer.constraint, layer.kernel.read(), rate)
        self.rho = rho
        self._push()

    def update(self, step: int) -> None:
        """One update of auxiliaries and duals at the current weights."""
        for layer in self.plan.layers:
            admm = self._admm[layer.name]
            weights = layer.kernel.read()
            self._residuals[layer.name] = admm.update(weights, self._rate(layer, step))
        self._push()

    def hard_prune(self, step: int) -> None:
        """Projects the weights onto the constraints, and from now on keeps the zeros.

        With samples the kept weights are fitted to what the network computed just before.
        """
        calibration = self._calibration
        dense = None if calibration is None else DenseWeights(self.model)
        scales = self._scales()
        for layer in self.plan.layers:
            support = layer.constraint.project(
                salient(layer.kernel, layer.kernel.read(), scales), self._rate(layer, step)
            )
            self.masks[layer.name] = layer.constraint.expand(support) & self._mask(layer)
        self.phase = "retrain"
        self.rho = 0.0
        self._admm = {}
        self.apply_masks()
        if calibration is not None and dense is not None:
            refit_to(self.model, dense, calibration, self.masks)
        restart_average(self.model)
        remember_pruned(self.model, self.plan)
        self._push()

    def measure(self) -> None:
        """Finds how far the weights are from the masks of the hard prune: 0 while they hold."""
        for layer in self.plan.layers:
            away = layer.kernel.read()[~self.masks[layer.name]]
            self._residuals[layer.name] = Residuals(float(np.vdot(away, away)))

    def apply_masks(self) -> None:
        """Sets the pruned weights to zero; does nothing before the hard prune."""
        for layer in self.plan.layers:
            mask = self.masks.get(layer.name)
            if mask is not None:
                weights = layer.kernel.read()
                if weights[~mask].any():
                    weights[~mask] = 0
                    layer.kernel.write(weights)

    def penalty(self) -> Any:
        """The ADMM penalty at the current weights, a float32 scalar tensor."""
        return sum(
            self._attached[layer.name].penalty(layer.kernel.variable) for layer in self.plan.layers
        )

    def reject_new_layers(self) -> None:
        """Checks that the model has no kernels that the plan does not know.

        Raises:
            ValueError: A layer was built since; the text names it.
        """
        known = {layer.name for layer in self.plan.layers}
        known |= {item.name for item in self.plan.left_out}
        new = [k.name for k in find_kernels(self.model)[0] if k.name not in known]
        if new:
            raise ValueError(
                f"layer {', '.join(new)}: was built after training began, so it cannot be pruned; "
                "call the model on a batch before training"
            )

    def state(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Names and arrays from which `restore` continues exactly, read one at a time.

        The model's and the optimizer's variables are among them.
        """
        for i, variable in enumerate(self._variables()):
            yield f"variable{i}", self._framework.read(variable)
        for i, layer in enumerate(self.plan.layers):
            constraint = layer.constraint
            if constraint.patterns is not None:
                yield f"layer{i}.patterns", constraint.patterns.masks
            if constraint.order is not None:
                yield f"layer{i}.order", constraint.order
            if layer.name in self.masks:
                yield f"layer{i}.mask", self.masks[layer.name]
            if layer.name in self._admm:
                for on, splitting in self._admm[layer.name].splittings.items():
                    yield f"layer{i}.{on}.point", splitting.point
                    for field, value in vars(splitting.support).items():
                        if value is not None:
                            yield f"layer{i}.{on}.{field}", value

    def restore(self, phase: Phase, rho: float, state: State) -> None:
        """Continues from what `state` returned in this phase; call it before `attach`.

        Raises:
            ValueError: The state belongs to another model or optimizer.
        """
        variables = self._variables()
        shapes = [tuple(int(d) for d in variable.shape) for variable in variables]
        saved = {name: array for name, array in state.items() if name.startswith("variable")}
        if [saved[f"variable{i}"].shape for i in range(len(saved))] != shapes:
            raise ValueError(
                "checkpoint_dir: the checkpoint's weights and optimizer variables do not fit this "
                f"model; it has {len(shapes)} variables, the checkpoint {len(saved)}"
            )
        for i, variable in enumerate(variables):
            self._framework.assign(variable, state[f"variable{i}"])
        layers = []
        for i, layer in enumerate(self.plan.layers):
            masks = state.get(f"layer{i}.patterns")
            constraint = dataclasses.replace(
                layer.constraint,
                patterns=None if masks is None else PatternSet(masks),
                order=state.get(f"layer{i}.order"),
            )
            layers.append(dataclasses.replace(layer, constraint=constraint))
            if phase == "retrain" or f"layer{i}.mask" in state:
                self.masks[layer.name] = state[f"layer{i}.mask"]
            if phase == "admm":
                self._admm[layer.name] = LayerAdmm(_splittings(constraint, f"layer{i}", state))
        self.plan = dataclasses.replace(self.plan, layers=tuple(layers))
        self.phase = phase
        self.rho = rho

    def values(self, *, by_layer: bool = False) -> dict[str, float]:
        """Residuals and sparsity for `logs`; see `PConvCallback` for the names."""
        norm, zeros, size = 0.0, 0, 0
        total = Residuals()
        layer_values: dict[str, float] = {}
        # One layer's weights at a time: all of them would be another copy of the model.
        for layer in self.plan.layers:
            prefix, weights = f"pconv/{layer.name}", layer.kernel.read()
            layer_norm = float(np.vdot(weights, weights))
            layer_zeros = weights.size - int(np.count_nonzero(weights))
            residual = self._residuals.get(layer.name, Residuals())
            norm, zeros, size = norm + layer_norm, zeros + layer_zeros, size + weights.size
            total += residual
            if by_layer:
                layer_values[f"{prefix}/sparsity"] = layer_zeros / weights.size
                layer_values[f"{prefix}/primal"] = _relative(residual.primal, layer_norm)
                layer_values[f"{prefix}/dual"] = _relative(residual.dual, layer_norm)
                layer_values |= _pattern_shares(prefix, layer, weights)
        values = {
            "pconv_phase": float(PHASES.index(self.phase)),
            "pconv_rho": self.rho,
            "pconv_primal": _relative(total.primal, norm),
            "pconv_dual": _relative(total.dual, norm),
            "pconv_changed": total.changed / max(total.kept, 1),
            "pconv_sparsity": zeros / size,
        }
        return values | layer_values

    def _variables(self) -> list[Any]:
        ours = {id(attachment.target) for attachment in self._attached.values()}
        ours.add(id(self._rho_state))
        return [v for v in self._framework.training_state(self.model) if id(v) not in ours]

    def _push(self) -> None:
        """Brings the attached state up to date with ours."""
        if not self._attached:
            return
        framework = self._framework
        framework.assign(self._rho_state, np.asarray(self.rho, np.float32))
        for layer in self.plan.layers:
            attachment = self._attached[layer.name]
            if self.phase == "admm":
                framework.assign(attachment.target, layer.kernel.native(self._target(layer)))
            elif self.phase == "retrain":
                mask = layer.kernel.native(self._mask(layer))
                framework.assign_mask(self.model, attachment.mask, mask)

    def _scales(self) -> dict[str, npt.NDArray[np.float32]]:
        if self._calibration is None or self._config.saliency == "magnitude":
            return {}
        kernels = [layer.kernel for layer in self.plan.layers]
        return input_scales(self.model, kernels, self._calibration)

    def _target(self, layer: LayerPlan) -> npt.NDArray[np.float32]:
        admm = self._admm.get(layer.name)
        return np.zeros(layer.kernel.shape, np.float32) if admm is None else admm.target()

    def _mask(self, layer: LayerPlan) -> npt.NDArray[np.bool_]:
        mask = self.masks.get(layer.name)
        return np.ones(layer.kernel.shape, dtype=bool) if mask is None else mask

    def _is_scheduled(self, layer: LayerPlan) -> bool:
        return self._schedule is not None and layer.scheduled

    def _rate(self, layer: LayerPlan, step: int) -> float:
        if self._is_scheduled(layer):
            return scheduled_rate(self._schedule, step)
        return float(layer.constraint.rate**self.rate_share)


def _splittings(
    constraint: KernelConstraint, prefix: str, state: State
) -> dict[ConstraintSet, Splitting]:
    sets: tuple[ConstraintSet, ...] = ("pattern", "connectivity")
    return {
        on: Splitting(
            constraint,
            on,
            Support(state.get(f"{prefix}.{on}.pattern"), state.get(f"{prefix}.{on}.kept")),
            state[f"{prefix}.{on}.point"],
        )
        for on in sets
        if f"{prefix}.{on}.point" in state
    }


def _terms(layer: LayerPlan, scheduled: bool) -> int:
    """Penalty terms of the layer, as `LayerAdmm.terms`, known before there is any ADMM state."""
    return int(layer.pattern_spec is not None) + int(layer.constraint.rate > 1 or scheduled)


def _relative(squared: float, squared_norm: float) -> float:
    return math.sqrt(squared / squared_norm) if squared_norm > 0 else 0.0


def _pattern_shares(
    prefix: str, layer: LayerPlan, weights: npt.NDArray[np.float32]
) -> dict[str, float]:
    if layer.constraint.patterns is None:
        return {}
    used = layer.constraint.pattern_counts(weights)
    kernels = max(int(used.sum()), 1)
    return {f"{prefix}/pattern_{i}": int(count) / kernels for i, count in enumerate(used)}
