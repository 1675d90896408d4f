"""The golden layers of FKW: `PYTHONPATH=. python tests/golden_cases.py` writes them.

Python's and C++'s tests read them. They change only if the format does, and then they get a new
name: an old file must stay readable.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from golden_format import dump
from reference_conv import pconv_2d, pconv_2d_int8

from pconv_tf.fkw import (
    Activation,
    ActivationQuantization,
    ConvOptions,
    FkwLayer,
    Padding,
    Quantization,
    cast_weights,
    encode,
    stored_arrays,
    validate,
    validate_int8,
    version_for,
)

FOLDER = Path(__file__).parent / "golden"
SQUARES = (0b000011011, 0b000110110, 0b011011000, 0b110110000)


def pruned(
    rng: np.random.Generator,
    filters: int,
    channels: int,
    kernel: tuple[int, int] = (3, 3),
    *,
    patterns: tuple[int, ...] = SQUARES,
    density: float = 0.5,
    block: int = 1,
) -> np.ndarray:
    """Weights [O, kh, kw, I] of small multiples of 1/4, exact in every stored type."""
    taps = kernel[0] * kernel[1]
    table = np.array([[mask >> bit & 1 for bit in range(taps)] for mask in patterns])
    groups = -(-filters // block)
    masks = table[rng.integers(0, len(patterns), (groups, channels))]
    masks *= (rng.random((groups, channels, 1)) < density).astype(masks.dtype)
    masks = np.repeat(masks, block, axis=0)[:filters]
    values = rng.integers(1, 9, (filters, channels, taps)) * rng.choice([-1, 1], masks.shape) / 4
    return (
        (values * masks).astype(np.float32).transpose(0, 2, 1).reshape(filters, *kernel, channels)
    )


def case(
    rng: np.random.Generator, layer: FkwLayer, shape: tuple[int, ...], **attributes: object
) -> dict[str, np.ndarray]:
    validate(layer)
    options = ConvOptions.of(layer, **attributes)
    bias = rng.integers(-4, 5, layer.out_channels).astype(np.float32) / 2
    activation = rng.integers(-4, 5, shape).astype(np.float32) / 2
    result = pconv_2d(activation, options, layer, bias)
    exact = result.astype(np.float32)
    assert np.array_equal(exact, result), "the golden results must be exact in float32"
    arrays = layer.arrays()
    scale = {"scale": arrays.pop("scale")} if "scale" in arrays else {}
    return {
        "options": np.frombuffer(options.to_bytes(), np.uint8),
        **arrays,
        "bias": bias,
        **scale,
        "activation": activation,
        "result": exact,
    }


def int8_case(rng: np.random.Generator) -> dict[str, np.ndarray]:
    weights = np.rint(pruned(rng, 6, 5) * 4).astype(np.int8)
    scale = (0.25 * 2.0 ** rng.integers(-2, 3, 6)).astype(np.float32)
    return case(rng, encode(weights, scale=scale), (1, 5, 5, 5))


def int8_activations_case(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    filters: int,
    zero_points: tuple[int, int],
    *,
    groups: int = 1,
    block: int = 1,
    kernel: tuple[int, int] = (3, 3),
    density: float = 0.5,
    **attributes: object,
) -> dict[str, np.ndarray]:
    """int8 from input to output (version 2 or 3), weights and inputs at both ends among others."""
    patterns = SQUARES if kernel == (3, 3) else (1,)
    channels = shape[-1] // groups
    made = pruned(rng, filters, channels, kernel, patterns=patterns, density=density, block=block)
    kept = made != 0
    values = rng.integers(1, 128, kept.shape) * rng.choice([-1, 1], kept.shape)
    values[rng.random(kept.shape) < 0.2] = 127
    scale = rng.uniform(0.001, 0.01, filters).astype(np.float32)
    layer = encode((values * kept).astype(np.int8), groups=groups, scale=scale)
    validate(layer)
    version = version_for(layer, int8_activations=True)
    options = ConvOptions.of(layer, version=version, **attributes)
    bias = rng.integers(-3000, 3000, filters).astype(np.int32)
    activation = rng.integers(-128, 128, shape).astype(np.int8)
    steps = float(np.float32(0.02)), float(np.float32(0.11))
    quantization = ActivationQuantization(*map(Quantization, steps, zero_points))
    validate_int8(layer, bias, quantization)
    arrays = stored_arrays(layer, version)
    stored = arrays.pop("scale")
    result = pconv_2d_int8(activation, options, layer, bias, quantization)
    assert len(np.unique(result)) > 8, "a golden result that says little"
    return {
        "options": np.frombuffer(options.to_bytes(), np.uint8),
        **arrays,
        "bias": bias,
        "scale": stored,
        "activation": activation,
        "activation_scale": np.array([steps[0]], np.float32),
        "activation_zero_point": np.array([zero_points[0]], np.int32),
        "result": result,
        "result_scale": np.array([steps[1]], np.float32),
        "result_zero_point": np.array([zero_points[1]], np.int32),
    }


def int8_activations_cases() -> dict[str, dict[str, np.ndarray]]:
    """The golden layers that version 2 brought, and the last one version 3."""
    rng = np.random.default_rng(20261129)
    case_, same = int8_activations_case, {"padding": Padding.SAME}
    relu, relu6 = {"activation": Activation.RELU}, {"activation": Activation.RELU6}
    return {
        "int8_activations_same": case_(rng, (1, 6, 7, 6), 5, (-128, -128), **same, **relu),
        "int8_activations_pads_relu6": case_(
            rng, (2, 7, 6, 4), 6, (17, -100), block=4, strides=(2, 2), pads=(0, 1, 1, 2), **relu6
        ),
        "int8_activations_depthwise": case_(rng, (1, 5, 5, 6), 6, (-3, 127), groups=6, **same),
        "int8_activations_fully_connected": case_(rng, (3, 24), 9, (-128, 5), kernel=(1, 1)),
        "int8_activations_steps": case_(rng, (1, 3, 2, 900), 4, (-7, 9), density=0.01, **same),
    }


def cases() -> dict[str, dict[str, np.ndarray]]:
    """All golden layers by file name."""
    rng = np.random.default_rng(20200213)
    layer = encode
    same = {"padding": Padding.SAME}
    depthwise = pruned(rng, 6, 1, density=1.0)
    return {
        "free_same": case(rng, layer(pruned(rng, 5, 6)), (1, 6, 7, 6), **same),
        "float16_valid_relu": case(
            rng,
            cast_weights(layer(pruned(rng, 4, 4)), "float16"),
            (2, 5, 6, 4),
            activation=Activation.RELU,
        ),
        "int8": int8_case(rng),
        "stride2_pads_relu6": case(
            rng,
            layer(pruned(rng, 4, 3)),
            (1, 7, 8, 3),
            strides=(2, 2),
            pads=(0, 1, 1, 2),
            activation=Activation.RELU6,
        ),
        "dilated_same_relu_n1": case(
            rng,
            layer(pruned(rng, 3, 4)),
            (1, 7, 7, 4),
            dilations=(2, 3),
            activation=Activation.RELU_N1_TO_1,
            **same,
        ),
        "block4_ragged": case(rng, layer(pruned(rng, 10, 5, block=4)), (1, 4, 5, 5), **same),
        "block8": case(rng, layer(pruned(rng, 16, 3, block=8)), (1, 4, 4, 3), **same),
        "block16_ragged": case(rng, layer(pruned(rng, 20, 4, block=16)), (1, 3, 4, 4), **same),
        "grouped": case(rng, layer(pruned(rng, 6, 2), groups=3), (1, 4, 4, 6), **same),
        "depthwise": case(rng, layer(depthwise, groups=6), (1, 5, 5, 6), strides=(2, 1), **same),
        "pointwise_wide": case(
            rng, layer(pruned(rng, 3, 300, (1, 1), patterns=(1,), density=0.2)), (1, 2, 3, 300)
        ),
        "kernel5x3": case(
            rng,
            layer(pruned(rng, 4, 3, (5, 3), patterns=(0b111, 0b1000010000100))),
            (1, 6, 5, 3),
            **same,
        ),
        "kernel7x7": case(
            rng,
            layer(pruned(rng, 2, 2, (7, 7), patterns=(1 << 48 | 1 << 24 | 1, 7 << 20))),
            (1, 8, 7, 2),
            **same,
        ),
        "fully_connected": case(
            rng, layer(pruned(rng, 9, 12, (1, 1), patterns=(1,), density=0.4)), (3, 12)
        ),
        "empty": case(rng, layer(np.zeros((3, 3, 3, 2), np.float32)), (1, 3, 3, 2), **same),
        **int8_activations_cases(),
    }


if __name__ == "__main__":
    for name, arrays in cases().items():
        (FOLDER / f"{name}.fkw").write_text(dump(arrays))
