"""The stored .tflite files: today's converter writes them, today's reader reads them."""

import numpy as np
from golden_model import CONVERTED, DENSE

import pconv_tf
from pconv_tf.conversion import inspection


def test_converter_reproduces_the_file():
    assert pconv_tf.convert(DENSE, force=True, quiet=True) == CONVERTED.read_bytes()


def test_stored_file_holds_the_weights_of_the_stored_twin():
    results = inspection.verify(CONVERTED, DENSE)
    assert len(results) == 3
    assert all(result.matches for result in results)


def test_delegate_runs_the_stored_file(run, run_pconv, rng):
    image = rng.standard_normal((1, 8, 8, 4)).astype(np.float32)
    (expected,) = run(DENSE.read_bytes(), image)
    (actual,) = run_pconv(CONVERTED.read_bytes(), image)
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
