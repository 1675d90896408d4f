"""The warning before a hard prune that will cost much."""

import warnings

import pytest

from pconv_tf.config import PruningConfig
from pconv_tf.training.convergence import warn_if_unconverged

CONFIG = PruningConfig(rho=[1e-3, 0.02], epochs_per_stage=3)


def test_says_how_far_and_what_helps():
    with pytest.warns(UserWarning, match=r"pconv_primal 0.62 .*\): the hard prune") as caught:
        warn_if_unconverged({"pconv_primal": 0.62, "pconv_changed": 0.1}, CONFIG)
    assert r"the last rho (0.02), epochs_per_stage (3)" in str(caught[0].message)


def test_says_that_the_choice_has_not_settled():
    with pytest.warns(UserWarning, match="the last update chose 80% of the kept weights anew"):
        warn_if_unconverged({"pconv_primal": 0.62, "pconv_changed": 0.8}, CONFIG)


def test_is_silent_where_admm_converged():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_unconverged({"pconv_primal": 0.29, "pconv_changed": 0.9}, CONFIG)
