"""A small budget of the differential fuzzer; the long run: python tests/runtime/model_fuzz.py."""

from __future__ import annotations

import exact_model
import numpy as np
import pytest
from model_fuzz import SEED, check, differences
from tflite_models import ModelBuilder


@pytest.mark.parametrize("part", range(4))
def test_random_models_compute_what_stock_litert_does(part, delegate):
    for seed in range(SEED + part, SEED + 60, 4):
        check(seed)


def test_a_clipped_output_may_be_off_by_the_rounding_of_its_sum(delegate):
    # Its output is clipped to -1..1, the sums before are made of terms that add up to 1,000.
    assert check(5150) > 0


def _sum_model(terms: np.ndarray) -> bytes:
    builder = ModelBuilder()
    x = builder.input(1, 1, len(terms))
    return builder.finish(builder.conv(x, terms.reshape(1, 1, 1, -1), np.zeros(1, np.float32)))


def test_the_bound_follows_the_size_of_the_sum():
    x = np.ones((1, 1, 1, 3), np.float32)
    for size in (1, 1000):
        terms = np.array([size, -size, 0.5], np.float32)
        expected = exact_model.run(_sum_model(terms), x)
        assert expected[0].value.item() == 0.5
        for off, allowed in ((size * 1e-7, True), (size * 1e-5, False)):
            found = [np.array([[[[0.5 + off]]]])]
            assert (differences(found, expected)[0] <= 1) == allowed
