"""Least squares in place of training: the kept weights make up for those that were removed.

For every pruned layer, in the order in which they run, the kept weights S of each filter minimise
the squared distance between the layer's outputs before activation, on the inputs that the pruned
network gives it, and those of the dense network. With G the sum of x x^T over output positions and
C that of x y^T, this is G_SS w = C_S (known from AdaPrune and Optimal Brain Compression,
arXiv 2208.11580). A layer's bias is fitted with them: the sums are then of x and y less their
means, and what the weights leave of the mean of y is the bias. Batch normalisation statistics
follow layer by layer, so that every fit sees the inputs that the finished network will give it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pconv_tf.training.batch_norm import norm_layers, recalibrate_layer
from pconv_tf.training.calibration import BATCH_SIZE, SAMPLES, Calibration, bytes_of
from pconv_tf.training.layers import Kernel, find_kernels
from pconv_tf.training.least_squares import NormalEquations
from pconv_tf.training.patches import patches
from pconv_tf.training.watching import Watcher

Model = TypeVar("Model")
Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Output positions that a layer is fitted to at most: this many, and so many for each unknown.
_POSITIONS = 65_536
_POSITIONS_PER_UNKNOWN = 32
# Samples and the reference's outputs of them that are held at a time: giving a model its own former
# weights back, and taking them away again, costs as much as a small batch.
_HELD_BYTES = 64 << 20


def refit(
    model: Model,
    reference: Any,
    inputs: Any,
    *,
    samples: int = SAMPLES,
    batch_size: int = BATCH_SIZE,
) -> Model:
    """Fits the weights that pruning left to what the dense network computes, without training.

    Biases are fitted with them. Zeros stay zero, so patterns and connectivity are kept. No filter's
    squared error on the samples rises. Layers without a zero stay as they are, but for the
    statistics of batch normalisation, which are set anew in all layers as by
    `pconv_tf.training.recalibrate`.

    Memory: one batch of samples with what one layer reads of it, 64 MB of further batches with the
    reference's outputs, the sums of one layer (8 n^2 bytes for n = kh * kw * I weights per filter,
    three times), and nothing that grows with the number of samples. Of a layer with more than
    65,536 output positions over all samples, and more than 32 for each of the n weights, so many
    are taken at random, always the same ones.

    Args:
        model: A pruned Keras 3 or tf_keras model; changed in place.
        reference: The dense model, of the same layers: a copy made before pruning.
        inputs: As `pconv_tf.training.Calibration`: arrays or a data set, without labels. Some
            hundred images, or a few large ones, that look like those of use.
        samples: How many are used at most.
        batch_size: Samples that are run at a time, where `inputs` are arrays.

    Returns:
        The same model.

    Raises:
        ValueError: Not Keras models, `reference` has other layers or is the model itself, or
            unusable inputs. Nothing is changed then.
    """
    if reference is model:
        raise ValueError("reference: is the pruned model itself; expected a dense copy of it")
    kernels, dense = find_kernels(model)[0], find_kernels(reference)[0]
    if [kernel.shape for kernel in kernels] != [kernel.shape for kernel in dense]:
        raise ValueError(
            "reference: its convolutions and fully connected layers are not those of the model; "
            f"expected {_shapes(kernels)}. Found: {_shapes(dense)}"
        )
    calibration = Calibration(inputs, samples=samples, batch_size=batch_size)
    _Refit(model, kernels, _Reference(reference, dense), calibration).run({})
    return model


class DenseWeights:
    """The weights that a model had before it was pruned, to be its own reference.

    They are the kernels and everything else that changes with them, held on the host.
    """

    def __init__(self, model: Any) -> None:
        self._watcher = Watcher(model)
        framework = self._watcher.framework
        self._variables = list(model.weights)
        self._values = [framework.read(variable) for variable in self._variables]
        self._pruned: list[npt.NDArray[Any]] | None = None

    @contextlib.contextmanager
    def back(self) -> Iterator[None]:
        """Within the block the model is dense again."""
        framework = self._watcher.framework
        pruned = [framework.read(variable) for variable in self._variables]
        try:
            self._assign(self._values)
            yield
        finally:
            self._assign(pruned)

    def _assign(self, values: list[npt.NDArray[Any]]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            self._watcher.framework.assign(variable, value)


def refit_to(
    model: Any, dense: DenseWeights, calibration: Calibration, masks: Mapping[str, Mask]
) -> None:
    """`refit` of a model to the weights that it had itself.

    Args:
        model: The pruned model.
        dense: Taken of the same model before it was pruned.
        calibration: The samples.
        masks: By layer name, the kept weights bool [kh, kw, I, O]; of other layers the weights that
            are not zero.
    """
    kernels = find_kernels(model)[0]
    _Refit(model, kernels, _Reference(model, kernels, dense), calibration).run(masks)


class _Reference:
    """What the dense network's layers compute, before activation."""

    def __init__(
        self, model: Any, kernels: list[Kernel], weights: DenseWeights | None = None
    ) -> None:
        self._kernels, self._watcher = kernels, Watcher(model)
        self._dense = contextlib.nullcontext if weights is None else weights.back

    def outputs(
        self, index: int, calls: int, batches: Iterable[tuple[int, Any]], rows: int
    ) -> list[list[Array]]:
        """For each (seed, batch) and call of kernel `index`: [groups, positions, O / groups]."""
        kernel = self._kernels[index]
        with self._dense():
            weights, bias = by_group(kernel, kernel.read()), self._bias(kernel)
            return [
                [
                    patches(kernel, inputs, rows, seed) @ weights + bias
                    for inputs in self._watcher.inputs_of(kernel.layer, calls, batch)
                ]
                for seed, batch in batches
            ]

    @staticmethod
    def _bias(kernel: Kernel) -> Array | float:
        """As [groups, 1, O / groups]; 0 if there is none."""
        bias = bias_of(kernel)
        if bias is None:
            return 0.0
        values = kernel.framework.read(bias).astype(np.float32)
        return values.reshape(kernel.groups, 1, -1)


