"""Inputs that show what a network sees, given in batches so that no more is held at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

SAMPLES = 512
BATCH_SIZE = 32


class Calibration:
    """Input batches that can be gone through any number of times, always the same ones.

    Attributes:
        batch_size: Samples of a batch of arrays; data sets keep their own batches.
    """

    def __init__(
        self, inputs: Any, *, samples: int = SAMPLES, batch_size: int = BATCH_SIZE
    ) -> None:
        """Takes a share of `inputs`.

        Args:
            inputs: What the model's call takes: an array [N, ...], or a list, tuple or mapping of
                arrays for models of several inputs; `samples` of them are taken at equal distances.
                Or a data set (tf.data.Dataset, keras.utils.PyDataset, a list of batches behind an
                iterable) of batches of inputs, or of (inputs, labels, ...) tuples; its first
                batches are taken until `samples` are reached. No labels are used.
            samples: How many to take at most.
            batch_size: Samples of a batch, where `inputs` are arrays.

        Raises:
            ValueError: There is no sample, the arrays' lengths differ, a number is below 1, or
                `inputs` can be gone through only once.
        """
        for name, value in (("samples", samples), ("batch_size", batch_size)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: expected an integer of at least 1. Received: {value!r}")
        self.batch_size = batch_size
        self._inputs, self._samples = inputs, samples
        self._arrays = _leaves(inputs)
        if self._arrays is None:
            if isinstance(inputs, Iterator) or not isinstance(inputs, Iterable):
                raise ValueError(
                    "inputs: expected arrays or a data set that can be gone through several times. "
                    f"Received: {type(inputs).__name__}"
                )
            return
        lengths = {len(array) for array in self._arrays}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(
                "inputs: expected arrays of one length, at least 1. "
                f"Received lengths: {sorted(lengths)}"
            )
        (length,) = lengths
        count = min(samples, length)
        self._chosen = np.arange(count) * length // count

    @classmethod
    def of(cls, inputs: Any) -> Calibration:
        """`inputs` itself if it is a calibration, else one of them with the usual sizes."""
        return inputs if isinstance(inputs, cls) else cls(inputs)

    def batches(self) -> Iterator[Any]:
        """The batches, from the first one on."""
        if self._arrays is not None:
            for start in range(0, len(self._chosen), self.batch_size):
                chosen = self._chosen[start : start + self.batch_size]
                yield _map(self._inputs, lambda array, rows=chosen: np.asarray(array[rows]))
            return
        left, entries = self._samples, iter(self._inputs)
        if hasattr(self._inputs, "__getitem__") and hasattr(self._inputs, "__len__"):
            entries = (self._inputs[i] for i in range(len(self._inputs)))
        for entry in entries:
            batch = entry[0] if isinstance(entry, tuple) else entry
            rows = len(next(iter(_structure_leaves(batch))))
            if rows > left:
                batch = _map(batch, lambda array, rows=left: array[:rows])
            yield batch
            left -= rows
            if left <= 0:
                return
        if left == self._samples:
            raise ValueError("inputs: the data set holds no sample")

    def first(self) -> Any:
        """The first batch."""
        return next(itertools.islice(self.batches(), 1))


def bytes_of(batch: Any) -> int:
    """Bytes of a batch, as float32."""
    return sum(4 * math.prod(np.shape(array)) for array in _structure_leaves(batch))


def _structure_leaves(inputs: Any) -> Iterator[Any]:
    if isinstance(inputs, Mapping):
        inputs = list(inputs.values())
    if isinstance(inputs, list | tuple):
        for item in inputs:
            yield from _structure_leaves(item)
    else:
        yield inputs


def _leaves(inputs: Any) -> list[Any] | None:
    """The arrays of a structure, or None if it holds anything else."""
    leaves = list(_structure_leaves(inputs))
    are_arrays = all(hasattr(a, "shape") and hasattr(a, "dtype") for a in leaves)
    return leaves if leaves and are_arrays else None


def _map(inputs: Any, change: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {key: _map(value, change) for key, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return type(inputs)(_map(value, change) for value in inputs)
    return change(inputs)
