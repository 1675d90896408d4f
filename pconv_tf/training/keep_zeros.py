"""Training a pruned model further, by whatever means, without losing a zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pconv_tf.training.fit_watch import on_next_fit
from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.pruned_memory import warn_when_zeros_go


class KeepZeros(keras.callbacks.Callback):
    """Keeps every weight that is zero when training begins at zero, exactly, after every update.

    For training that comes after pruning: fine-tuning, quantisation-aware training with tfmot
    (whose wrappers it sees through), distillation. It looks at weights only, so it needs no
    configuration and works on any Keras 3 or tf_keras model, also one that was loaded from a file.

    Only trainable weights of two or more dimensions are held: biases and normalisation parameters
    may leave zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tokens: list[Any] = []
        self._unwatch: Callable[[], None] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the zeros and attaches their masks."""
        del logs
        model = self.model
        framework = framework_of(model)
        self._detach()
        for variable in model.trainable_variables:
            if len(variable.shape) < 2:
                continue
            kept = framework.read(variable) != 0
            if kept.all():
                continue
            mask = framework.mask(model, np.asarray(kept))

            def constraint(weights: Any, mask: Any = mask) -> Any:
                return framework.where(mask, weights)

            self._tokens.append(framework.attach(model, variable, None, constraint))
        framework.retrace(model)
        # A `fit` that is broken off calls no `on_train_end`.
        if "epochs" in (self.params or {}):
            self._unwatch = on_next_fit(model, self.on_train_end)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detaches the masks."""
        del logs
        self._detach()
        framework_of(self.model).retrace(self.model)
        warn_when_zeros_go(self.model)

    def _detach(self) -> None:
        framework = framework_of(self.model)
        for token in self._tokens:
            framework.detach(token)
        self._tokens = []
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    # tf_keras asks which kinds of batch hooks are needed.

    def _implements_train_batch_hooks(self) -> bool:
        return False

    _implements_test_batch_hooks = _implements_train_batch_hooks
    _implements_predict_batch_hooks = _implements_train_batch_hooks