class _Batches(NamedTuple):
    """Of the samples: how many, and what the first one takes as float32."""

    number: int
    bytes_each: int


class _Refit:
    """One pass over the layers of a model."""

    def __init__(
        self, model: Any, kernels: list[Kernel], reference: _Reference, calibration: Calibration
    ) -> None:
        self._kernels, self._reference = kernels, reference
        self._calibration = calibration
        self._watcher = Watcher(model)
        self._norms = norm_layers(model)

    def run(self, masks: Mapping[str, Mask]) -> None:
        layers = [*(kernel.layer for kernel in self._kernels), *self._norms]
        first = self._calibration.first()
        batches = _Batches(sum(1 for _ in self._calibration.batches()), bytes_of(first))
        order = self._watcher.order(layers, first)
        for index, calls in order.items():
            if index >= len(self._kernels):
                norm = self._norms[index - len(self._kernels)]
                recalibrate_layer(self._watcher, norm, calls, self._calibration)
                continue
            kernel = self._kernels[index]
            weights = kernel.read()
            kept = masks.get(kernel.name, weights != 0)
            if kept.any() and not kept.all():
                self._fit(index, calls, weights, kept, batches)

    def _fit(self, index: int, calls: int, weights: Array, kept: Mask, batches: _Batches) -> None:
        kernel = self._kernels[index]
        start = by_group(kernel, weights)
        groups, unknowns, filters = start.shape
        wanted = max(_POSITIONS, _POSITIONS_PER_UNKNOWN * unknowns)
        rows = -(-wanted // (batches.number * calls))
        bias = bias_of(kernel)
        sums = NormalEquations.empty(groups, unknowns, filters)
        numbered = enumerate(self._calibration.batches())
        bytes_each = 4 * rows * calls * groups * filters + batches.bytes_each
        at_once = max(1, _HELD_BYTES // bytes_each)
        while some := list(itertools.islice(numbered, at_once)):
            outputs = self._reference.outputs(index, calls, some, rows)
            for (seed, batch), of_calls in zip(some, outputs, strict=True):
                inputs = self._watcher.inputs_of(kernel.layer, calls, batch)
                for read, output in zip(inputs, of_calls, strict=True):
                    sums.add(patches(kernel, read, rows, seed), output)
        if bias is not None:
            sums.centre()
        fitted = sums.solve(start, by_group(kernel, kept))
        kernel.write(from_groups(kernel, fitted))
        if bias is not None:
            kernel.framework.assign(bias, sums.constant(fitted).reshape(-1))


def by_group(kernel: Kernel, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """[kh, kw, I, O] as [groups, kh * kw * I, O / groups]."""
    split = array.reshape(-1, kernel.groups, kernel.shape[3] // kernel.groups)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def from_groups(kernel: Kernel, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The inverse of `by_group`."""
    return np.ascontiguousarray(array.transpose(1, 0, 2)).reshape(kernel.shape)


def bias_of(kernel: Kernel) -> Any:
    """The variable [O] that joins the kernel's outputs, or None."""
    if kernel.kind == "depthwise" and hasattr(kernel.layer, "pointwise_kernel"):
        return None
    return getattr(kernel.layer, "bias", None)


def _shapes(kernels: list[Kernel]) -> str:
    return ", ".join(f"{kernel.name} {kernel.shape}" for kernel in kernels)
