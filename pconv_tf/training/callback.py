"""`PConvCallback`: pattern and connectivity pruning while a model trains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from absl import logging

from pconv_tf.config import ConfigLike, PruningConfig
from pconv_tf.training.averaging import averages_weights
from pconv_tf.training.batch_norm import recalibrate_with
from pconv_tf.training.calibration import Calibration
from pconv_tf.training.checkpoint import read, write
from pconv_tf.training.convergence import warn_if_unconverged
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.plan import Plan
from pconv_tf.training.pruned_memory import warn_when_zeros_go
from pconv_tf.training.pruner import PHASES, Phase, Pruner
from pconv_tf.training.saliency import require_samples


class PConvCallback(keras.callbacks.Callback):
    """Prunes a Keras 3 or tf_keras model in `model.fit`: ADMM, hard prune, masked retraining.

    With `rounds` in the configuration these three follow each other several times.

    Nothing else is needed: the penalty joins the model's loss, masks are applied by the optimizer
    after every update, and both are gone when training ends. No layer is wrapped or renamed.

    Every epoch adds to `logs` (so put the callback before CSVLogger, TensorBoard and the like):
    `pconv_phase` (0 warm-up, 1 ADMM, 2 retraining), `pconv_rho`, `pconv_primal` (distance of the
    weights from the constraints) and `pconv_dual` (movement of the auxiliaries), both of the last
    update and relative to the norm of the weights (after the hard prune `pconv_primal` is the
    distance from the masks, 0 while they hold), `pconv_changed` (share of the auxiliaries' kept
    entries that the last update chose anew), and `pconv_sparsity` (share of exact zeros in the
    pruned layers). With `log_layers` also `pconv/LAYER/sparsity`, `.../primal`, `.../dual` and
    `.../pattern_I`, the share of the layer's remaining kernels that pattern I suits best.

    In a custom training loop call the same methods as `fit` does: `set_model`, `on_train_begin`,
    `on_epoch_begin`, `on_train_batch_end`, `on_epoch_end`, `on_train_end`. Add `penalty()` (or all
    of `model.losses`) to the loss, and call `apply_masks()` after each update unless a Keras
    optimizer makes the update, which applies the masks itself.

    The penalty is exact up to a constant that has no gradient (see `pconv_tf.training.admm`).

    Args:
        config: A `PruningConfig`, a mapping of its fields or the path of a YAML file.
        log_layers: Also log every layer.
        checkpoint_dir: Folder for a checkpoint of everything (model, optimizer, ADMM state), which
            is replaced after every epoch. If it holds one when training begins, training goes on
            from there: the same `fit` call, started again, ends as if it had never been stopped,
            given that the data of an epoch does not depend on the epochs before it.
        calibration: Inputs without labels, as `pconv_tf.training.Calibration` takes them. The hard
            prune then fits the kept weights to what the network computed just before it, and sets
            the statistics of batch normalisation anew, as `pconv_tf.refit` does; retraining starts
            from there. None leaves both to retraining. `saliency: activation` needs them.

    An optimizer that averages the weights (`use_ema`) begins its average anew at the hard prune,
    and with `calibration` the statistics of batch normalisation are set for the averaged weights
    when training ends.

    Raises:
        ValueError: Bad configuration, or unusable calibration inputs. `on_train_begin` raises it
            when the configuration does not fit the model or when `fit` has fewer epochs than ADMM
            needs.
    """

    def __init__(
        self,
        config: ConfigLike,
        *,
        log_layers: bool = False,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        calibration: Any = None,
    ) -> None:
        super().__init__()
        self.config = PruningConfig.from_any(config)
        self._log_layers = log_layers
        self._checkpoint_dir = None if checkpoint_dir is None else Path(checkpoint_dir)
        self._calibration = None if calibration is None else Calibration.of(calibration)
        require_samples(self.config, self._calibration)
        self._pruner: Pruner | None = None
        self._epochs_done = 0
        self._first_epoch: int | None = None
        # Training steps since the callback was made, which need not be optimizer updates.
        self._steps_before_epoch = 0
        self._steps_seen = 0
        self._last_update_step = 0
        self._layers_checked = False
        # Between updates the hooks only look, so the training loop need not wait for them, nor
        # fetch the values of a batch's logs.
        self.async_safe = not self._updates_by_step
        self._supports_tf_logs = True

    @property
    def phase(self) -> Phase:
        """The current phase: "warmup", "admm" or "retrain"."""
        return "warmup" if self._pruner is None else self._pruner.phase

    @property
    def plan(self) -> Plan:
        """The layers that are pruned, and those left dense with reasons.

        Raises:
            ValueError: Training has not begun.
        """
        return self._begun().plan

    @property
    def masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """By layer name, the kept weights as bool [kh, kw, I, O]; empty before the hard prune."""
        return {} if self._pruner is None else dict(self._pruner.masks)

    def penalty(self) -> Any:
        """The ADMM penalty at the current weights, a float32 scalar tensor.

        Raises:
            ValueError: Training has not begun.
        """
        return self._begun().penalty()

    def apply_masks(self) -> None:
        """Sets the pruned weights to zero; does nothing before the hard prune.

        Raises:
            ValueError: Training has not begun.
        """
        self._begun().apply_masks()

    def detach(self) -> None:
        """Takes penalty and masks off the model, wherever training stands.

        For training that ended without `on_train_end`, such as a `fit` that Ctrl-C or an exception
        broke off. The next `fit` of the model does this by itself; before `evaluate` it keeps the
        penalty out of the loss. `fit` with the same callback goes on from where it was.
        """
        if self._pruner is not None:
            self._pruner.detach()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Resolves the configuration against the model and attaches penalty and masks."""
        del logs
        first_epoch = 0
        if self._pruner is None:
            pruner = Pruner(self.model, self.config, self._calibration)
            first_epoch = self._resume(pruner)
            self._pruner = pruner
        elif self._pruner.model is not self.model:
            raise ValueError(
                "PConvCallback: was used for another model; every model needs a callback of its own"
            )
        self._require_epochs(first_epoch)
        steps = (self.params or {}).get("steps")
        self._require_updates(steps)
        if self.config.schedule is not None:
            self._pruner.check_schedule(self._ends_of_admm_epochs(steps))
        if self._pruner.phase == "warmup" and self.config.warmup_epochs == 0:
            self._begin_stage(self._pruner, 0)
        # Keras tells its callbacks how many epochs a `fit` has; loops of one's own need not.
        self._pruner.attach(in_fit="epochs" in (self.params or {}))
        self._first_epoch = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks that enough epochs follow."""
        del logs
        if self._first_epoch is None:
            try:
                self._require_epochs(first_epoch=epoch)
            except ValueError:
                self._begun().detach()
                raise
            self._first_epoch = epoch
        self._steps_before_epoch = self._steps_seen

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Updates auxiliaries and duals when the period is given in steps."""
        del logs
        # `batch` counts training steps, also when one execution runs several, and Keras 3 counts
        # the last execution in full even if data for fewer steps was left.
        steps = (self.params or {}).get("steps")
        done = batch + 1 if steps is None else min(batch + 1, steps)
        # Hooks that the loop does not wait for may come in another order.
        self._steps_seen = max(self._steps_seen, self._steps_before_epoch + done)
        if not self._layers_checked:
            self._begun().reject_new_layers()
            self._layers_checked = True
        if not self._updates_by_step or self.phase != "admm":
            return
        if self._steps_seen - self._last_update_step >= self.config.update_period[0]:
            self._last_update_step = self._steps_seen
            self._begun().update(self._step())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Advances the schedule and writes the epoch's values into `logs`."""
        pruner, config = self._begun(), self.config
        if self._epochs_done == 0:
            pruner.reject_new_layers()
        if self._steps_seen > self._steps_before_epoch:
            self._require_updates(self._steps_seen - self._steps_before_epoch)
        self._epochs_done += 1
        step = self._step()
        rho = pruner.rho
        if pruner.phase == "admm":
            _, in_round = config.round_of(self._epochs_done - 1)
            stage, in_stage = divmod(in_round, config.epochs_per_stage)
            if not self._updates_by_step and (in_stage + 1) % config.update_period[0] == 0:
                pruner.update(step)
            if in_round + 1 == len(config.rho) * config.epochs_per_stage:
                warn_if_unconverged(pruner.values(), config)
                pruner.hard_prune(step)
            elif in_stage + 1 == config.epochs_per_stage:
                self._begin_stage(pruner, stage + 1)
        elif pruner.phase == "retrain":
            pruner.measure()
            if self._round()[1] == 0:
                self._begin_stage(pruner, 0)
        elif self._epochs_done == config.warmup_epochs:
            self._begin_stage(pruner, 0)
        if logs is not None:
            # The epoch that ended ran with the rho from before the schedule advanced.
            logs.update(pruner.values(by_layer=self._log_layers) | {"pconv_rho": rho})

        if self._checkpoint_dir is not None:
            self._write_checkpoint(pruner, epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detaches everything from the model; pruned weights stay zero."""
        del logs
        pruner = self._begun()
        pruner.detach()
        if self._checkpoint_dir is not None:
            framework_of(self.model).start_at(self.model, 0)
        # Averaged weights, where the optimizer keeps some, are written back after the last update.
        pruner.apply_masks()
        averaged = pruner.phase == "retrain" and averages_weights(self.model)
        if averaged and self._calibration is not None:
            # Averages of weights come without averages of what batch normalisation has seen.
            recalibrate_with(self.model, self._calibration)
        if pruner.masks:
            warn_when_zeros_go(self.model)
        done, config = self._epochs_done, self.config
        if pruner.phase != "retrain" or self._round()[0] + 1 < config.rounds:
            how_far = "pruned to an earlier round's rates" if pruner.masks else "not pruned"
            logging.warning(
                "%s",
                f"PConvCallback: training ended after {done} epochs, before the "
                f"{'last ' if config.rounds > 1 else ''}hard prune at {config.pruned_epochs}: the "
                f"model is {how_far}. Call fit again with the same callback to continue",
            )

    def _begin_stage(self, pruner: Pruner, stage: int) -> None:
        rho = self.config.rho
        number = self._round()[0]
        of_round = f"round {number + 1} of {self.config.rounds}, " if self.config.rounds > 1 else ""
        logging.info(
            "PConvCallback: %sADMM stage %d of %d, rho %g",
            of_round,
            stage + 1,
            len(rho),
            rho[stage],
        )
        pruner.rate_share = self.config.rate_share(number)
        pruner.begin_stage(rho[stage], self._step())
        self._last_update_step = self._steps_seen

    def _round(self) -> tuple[int, int]:
        """The round of the next epoch, and that epoch's number within it."""
        return self.config.round_of(self._epochs_done)

    def _resume(self, pruner: Pruner) -> int:
        """Restores the checkpoint, if there is one, and returns the epoch to start at."""
        if self._checkpoint_dir is None:
            return 0
        checkpoint = read(self._checkpoint_dir, self.config)
        if checkpoint is None:
            return 0
        counters, state = checkpoint
        self._epochs_done = counters["epochs_done"]
        self._steps_seen = counters["steps_seen"]
        self._last_update_step = counters["last_update_step"]
        number, in_round = self._round()
        stage = in_round // self.config.epochs_per_stage
        phase = PHASES[counters["phase"]]
        pruner.rate_share = self.config.rate_share(number)
        pruner.restore(phase, self.config.rho[stage] if phase == "admm" else 0.0, state)
        framework_of(self.model).start_at(self.model, counters["next_epoch"])
        return counters["next_epoch"]

    def _write_checkpoint(self, pruner: Pruner, next_epoch: int) -> None:
        counters = {
            "epochs_done": self._epochs_done,
            "steps_seen": self._steps_seen,
            "last_update_step": self._last_update_step,
            "next_epoch": next_epoch,
            "phase": PHASES.index(pruner.phase),
        }
        assert self._checkpoint_dir is not None
        state = pruner.state()
        # All workers take part in reading replicated variables, one of them writes.
        strategy = getattr(self.model, "distribute_strategy", None)
        if strategy is None or strategy.extended.should_checkpoint:
            write(self._checkpoint_dir, self.config, counters, state)
        else:
            for _ in state:
                pass

    @property
    def _updates_by_step(self) -> bool:
        return self.config.update_period[1] == "step"

    def _begun(self) -> Pruner:
        if self._pruner is None:
            raise ValueError("PConvCallback: training has not begun, so no model is known yet")
        return self._pruner

    def _step(self) -> int:
        """Optimizer updates so far, or steps seen where the model has no optimizer of its own."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            return self._steps_seen
        return int(framework_of(self.model).read(optimizer.iterations))

    def _ends_of_admm_epochs(self, steps_per_epoch: int | None) -> Sequence[int]:
        """The optimizer steps at which coming epochs of ADMM end, if that is known."""
        if steps_per_epoch is None:
            return ()
        optimizer = getattr(self.model, "optimizer", None)
        updates = steps_per_epoch // (getattr(optimizer, "gradient_accumulation_steps", None) or 1)
        first = self._step()
        coming = max(self.config.admm_epochs - self._epochs_done, 0)
        return [first + updates * (epoch + 1) for epoch in range(coming)]

    def _require_epochs(self, first_epoch: int) -> None:
        epochs = (self.params or {}).get("epochs")
        config = self.config
        needed = config.pruned_epochs - self._epochs_done
        if epochs is not None and epochs - first_epoch < needed:
            raise ValueError(
                f"epochs: the schedule needs at least {needed} epochs until the "
                f"{'last ' if config.rounds > 1 else ''}hard prune ({config.warmup_epochs} of "
                f"warm-up and {len(config.rho)} ADMM stages of {config.epochs_per_stage}"
                f"{f' in each of {config.rounds} rounds' if config.rounds > 1 else ''}, "
                f"{self._epochs_done} done), {config.total_epochs} with retraining. "
                f"Received: {epochs - first_epoch}"
            )

    def _require_updates(self, steps_per_epoch: int | None) -> None:
        """Checks that every ADMM stage holds an update, once it is known how long epochs are."""
        if steps_per_epoch is None or not self._updates_by_step or self.phase == "retrain":
            return
        held = steps_per_epoch * self.config.epochs_per_stage
        if self.config.update_period[0] > held:
            raise ValueError(
                f"update_every: a stage has {held} steps ({self.config.epochs_per_stage} epochs of "
                f"{steps_per_epoch}), so it would hold no update; allowed: at most {held} steps. "
                f"Received: {self.config.update_every!r}"
            )

    # tf_keras asks which kinds of batch hooks are needed; Keras 3 finds out by itself.

    def _implements_train_batch_hooks(self) -> bool:
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False
