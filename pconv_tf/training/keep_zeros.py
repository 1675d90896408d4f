"""Training a pruned model further, by whatever means, without losing a zero."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pconv_tf.training.frameworks import Framework
from pconv_tf.training.pruned_memory import warn_when_zeros_go
from pconv_tf.training.while_training import WhileTraining


class KeepZeros(WhileTraining):
    """Keeps every weight that is zero when training begins at zero, exactly, after every update.

    For training that comes after pruning: fine-tuning, quantisation-aware training
    (`FakeQuantization`, or tfmot, whose wrappers it sees through), distillation. It looks at
    weights only, so it needs no configuration and works on any Keras 3 or tf_keras model, also one
    that was loaded from a file.

    Only trainable weights of two or more dimensions are held: biases and normalisation parameters
    may leave zero.
    """

    def attach(self, model: Any, framework: Framework) -> list[Callable[[], None]]:
        """Notes the zeros and attaches their masks."""
        undo: list[Callable[[], None]] = []
        for variable in model.trainable_variables:
            if len(variable.shape) < 2:
                continue
            kept = framework.read(variable) != 0
            if kept.all():
                continue
            mask = framework.mask(model, np.asarray(kept))
            token = framework.attach(
                model, variable, None, functools.partial(framework.where, mask)
            )
            undo.append(functools.partial(framework.detach, token))
        return undo

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detaches the masks."""
        super().on_train_end(logs)
        warn_when_zeros_go(self.model)
