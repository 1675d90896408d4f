"""`PConvCallback`: pattern and connectivity pruning while a model trains."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections import Counter
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt

from pconv_tf.config import ConfigLike, PruningConfig
from pconv_tf.training.admm import LayerAdmm, Residuals
from pconv_tf.training.frameworks import Framework, framework_of
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.plan import LayerPlan, Plan, bind, make_plan
from pconv_tf.training.schedules import load_schedule, scheduled_rate

Phase = Literal["warmup", "admm", "retrain"]
_PHASES: tuple[Phase, ...] = ("warmup", "admm", "retrain")


@dataclasses.dataclass
class _Attachment:
    """What one layer's variable carries while training runs."""

    token: Any
    target: Any
    mask: Any
    penalty: Any


class PConvCallback(keras.callbacks.Callback):
    """Prunes a Keras 3 or tf_keras model in `model.fit`: ADMM, hard prune, masked retraining.

    Nothing else is needed: the penalty joins the model's loss, masks are applied by the optimizer
    after every update, and both are gone when training ends. No layer is wrapped or renamed.

    Every epoch adds to `logs` (so put the callback before CSVLogger, TensorBoard and the like):
    `pconv_phase` (0 warm-up, 1 ADMM, 2 retraining), `pconv_rho`, `pconv_primal` (distance of the
    weights from the constraints) and `pconv_dual` (movement of the auxiliaries), both relative to
    the norm of the weights, and `pconv_sparsity` (share of exact zeros in the pruned layers). With
    `log_layers` also `pconv/LAYER/sparsity`, `pconv/LAYER/primal` and `pconv/LAYER/pattern_I`, the
    share of the layer's kernels that use pattern I.

    In a custom training loop call the same methods as `fit` does: `set_model`, `on_train_begin`,
    `on_epoch_begin`, `on_train_batch_end`, `on_epoch_end`, `on_train_end`. Add `penalty()` (or all
    of `model.losses`) to the loss, and call `apply_masks()` after each update unless a Keras
    optimizer makes the update, which applies the masks itself.

    The penalty is exact up to a constant that has no gradient (see `pconv_tf.training.admm`).

    Args:
        config: A `PruningConfig`, a mapping of its fields or the path of a YAML file.
        log_layers: Also log every layer.

    Raises:
        ValueError: Bad configuration. `on_train_begin` raises it when the configuration does not
            fit the model or when `fit` has fewer epochs than ADMM needs.
    """

    def __init__(self, config: ConfigLike, *, log_layers: bool = False) -> None:
        super().__init__()
        self.config = PruningConfig.from_any(config)
        self._schedule = load_schedule(self.config.schedule)
        self._log_layers = log_layers
        self._plan: Plan | None = None
        self._admm: dict[str, LayerAdmm] = {}
        self._masks: dict[str, npt.NDArray[np.bool_]] = {}
        self._residuals: dict[str, Residuals] = {}
        self._attached: dict[str, _Attachment] = {}
        self._rho: Any = None
        self._phase: Phase = "warmup"
        self._epochs_done = 0
        self._epoch_seen = False
        self._epoch_start_step = 0
        self._last_update_step = 0
        # Between updates the hooks do nothing, so the training loop need not wait for them.
        self.async_safe = self.config.update_period[1] == "epoch"

    @property
    def phase(self) -> Phase:
        """The current phase: "warmup", "admm" or "retrain"."""
        return self._phase

    @property
    def plan(self) -> Plan:
        """The layers that are pruned, and those left dense with reasons.

        Raises:
            ValueError: Training has not begun.
        """
        if self._plan is None:
            raise ValueError("plan: training has not begun, so no model is known yet")
        return self._plan

    @property
    def masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """By layer name, the kept weights as bool [kh, kw, I, O]; empty before the hard prune."""
        return dict(self._masks)

    def penalty(self) -> Any:
        """The ADMM penalty at the current weights, a float32 scalar tensor."""
        return sum(
            attachment.penalty(layer.kernel.variable)
            for layer in self.plan.layers
            if (attachment := self._attached.get(layer.name)) is not None
        )

    def apply_masks(self) -> None:
        """Sets the pruned weights to zero; does nothing before the hard prune."""
        for layer in self.plan.layers:
            mask = self._masks.get(layer.name)
            if mask is not None:
                weights = layer.kernel.read()
                if (weights[~mask] != 0).any():
                    weights[~mask] = 0
                    layer.kernel.write(weights)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Resolves the configuration against the model and attaches penalty and masks."""
        del logs
        model = self.model
        framework = framework_of(model)
        self._require_epochs(first_epoch=0)
        if self._plan is None:
            self._plan = make_plan(model, self.config, for_training=True)
        self._attach(framework, model)
        if self._phase == "warmup" and self.config.warmup_epochs == 0:
            self._start_admm()
        self._epoch_seen = False
        framework.retrace(model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the step at which the epoch starts."""
        del logs
        if not self._epoch_seen:
            self._require_epochs(first_epoch=epoch)
            self._epoch_seen = True
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            self._epoch_start_step = int(optimizer.iterations)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Updates auxiliaries and duals when the period is given in steps."""
        del logs
        period, unit = self.config.update_period
        if self._phase != "admm" or unit != "step":
            return
        # `batch` counts training steps, also when several run in one execution.
        step = self._epoch_start_step + batch + 1
        if step - self._last_update_step >= period:
            self._last_update_step = step
            _ = self.model  # Brings a JAX model's weights up to date.
            self._update(step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Advances the schedule and writes the epoch's values into `logs`."""
        del epoch
        model = self.model
        if self._epochs_done == 0:
            self._reject_new_layers(model)
        self._epochs_done += 1
        optimizer = getattr(model, "optimizer", None)
        step = int(optimizer.iterations) if optimizer is not None else 0
        rho = self._current_rho()
        if self._phase == "warmup":
            if self._epochs_done == self.config.warmup_epochs:
                self._start_admm()
        elif self._phase == "admm":
            admm_epochs = self._epochs_done - self.config.warmup_epochs
            period, unit = self.config.update_period
            if unit == "epoch" and admm_epochs % period == 0:
                self._update(step)
            if self._epochs_done == self.config.admm_epochs:
                self._hard_prune(step)
            elif admm_epochs % self.config.epochs_per_stage == 0:
                self._next_stage(rho)
        if logs is not None:
            logs.update(self._values(rho))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detaches everything from the model; pruned weights stay zero."""
        del logs
        model = self.model
        self._detach(framework_of(model), model)
        # Averaged weights, where the optimizer keeps some, are written back after the last update.
        self.apply_masks()
        if self._phase != "retrain":
            warnings.warn(
                f"PConvCallback: training ended after {self._epochs_done} epochs, before the hard "
                f"prune at {self.config.admm_epochs}: the model is not pruned. Call fit again with "
                "the same callback to continue",
                stacklevel=2,
            )

    def _implements_train_batch_hooks(self) -> bool:
        return self.config.update_period[1] == "step"  # Asked by tf_keras.

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def _attach(self, framework: Framework, model: Any) -> None:
        self._detach(framework, model)  # Of a fit that was interrupted.
        rho = self._rho = framework.state(model, np.asarray(self._current_rho(), np.float32))
        for layer in self.plan.layers:
            kernel = layer.kernel
            start = np.zeros(kernel.shape, np.float32)
            if layer.name in self._admm and self._phase == "admm":
                start = self._admm[layer.name].target()
            kept = self._masks.get(layer.name, np.ones(kernel.shape, dtype=bool))
            target = framework.state(model, kernel.native(start))
            mask = framework.mask(model, kernel.native(kept))
            half_terms = _terms(layer, self._schedule) / 2

            def penalty(weights: Any, target: Any = target, factor: float = half_terms) -> Any:
                return rho * factor * framework.squared_distance(weights, target)

            def constraint(weights: Any, mask: Any = mask) -> Any:
                return framework.where(mask, weights)

            token = framework.attach(kernel.layer, kernel.variable, penalty, constraint)
            self._attached[layer.name] = _Attachment(token, target, mask, penalty)

    def _detach(self, framework: Framework, model: Any) -> None:
        for attachment in self._attached.values():
            framework.detach(attachment.token)
        states = [attachment.target for attachment in self._attached.values()]
        framework.drop_state(model, [*states, self._rho])
        self._attached = {}
        self._rho = None

    def _start_admm(self) -> None:
        self._plan = bind(self.plan, self.config)
        for layer in self._plan.layers:
            scheduled = self._is_scheduled(layer)
            admm = LayerAdmm(layer.constraint, layer.kernel.read(), scheduled=scheduled)
            self._admm[layer.name] = admm
            self._set_target(layer, admm)
        self._phase = "admm"
        self._set_rho(self._current_rho())

    def _update(self, step: int) -> None:
        for layer in self.plan.layers:
            admm = self._admm[layer.name]
            rate = self._rate(layer, step)
            self._residuals[layer.name] = admm.update(layer.kernel.read(), rate)
            self._set_target(layer, admm)

    def _next_stage(self, rho_before: float) -> None:
        rho = self._current_rho()
        for layer in self.plan.layers:
            admm = self._admm[layer.name]
            admm.rescale(rho_before / rho)
            self._set_target(layer, admm)
        self._set_rho(rho)

    def _hard_prune(self, step: int) -> None:
        model = self.model
        framework = framework_of(model)
        for layer in self.plan.layers:
            weights = layer.kernel.read()
            support = layer.constraint.project(weights, self._rate(layer, step))
            mask = layer.constraint.expand(support)
            self._masks[layer.name] = mask
            weights[~mask] = 0
            layer.kernel.write(weights)
            framework.assign_mask(model, self._attached[layer.name].mask, layer.kernel.native(mask))
        self._phase = "retrain"
        self._admm = {}
        self._set_rho(0.0)

    def _set_target(self, layer: LayerPlan, admm: LayerAdmm) -> None:
        state = self._attached[layer.name].target
        layer.kernel.framework.assign(state, layer.kernel.native(admm.target()))

    def _set_rho(self, rho: float) -> None:
        framework_of(self.model).assign(self._rho, np.asarray(rho, np.float32))

    def _current_rho(self) -> float:
        if self._phase != "admm":
            return 0.0
        admm_epochs = self._epochs_done - self.config.warmup_epochs
        stage = min(admm_epochs // self.config.epochs_per_stage, len(self.config.rho) - 1)
        return self.config.rho[stage]

    def _is_scheduled(self, layer: LayerPlan) -> bool:
        return self._schedule is not None and layer.scheduled

    def _rate(self, layer: LayerPlan, step: int) -> float:
        if not self._is_scheduled(layer):
            return layer.constraint.rate
        return scheduled_rate(self._schedule, step)

    def _require_epochs(self, first_epoch: int) -> None:
        epochs = (self.params or {}).get("epochs")
        needed = self.config.admm_epochs - self._epochs_done
        if epochs is not None and epochs - first_epoch < needed:
            raise ValueError(
                f"epochs: the schedule needs at least {needed} epochs until the hard prune "
                f"({self.config.warmup_epochs} of warm-up and {len(self.config.rho)} ADMM stages "
                f"of {self.config.epochs_per_stage}, {self._epochs_done} done), "
                f"{self.config.total_epochs} with retraining. Received: {epochs - first_epoch}"
            )

    def _reject_new_layers(self, model: Any) -> None:
        kernels, _ = find_kernels(model)
        known = {layer.name for layer in self.plan.layers}
        known |= {item.name for item in self.plan.left_out}
        new = [kernel.name for kernel in kernels if kernel.name not in known]
        if new:
            raise ValueError(
                f"layer {', '.join(new)}: was built after training began, so it cannot be pruned; "
                "call the model on a batch before fit"
            )

    def _values(self, rho: float) -> dict[str, float]:
        weights = {layer.name: layer.kernel.read() for layer in self.plan.layers}
        norms = {name: float(np.vdot(w, w)) for name, w in weights.items()}
        zeros = {name: int(w.size - np.count_nonzero(w)) for name, w in weights.items()}
        # Connectivity and pattern each have a residual, both measured against the same weights.
        total = sum(self._residuals.values(), Residuals(0.0, 0.0))
        norm = sum(norms.values())
        values = {
            "pconv_phase": float(_PHASES.index(self._phase)),
            "pconv_rho": rho,
            "pconv_primal": _relative(total.primal, norm),
            "pconv_dual": _relative(total.dual, norm),
            "pconv_sparsity": sum(zeros.values()) / sum(w.size for w in weights.values()),
        }
        if self._log_layers:
            for layer in self.plan.layers:
                name = layer.name
                prefix = f"pconv/{name}"
                residual = self._residuals.get(name, Residuals(0.0, 0.0))
                values[f"{prefix}/sparsity"] = zeros[name] / weights[name].size
                values[f"{prefix}/primal"] = _relative(residual.primal, norms[name])
                values.update(_pattern_shares(prefix, layer, weights[name]))
        return values


def _terms(layer: LayerPlan, schedule: Any) -> int:
    has_patterns = layer.pattern_spec is not None
    has_connectivity = layer.constraint.rate > 1 or (schedule is not None and layer.scheduled)
    return int(has_patterns) + int(has_connectivity)


def _relative(squared: float, squared_norm: float) -> float:
    return math.sqrt(squared / squared_norm) if squared_norm > 0 else 0.0


def _pattern_shares(
    prefix: str, layer: LayerPlan, weights: npt.NDArray[np.float32]
) -> dict[str, float]:
    if layer.constraint.patterns is None:
        return {}
    support = layer.constraint.project_pattern(weights)
    assert support.pattern is not None
    used = Counter(support.pattern.ravel().tolist())
    return {
        f"{prefix}/pattern_{i}": used[i] / support.pattern.size
        for i in range(len(layer.constraint.patterns))
    }
