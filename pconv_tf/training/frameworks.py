"""The few things that differ between Keras 3 (on any backend) and tf_keras.

Pruning attaches to a model through its variables only: no layer is wrapped, renamed or replaced, so
checkpoints stay loadable and `model.save` sees the model it knows.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# The largest weight, and the steps of the whole grid, of int8 in TFLite's quantisation.
INT8_MAX = 127
INT8_STEPS = 255.0


class Penalty(Protocol):
    """A term of the loss for one weight variable: takes and returns backend tensors."""

    def __call__(self, weights: Any) -> Any: ...


class Framework(Protocol):
    """Access to layers, variables and the training loop of one Keras."""

    layers: Any
    backend: str

    def sublayers(self, layer: Any) -> list[Any]:
        """The layers directly inside `layer`."""

    def read(self, variable: Any) -> Array:
        """The variable's value as a NumPy array."""

    def assign(self, variable: Any, value: Array) -> None:
        """Sets the variable, casting to its dtype."""

    def state(self, model: Any, value: Array) -> Any:
        """A non-trainable variable whose changes reach a train step that is already compiled."""

    def drop_state(self, model: Any, states: list[Any]) -> None:
        """Forgets variables made by `state`."""

    def training_state(self, model: Any) -> list[Any]:
        """All variables that the next training step depends on: weights, random seeds, optimizer.

        Variables made by `state` are not among them.
        """

    def start_at(self, model: Any, epoch: int) -> None:
        """Makes the `fit` that is beginning start at this epoch."""

    def mask(self, model: Any, value: Array) -> Any:
        """A bool mask for use in an after-update constraint."""

    def assign_mask(self, model: Any, mask: Any, value: Array) -> None:
        """Changes a mask so that the next training step follows it."""

    def attach(self, layer: Any, variable: Any, penalty: Penalty | None, constraint: Any) -> Any:
        """Adds a loss term and an after-update constraint; returns a token for `detach`."""

    def detach(self, token: Any) -> None:
        """Undoes one `attach`, bringing back what was there before."""

    def squared_distance(self, weights: Any, target: Any) -> Any:
        """The sum of (weights - target)^2 as a float32 tensor."""

    def where(self, mask: Any, weights: Any) -> Any:
        """`weights` where the mask holds, exact zeros elsewhere."""

    def int8_symmetric(self, values: Any, axes: tuple[int, ...]) -> Any:
        """Values on the grid of int8 without a zero point, one scale along these axes.

        The gradient is that of the values themselves.
        """

    def int8_range(self, values: Any) -> Any:
        """Values on the grid of int8 from their least to their largest; else as `int8_symmetric`.

        What is not a floating-point tensor comes back as it is.
        """

    def as_it_is(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, kept from being rewritten when it is traced."""

    def retrace(self, model: Any) -> None:
        """Makes `fit`, `evaluate` and `predict` build their steps anew, with what is attached."""


def framework_of(model: Any) -> Framework:
    """The framework that `model` belongs to.

    Raises:
        ValueError: The object is neither a Keras 3 nor a tf_keras model.
    """
    # A model's framework is loaded already, so nothing heavy is imported to find out.
    for name, framework in (("keras", Keras3), ("tf_keras", TfKeras)):
        module = sys.modules.get(name)
        if module is not None and isinstance(model, module.Model):
            return framework()
    raise ValueError(
        "model: expected a built Keras 3 or tf_keras model. "
        f"Received: {type(model).__module__}.{type(model).__qualname__}"
    )


class Keras3:
    """Keras 3 on TensorFlow, JAX or PyTorch."""

    def __init__(self) -> None:
        import keras

        self._keras = keras
        self.layers = keras.layers
        self.backend: str = keras.backend.backend()

    def sublayers(self, layer: Any) -> list[Any]:
        return list(layer._flatten_layers(include_self=False, recursive=False))

    def read(self, variable: Any) -> Array:
        return np.asarray(self._keras.ops.convert_to_numpy(variable))

    def assign(self, variable: Any, value: Array) -> None:
        variable.assign(self._keras.ops.cast(value, variable.dtype))

    def state(self, model: Any, value: Array) -> Any:
        with _strategy_scope(model):
            variable = self._keras.Variable(value, dtype=value.dtype.name, trainable=False)
        if self.backend == "jax":
            # A compiled JAX step sees only the state that is handed to it. The state of random
            # generators is handed over but is no weight: neither checkpoints nor summaries have it.
            model._seed_generators.append(_StateHolder(variable))
        return variable

    def drop_state(self, model: Any, states: list[Any]) -> None:
        if self.backend == "jax":
            ours = {id(state) for state in states}
            model._seed_generators[:] = [
                holder for holder in model._seed_generators if id(holder.state) not in ours
            ]

    def training_state(self, model: Any) -> list[Any]:
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            return list(model.variables)
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        return [*model.variables, *optimizer.variables]

    def start_at(self, model: Any, epoch: int) -> None:
        model._initial_epoch = epoch

    def mask(self, model: Any, value: Array) -> Any:
        if self.backend == "jax":
            # Constraints run where a compiled JAX step knows optimizer state only, so the mask is
            # part of the compiled program. It changes so rarely that compiling anew costs little.
            return _Constant(value)
        with _strategy_scope(model):
            return self._keras.Variable(value, dtype="bool", trainable=False)

    def assign_mask(self, model: Any, mask: Any, value: Array) -> None:
        if isinstance(mask, _Constant):
            mask.value = value
            self.retrace(model)
        else:
            mask.assign(value)

    def attach(self, layer: Any, variable: Any, penalty: Penalty | None, constraint: Any) -> Any:
        token = (variable, variable.regularizer, variable.constraint)
        regularizers, constraints = self._keras.regularizers, self._keras.constraints
        if penalty is not None:
            total = _sum_of(variable.regularizer, penalty)
            variable.regularizer = _instance(regularizers.Regularizer, total)
        if constraint is not None:
            both = _chain(variable.constraint, constraint)
            variable.constraint = _instance(constraints.Constraint, both)
        return token

    def detach(self, token: Any) -> None:
        variable, variable.regularizer, variable.constraint = token

    def squared_distance(self, weights: Any, target: Any) -> Any:
        ops = self._keras.ops
        difference = ops.cast(weights, "float32") - ops.convert_to_tensor(target)
        return ops.sum(ops.square(difference))

    def where(self, mask: Any, weights: Any) -> Any:
        ops = self._keras.ops
        weights = ops.convert_to_tensor(weights)
        kept = mask.value if isinstance(mask, _Constant) else mask
        return ops.where(ops.convert_to_tensor(kept), weights, ops.zeros_like(weights))

    def int8_symmetric(self, values: Any, axes: tuple[int, ...]) -> Any:
        ops = self._keras.ops
        values = ops.convert_to_tensor(values)
        exact = ops.cast(ops.stop_gradient(values), "float32")
        scale = _some(ops, ops.max(ops.abs(exact), axis=axes, keepdims=True) / INT8_MAX)
        return self._straight_through(values, ops.round(exact / scale) * scale)

    def int8_range(self, values: Any) -> Any:
        ops, dtype = self._keras.ops, self._keras.backend.standardize_dtype(values.dtype)
        if "float" not in dtype:
            return values
        exact = ops.cast(ops.stop_gradient(values), "float32")
        low = ops.minimum(ops.min(exact), 0.0)
        scale = _some(ops, (ops.maximum(ops.max(exact), 0.0) - low) / INT8_STEPS)
        zero_point = ops.round(-low / scale)
        steps = ops.clip(ops.round(exact / scale) + zero_point, 0, INT8_STEPS)
        return self._straight_through(values, (steps - zero_point) * scale)

    def _straight_through(self, values: Any, rounded: Any) -> Any:
        ops = self._keras.ops
        difference = ops.stop_gradient(rounded - ops.cast(values, "float32"))
        return values + ops.cast(difference, values.dtype)

    def as_it_is(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def retrace(self, model: Any) -> None:
        if getattr(model, "compiled", False):
            model.make_train_function(force=True)
            model.test_function = model.predict_function = None


class TfKeras:
    """tf_keras, Keras 2 on TensorFlow."""

    backend = "tensorflow"

    def __init__(self) -> None:
        import tensorflow
        import tf_keras
        from tensorflow.python.saved_model import save_context

        self._tf = tensorflow
        self._saving = save_context.in_save_context
        self.layers = tf_keras.layers

    def sublayers(self, layer: Any) -> list[Any]:
        return list(layer._flatten_layers(include_self=False, recursive=False))

    def read(self, variable: Any) -> Array:
        return np.asarray(variable.numpy())

    def assign(self, variable: Any, value: Array) -> None:
        variable.assign(self._tf.cast(value, variable.dtype))

    def state(self, model: Any, value: Array) -> Any:
        with _strategy_scope(model):
            return self._tf.Variable(
                value, trainable=False, aggregation=self._tf.VariableAggregation.ONLY_FIRST_REPLICA
            )

    def drop_state(self, model: Any, states: list[Any]) -> None:
        del model, states

    def training_state(self, model: Any) -> list[Any]:
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            return list(model.weights)
        # Legacy optimizers have no `build`; tf_keras restores theirs in this way, too.
        build = getattr(optimizer, "build", None) or optimizer._create_all_weights
        build(model.trainable_variables)
        variables = optimizer.variables
        return [*model.weights, *(variables() if callable(variables) else variables)]

    def start_at(self, model: Any, epoch: int) -> None:
        model._training_state = _StartingEpoch(epoch) if epoch else None

    def mask(self, model: Any, value: Array) -> Any:
        return self.state(model, value)

    def assign_mask(self, model: Any, mask: Any, value: Array) -> None:
        del model
        mask.assign(value)

    def attach(self, layer: Any, variable: Any, penalty: Penalty | None, constraint: Any) -> Any:
        losses = layer._callable_losses
        before = len(losses)
        if penalty is not None:
            # A SavedModel stores the losses too, and must not refer to variables of ours, which
            # are no part of the model.
            def unless_saving(weights: Any, penalty: Penalty = penalty) -> Any:
                return self._tf.zeros(()) if self._saving() else penalty(weights)

            # The public add_loss would insist on symbolic tensors in functional models.
            layer._handle_weight_regularization("pconv", variable, unless_saving)
        components = _components(variable)
        token = (losses, losses[before:], [(c, c._constraint) for c in components])
        if constraint is not None:
            for component in components:
                component._constraint = _chain(component._constraint, constraint)
        return token

    def detach(self, token: Any) -> None:
        losses, added, constraints = token
        for loss in added:
            losses.remove(loss)
        for component, original in constraints:
            component._constraint = original

    def squared_distance(self, weights: Any, target: Any) -> Any:
        tf = self._tf
        return tf.reduce_sum(tf.square(tf.cast(weights, tf.float32) - target))

    def where(self, mask: Any, weights: Any) -> Any:
        weights = self._tf.convert_to_tensor(weights)
        return self._tf.where(mask, weights, self._tf.zeros_like(weights))

    def int8_symmetric(self, values: Any, axes: tuple[int, ...]) -> Any:
        tf = self._tf
        values = tf.convert_to_tensor(values)
        exact = tf.cast(tf.stop_gradient(values), tf.float32)
        scale = _some(tf, tf.reduce_max(tf.abs(exact), axis=axes, keepdims=True) / INT8_MAX)
        return self._straight_through(values, tf.round(exact / scale) * scale)

    def int8_range(self, values: Any) -> Any:
        tf = self._tf
        if not values.dtype.is_floating:
            return values
        exact = tf.cast(tf.stop_gradient(values), tf.float32)
        low = tf.minimum(tf.reduce_min(exact), 0.0)
        scale = _some(tf, (tf.maximum(tf.reduce_max(exact), 0.0) - low) / INT8_STEPS)
        zero_point = tf.round(-low / scale)
        steps = tf.clip_by_value(tf.round(exact / scale) + zero_point, 0, INT8_STEPS)
        return self._straight_through(values, (steps - zero_point) * scale)

    def _straight_through(self, values: Any, rounded: Any) -> Any:
        tf = self._tf
        difference = tf.stop_gradient(rounded - tf.cast(values, tf.float32))
        return values + tf.cast(difference, values.dtype)

    def as_it_is(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._tf.autograph.experimental.do_not_convert(function)

    def retrace(self, model: Any) -> None:
        if getattr(model, "_is_compiled", False):
            model.train_function = model.make_train_function(force=True)
            model.test_function = model.predict_function = None


class _Constant:
    """A mask that compiled steps hold as a constant."""

    def __init__(self, value: Array) -> None:
        self.value = value


class _StartingEpoch:
    """What tf_keras asks for the first epoch when it resumes."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def maybe_load_initial_counters_from_ckpt(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        return self._epoch, 0


class _StateHolder:
    """Presents a variable in the way a Keras random generator presents its state."""

    def __init__(self, variable: Any) -> None:
        self.state = variable


def _some(ops: Any, scale: Any) -> Any:
    """The scale, or 1 where there is none: of values that are all zero."""
    return ops.where(scale > 0, scale, ops.ones_like(scale))


def _sum_of(original: Penalty | None, penalty: Penalty) -> Penalty:
    if original is None:
        return penalty
    first = original
    return lambda weights: first(weights) + penalty(weights)


def _chain(original: Callable[[Any], Any] | None, constraint: Callable[[Any], Any]) -> Any:
    if original is None:
        return constraint
    first = original
    return lambda weights: constraint(first(weights))


def _instance(base: type, function: Callable[[Any], Any]) -> Any:
    """The function as an instance of `base`: Keras 3.8 and older take no plain functions."""
    return type(base.__name__, (base,), {"__call__": lambda self, weights: function(weights)})()


def _components(variable: Any) -> list[Any]:
    """The plain variables behind an auto-cast or replicated one: constraints live there."""
    variable = getattr(variable, "_variable", variable)
    values = getattr(variable, "values", None)
    return list(values) if isinstance(values, tuple | list) else [variable]


@contextlib.contextmanager
def _strategy_scope(model: Any) -> Iterator[None]:
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None:
        yield
        return
    with strategy.scope():
        yield
