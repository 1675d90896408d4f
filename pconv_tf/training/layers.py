"""Finds the convolution and fully connected kernels of a model, and says what is left out."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pconv_tf.training.frameworks import Framework, framework_of

Kind = Literal["conv", "pointwise", "depthwise", "dense"]
Weights = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One prunable weight of a model.

    Attributes:
        name: The layer's name, qualified by its parents where the plain name is not unique.
        layer: The Keras layer.
        variable: The weight variable.
        kind: "conv", "pointwise" (1x1), "depthwise" or "dense" (fully connected).
        shape: (kh, kw, I, O): what one filter sees of the input, and the filters. A depthwise layer
            is (kh, kw, 1, channels * multiplier), a dense layer (1, 1, inputs, units), a
            convolution of a signal (1, k, I, O).
        groups: Channel groups of the convolution (filters see I = channels / groups).
        framework: Access to the Keras that the layer belongs to.
    """

    name: str
    layer: Any
    variable: Any
    kind: Kind
    shape: tuple[int, int, int, int]
    groups: int
    framework: Framework

    def read(self) -> Weights:
        """The weights, float32 [kh, kw, I, O].

        Raises:
            ValueError: A weight is not finite.
        """
        weights = self.framework.read(self.variable).astype(np.float32).reshape(self.shape)
        if not np.isfinite(weights).all():
            raise ValueError(
                f"layer {self.name}: {np.count_nonzero(~np.isfinite(weights))} of {weights.size} "
                "weights are NaN or infinite; expected finite weights"
            )
        return weights

    def write(self, weights: Weights) -> None:
        """Assigns weights given as [kh, kw, I, O]."""
        self.framework.assign(self.variable, self.native(weights))

    def native(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array [kh, kw, I, O] in the shape of the layer's own variable."""
        return array.reshape(tuple(self.variable.shape))


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A layer that is not pruned.

    Attributes:
        name: The layer's name.
        layer_type: Its class name.
        reason: Why it is left dense.
    """

    name: str
    layer_type: str
    reason: str


def find_kernels(model: Any) -> tuple[list[Kernel], list[LeftOut]]:
    """All prunable kernels of a model in the order of its layers, and the layers left out.

    Sequential, functional, nested and subclassed models are searched in depth; a layer that is used
    several times is listed once.

    Raises:
        ValueError: Not a Keras model, or a convolution or fully connected layer that is not built.
    """
    framework = framework_of(model)
    found = walk(framework, model)
    plain_names = collections.Counter(layer.name for _, layer in found)
    kernels: list[Kernel] = []
    left_out: list[LeftOut] = []
    for path, layer in found:
        name = layer.name if plain_names[layer.name] == 1 else path
        parts = _kernels_of(framework, name, layer)
        if isinstance(parts, str):
            left_out.append(LeftOut(name, type(layer).__name__, parts))
        else:
            kernels.extend(parts)
    return kernels, left_out


def walk(framework: Framework, model: Any) -> list[tuple[str, Any]]:
    """(path, layer) of every layer that holds weights of its own, each once."""
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()

    def visit(parent: Any, prefix: str) -> None:
        for layer in framework.sublayers(parent):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            path = prefix + layer.name
            found.append((path, layer))
            visit(layer, path + "/")

    visit(model, "")
    return found


def _kernels_of(framework: Framework, name: str, layer: Any) -> list[Kernel] | str:
    """The layer's kernels (none if it has nothing to prune), or the reason for leaving it out."""
    layers = framework.layers
    # tf_keras derives transposed convolutions from the plain ones, so the exclusions come first.
    if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose):
        return f"stays dense: PConv2D has no transposed convolution{_cost(layer)}"
    if isinstance(layer, layers.Conv3D | layers.Conv3DTranspose | layers.Embedding):
        return f"{type(layer).__name__} is not supported: 1-D and 2-D convolutions and Dense are"
    separable = (layers.SeparableConv1D, layers.SeparableConv2D)
    depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
    if not isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Dense, *separable, *depthwise)):
        return []
    if not layer.built:
        raise ValueError(
            f"layer {name} is not built, so its weights do not exist yet; build the model first "
            "(call it on a batch, or model.build(input_shape))"
        )
    if getattr(layer, "lora_enabled", False):
        return "has a LoRA kernel; merge it first"
    if getattr(layer, "quantization_mode", None):
        return f"is quantized ({layer.quantization_mode}); prune before quantization"

    def kernel(attribute: str, kind: Kind, suffix: str = "") -> Kernel:
        variable = getattr(layer, attribute)
        dims = [int(d) for d in variable.shape]
        # A fully connected layer is a 1x1 convolution, one of a signal a 1xk one, in TFLite, too.
        kh, kw, channels, filters = [1] * (4 - len(dims)) + dims
        groups = int(getattr(layer, "groups", 1)) if kind in ("conv", "pointwise") else 1
        if kind == "depthwise":
            groups, channels, filters = channels, 1, channels * filters
        shape = (kh, kw, channels, filters)
        return Kernel(name + suffix, layer, variable, kind, shape, groups, framework)

    if isinstance(layer, separable):
        return [
            kernel("depthwise_kernel", "depthwise", "/depthwise"),
            kernel("pointwise_kernel", "pointwise", "/pointwise"),
        ]
    if isinstance(layer, depthwise):
        # Keras 3 calls it `kernel`, tf_keras `depthwise_kernel`.
        named = "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
        return [kernel(named, "depthwise")]
    if isinstance(layer, layers.Dense):
        return [kernel("kernel", "dense")]
    pointwise = set(layer.kernel_size) == {1}
    return [kernel("kernel", "pointwise" if pointwise else "conv")]


def _cost(layer: Any) -> str:
    """What a layer takes that is not pruned, as the end of a reason."""
    if not layer.built:
        return ""
    weights = int(np.prod(layer.kernel.shape))
    try:
        # Each input value meets every weight of its channel once.
        positions = int(np.prod([int(size) for size in layer.input.shape[1:]]))
        macs = positions * weights // int(layer.kernel.shape[-1])
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return f" ({weights:,} weights)"
    return f" ({weights:,} weights, {macs / 1e6:.1f} MMAC)"
