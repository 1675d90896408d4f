"""Training with the rounding of int8: quantisation-aware training without wrapped layers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from pconv_tf.training.frameworks import Framework
from pconv_tf.training.layers import Kernel, find_kernels, walk
from pconv_tf.training.replaced_call import replace_call
from pconv_tf.training.while_training import WhileTraining


class FakeQuantization(WhileTraining):
    """Lets a model feel in training what full-integer conversion does to it.

    While `fit` runs, the kernels of convolutions and fully connected layers are rounded to int8,
    symmetrically and with a scale for each filter, and so are the inputs of these layers and of
    Add, Subtract and Multiply, with one scale and zero point for each batch; gradients pass as if
    nothing were rounded (the straight-through estimator of Bengio et al., arXiv:1308.3432; ranges
    as in Jacob et al., arXiv:1712.05877). Validation inside `fit` rounds as well. Weights
    themselves stay float32, and nothing is left on the model when training ends:
    `pconv_tf.convert(model, quantize="int8", representative_dataset=...)` then finds weights that
    bear the rounding. Batch normalisation needs no care: folding it scales whole filters, and with
    them their grids.

    Put `KeepZeros` beside it for a pruned model. A weight that is zero is rounded to zero.

    Works on Keras 3 with any backend and on tf_keras, also under mixed precision. Layers of other
    kinds are left alone.
    """

    def attach(self, model: Any, framework: Framework) -> list[Callable[[], None]]:
        """Replaces `call` on the layers that round; the text of an error names the layer.

        Raises:
            ValueError: The model is not built.
        """
        kernels: dict[int, list[Kernel]] = {}
        for kernel in find_kernels(model)[0]:
            kernels.setdefault(id(kernel.layer), []).append(kernel)
        undo = [_round_in_call(found[0].layer, found, framework) for found in kernels.values()]
        layers = framework.layers
        merging = (layers.Add, layers.Subtract, layers.Multiply)
        undo += [
            _round_in_call(layer, [], framework)
            for _, layer in walk(framework, model)
            if isinstance(layer, merging)
        ]
        return undo


def _round_in_call(layer: Any, kernels: list[Kernel], framework: Framework) -> Callable[[], None]:
    original = layer.call
    places = [(_attribute_of(layer, kernel.variable), _shared_axes(kernel)) for kernel in kernels]

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, list | tuple):
            rounded: Any = [framework.int8_range(one) for one in inputs]
        else:
            rounded = framework.int8_range(inputs)
        with contextlib.ExitStack() as stack:
            for attribute, axes in places:
                weights = framework.int8_symmetric(vars(layer)[attribute], axes)
                stack.enter_context(_in_place_of(layer, attribute, weights))
            return original(rounded, *args, **kwargs)

    return replace_call(layer, framework.as_it_is(call))


@contextlib.contextmanager
def _in_place_of(layer: Any, attribute: str, weights: Any) -> Iterator[None]:
    """The layer's variable is `weights` for the time of one call."""
    variable = vars(layer)[attribute]
    vars(layer)[attribute] = weights
    try:
        yield
    finally:
        vars(layer)[attribute] = variable


def _attribute_of(layer: Any, variable: Any) -> str:
    for name, value in vars(layer).items():
        if value is variable:
            return name
    raise AssertionError(f"layer {layer.name} does not hold its kernel")


def _shared_axes(kernel: Kernel) -> tuple[int, ...]:
    """The axes of the layer's own variable along which weights share a scale."""
    filters = 2 if kernel.kind == "depthwise" else 1
    return tuple(range(len(kernel.variable.shape) - filters))
