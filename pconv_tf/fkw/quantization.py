"""int8 activations: real = scale * (q - zero_point), one scale and zero point a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pconv_tf.fkw.layer import FkwLayer


@dataclass(frozen=True)
class Quantization:
    """What the int8 values of a tensor of activations stand for.

    Attributes:
        scale: of float32, finite and above 0.
        zero_point: -128 to 127.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class ActivationQuantization:
    """The quantisation of a layer's input and output."""

    input: Quantization
    output: Quantization


def requantization_scale(layer: FkwLayer, activations: ActivationQuantization) -> np.ndarray:
    """[O] float32, from sums of products to steps of the output, in XNNPACK's order of operations.

    Args:
        layer: a layer with int8 weights.
        activations: of its input and output.
    """
    assert layer.scale is not None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return (
            np.float32(activations.input.scale)
            * layer.scale.astype(np.float32)
            / np.float32(activations.output.scale)
        )


def bias_scale(layer: FkwLayer, activations: ActivationQuantization) -> np.ndarray:
    """[O] float32, what one step of the int32 bias stands for."""
    assert layer.scale is not None
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(activations.input.scale) * layer.scale.astype(np.float32)


def validate_int8(layer: FkwLayer, bias: np.ndarray, activations: ActivationQuantization) -> None:
    """Checks what a valid `layer` needs to have int8 activations.

    Raises:
        ValueError: begins with the name of the field, then what was found and what is expected.
    """
    if layer.weight.dtype != np.int8:
        raise ValueError(
            f"weight: expected int8 as the activations are, found {layer.weight.dtype}"
        )
    if bias.dtype != np.int32 or bias.shape != (layer.out_channels,):
        raise ValueError(
            f"bias: expected int32 [{layer.out_channels}] as the activations are int8,"
            f" found {bias.dtype} {list(bias.shape)}"
        )
    for name, tensor in (("activation", activations.input), ("output", activations.output)):
        if not (np.isfinite(np.float32(tensor.scale)) and np.float32(tensor.scale) > 0):
            raise ValueError(
                f"{name}: expected one finite scale above 0, found the scale {tensor.scale}"
            )
        if not -128 <= tensor.zero_point <= 127:
            raise ValueError(
                f"{name}: expected a zero point of -128 to 127, found {tensor.zero_point}"
            )
    if not np.isfinite(requantization_scale(layer, activations)).all():
        raise ValueError(
            "scale: expected a finite product with the activation's scale over the output's,"
            " found one that is not"
        )
