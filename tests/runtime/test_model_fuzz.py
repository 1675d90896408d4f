"""A small budget of the differential fuzzer; the long run: python tests/runtime/model_fuzz.py."""

from __future__ import annotations

import pytest
from model_fuzz import SEED, check


@pytest.mark.parametrize("part", range(4))
def test_random_models_compute_what_stock_litert_does(part, delegate):
    for seed in range(SEED + part, SEED + 60, 4):
        check(seed)
