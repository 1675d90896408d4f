"""Running a model on inputs in order to see what single layers of it read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.training.frameworks import framework_of
from pconv_tf.training.replaced_call import replace_call

Array = npt.NDArray[np.float32]


class _Reached(BaseException):
    """Ends a forward pass whose rest nobody needs; Keras wraps exceptions, but not these."""


class Watcher:
    """Shows what layers of one model read, without changing the model.

    While a pass runs, a layer's `call` is replaced on that one object; it works eagerly, on any
    backend, and needs neither a functional model nor layers that are called only once.

    Attributes:
        framework: Access to the Keras that the model belongs to.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.framework = framework_of(model)

    def order(self, layers: list[Any], batch: Any) -> dict[int, int]:
        """The layers that a pass calls, in the order of their first calls, and how often each.

        Args:
            layers: Candidates. One that is named twice, such as a separable convolution for each of
                its kernels, counts at both indices, the lower one first.
            batch: Inputs of the model.

        Returns:
            By index into `layers`, the number of calls. Layers that are not called are missing.
        """
        indices: dict[int, list[int]] = {}
        for index, layer in enumerate(layers):
            indices.setdefault(id(layer), []).append(index)
        calls: dict[int, int] = {}

        def note(first: int, inputs: Any) -> None:
            del inputs
            for index in indices[id(layers[first])]:
                calls[index] = calls.get(index, 0) + 1

        self._run({same[0]: layers[same[0]] for same in indices.values()}, batch, note)
        return calls

    def inputs_of(self, layer: Any, calls: int, batch: Any) -> list[Array]:
        """What `layer` reads in one pass, one float32 array for each of its `calls`.

        The pass ends at the last call, so that early layers cost little.
        """
        seen: list[Array] = []

        def keep(index: int, inputs: Any) -> None:
            del index
            seen.append(self._read(inputs))
            if len(seen) == calls:
                raise _Reached

        with contextlib.suppress(_Reached):
            self._run({0: layer}, batch, keep)
        return seen

    def each_input(self, layers: list[Any], batch: Any, take: Callable[[int, Array], None]) -> None:
        """Hands every input of every layer to `take`, with the layer's index, in one pass."""
        self._run(dict(enumerate(layers)), batch, lambda i, inputs: take(i, self._read(inputs)))

    def _read(self, inputs: Any) -> Array:
        return self.framework.read(inputs).astype(np.float32, copy=False)

    def _run(self, layers: dict[int, Any], batch: Any, see: Callable[[int, Any], None]) -> None:
        with contextlib.ExitStack() as stack:
            for index, layer in layers.items():
                stack.enter_context(_watched(layer, index, see))
            self._model(batch, training=False)


@contextlib.contextmanager
def _watched(layer: Any, index: int, see: Callable[[int, Any], None]) -> Iterator[None]:
    original = layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        see(index, inputs)
        return original(inputs, *args, **kwargs)

    undo = replace_call(layer, call)
    try:
        yield
    finally:
        undo()
