"""The stored files: today's reader reads them, today's writer writes the same."""

import numpy as np
import pytest
from golden_cases import FOLDER, cases
from golden_format import dump, parse
from reference_conv import pconv_2d

from pconv_tf.fkw import ConvOptions, FkwLayer, validate

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
    layer = FkwLayer(
        options.kernel_size, options.in_channels, options.filter_block, options.patterns, **arrays
    )
    validate(layer)
    assert np.array_equal(pconv_2d(activation, options, layer, bias), result)
