"""Paired comparison: the difference, its interval, and McNemar's test."""

import numpy as np
import pytest

from experiments import paired


def test_equal_networks_differ_by_nothing():
    right = np.array([True, False, True, True])
    found = paired.compare(right, right, scale=100)
    assert found == {"difference": 0, "lower": 0, "upper": 0, "mcnemar_p": 1}


def test_one_seed_in_a_stack_is_one_seed():
    right = np.array([True, False, True, True])
    wrong = ~right
    assert paired.compare(right[np.newaxis], wrong[np.newaxis]) == paired.compare(right, wrong)


def test_only_samples_that_differ_widen_the_interval():
    reference = np.ones(10_000, bool)
    found = reference.copy()
    found[:100] = False
    result = paired.compare(found, reference, scale=100)
    assert result["difference"] == -1
    # A hundred ones of ten thousand: the deviation of their share is 0.1 points.
    assert result["lower"] == pytest.approx(-1 - 1.96 * 0.0995, abs=1e-3)
    assert result["upper"] == pytest.approx(-1 + 1.96 * 0.0995, abs=1e-3)
    assert result["mcnemar_p"] == 0


def test_seeds_are_averaged_before_samples_are_compared():
    reference = np.zeros((2, 4))
    found = np.array([[1.0, 0.0, 2.0, 1.0], [1.0, 2.0, 0.0, 1.0]])
    assert paired.compare(found, reference) == {"difference": 1, "lower": 1, "upper": 1}


def test_other_samples_are_refused():
    with pytest.raises(ValueError, match=r"expected scores of shape \(3,\), found \(2,\)"):
        paired.compare(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1), (0, 1, 1), (1, 5, 0.21875)])
def test_mcnemar_is_the_two_sided_binomial_test(gained, lost, p):
    assert paired.mcnemar(gained, lost) == pytest.approx(p)
    assert paired.mcnemar(lost, gained) == pytest.approx(p)
