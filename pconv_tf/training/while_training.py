"""Callbacks that hold something on a model for as long as one `fit` runs."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import keras

from pconv_tf.training.fit_watch import on_next_fit
from pconv_tf.training.frameworks import Framework, framework_of


class WhileTraining(keras.callbacks.Callback, abc.ABC):
    """Attaches something when training begins and takes it off when training ends.

    A `fit` that is broken off calls no `on_train_end`; what it leaves goes when the next one
    begins. Works on Keras 3 and tf_keras models.
    """

    def __init__(self) -> None:
        super().__init__()
        self._undo: list[Callable[[], None]] = []
        self._unwatch: Callable[[], None] | None = None

    @abc.abstractmethod
    def attach(self, model: Any, framework: Framework) -> list[Callable[[], None]]:
        """Attaches to the model and returns what takes it off again."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Attaches."""
        del logs
        self._detach()
        framework = framework_of(self.model)
        self._undo = self.attach(self.model, framework)
        framework.retrace(self.model)
        if "epochs" in (self.params or {}):
            self._unwatch = on_next_fit(self.model, self.on_train_end)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Detaches."""
        del logs
        self._detach()
        framework_of(self.model).retrace(self.model)

    def _detach(self) -> None:
        for undo in self._undo:
            undo()
        self._undo = []
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    # tf_keras asks which kinds of batch hooks are needed.

    def _implements_train_batch_hooks(self) -> bool:
        return False

    _implements_test_batch_hooks = _implements_train_batch_hooks
    _implements_predict_batch_hooks = _implements_train_batch_hooks
