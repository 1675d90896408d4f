"""The stored files: today's reader reads them, today's writer writes the same."""

import numpy as np
import pytest
from golden_cases import FOLDER, cases
from golden_format import dump, parse
from reference_conv import pconv_2d, pconv_2d_int8

from pconv_tf.fkw import (
    ActivationQuantization,
    ConvOptions,
    FkwLayer,
    Quantization,
    from_steps,
    validate,
    validate_int8,
)

FILES = sorted(FOLDER.glob("*.fkw"))


@pytest.fixture(scope="module")
def written():
    return {name: dump(arrays) for name, arrays in cases().items()}


def test_every_case_is_stored(written):
    assert [path.stem for path in FILES] == sorted(written)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_writer_reproduces_the_file(path, written):
    assert written[path.stem] == path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reader_computes_the_stored_result(path):
    arrays = parse(path.read_text())
    options = ConvOptions.from_bytes(arrays.pop("options").tobytes())
    bias, activation, result = (arrays.pop(key) for key in ("bias", "activation", "result"))
    quantizations = [
        Quantization(float(arrays.pop(f"{key}_scale")[0]), int(arrays.pop(f"{key}_zero_point")[0]))
        for key in ("activation", "result")
        if activation.dtype == np.int8
    ]
    layer = FkwLayer(
        options.kernel_size, options.in_channels, options.filter_block, options.patterns, **arrays
    )
    has_steps = path.stem == "int8_activations_steps"
    if has_steps:
        layer = from_steps(layer)
    validate(layer)
    if quantizations:
        quantization = ActivationQuantization(*quantizations)
        validate_int8(layer, bias, quantization)
        assert options.version == (3 if has_steps else 2)
        computed = pconv_2d_int8(activation, options, layer, bias, quantization)
    else:
        assert options.version == 1
        computed = pconv_2d(activation, options, layer, bias)
    assert np.array_equal(computed, result)
