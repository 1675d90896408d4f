"""Projections against brute force over every mask of the constraint set."""

import itertools
import time

import numpy as np
import pytest

from pconv_tf.training.patterns import PatternSet, fixed_set
from pconv_tf.training.projections import KernelConstraint, kept_kernels


def all_patterns(kh, kw, entries, count, rng):
    masks = np.array(
        [
            np.isin(np.arange(kh * kw), taps).reshape(kh, kw)
            for taps in itertools.combinations(range(kh * kw), entries)
        ]
    )
    return PatternSet(masks[rng.choice(len(masks), count, replace=False)])


def brute_force_energy(weights, constraint, *, patterns, connectivity):
    """The largest energy that any allowed mask keeps, by trying all of them."""
    channels, groups = weights.shape[2], constraint.groups
    order = constraint.order if constraint.order is not None else np.arange(weights.shape[3])
    blocks = [order[g * constraint.block : (g + 1) * constraint.block] for g in range(groups)]
    best = np.zeros((channels, groups))
    masks = constraint.patterns.masks if patterns else [np.ones(weights.shape[:2], bool)]
    for i, g in itertools.product(range(channels), range(groups)):
        block = weights[:, :, i][:, :, blocks[g]]
        best[i, g] = max(np.square(block[mask]).sum() for mask in masks)
    if not connectivity:
        return best.sum()
    columns = [best] if constraint.balance == "layer" else [best[:, [g]] for g in range(groups)]
    total = 0.0
    for column in columns:
        keep = kept_kernels(column.size, constraint.rate)
        choices = itertools.combinations(column.ravel(), keep)
        total += max(sum(choice) for choice in choices)
    return total


@pytest.mark.parametrize("balance", ["layer", "filter"])
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("size", [(3, 3), (5, 5), (1, 7)])
def test_no_other_mask_keeps_more_energy(rng, balance, block, permuted, size):
    for _ in range(10):
        filters = 6 if block > 1 else 3
        shape = (*size, 4, filters)
        patterns = (
            all_patterns(*size, 3, 5, rng)
            if size[0] * size[1] < 20
            else PatternSet(
                rng.permuted(np.tile(np.arange(25) < 4, (5, 1)), axis=1).reshape(5, 5, 5)
            )
        )
        weights = rng.normal(size=shape).astype(np.float32)
        order = rng.permutation(filters) if permuted else None
        constraint = KernelConstraint(shape, patterns, 2.0, balance, block, order)
        for project, pattern, connectivity in (
            (constraint.project_pattern, True, False),
            (constraint.project_connectivity, False, True),
            (constraint.project, True, True),
        ):
            mask = constraint.expand(project(weights))
            kept = np.square(weights[mask]).sum()
            best = brute_force_energy(
                weights, constraint, patterns=pattern, connectivity=connectivity
            )
            assert kept == pytest.approx(best, rel=1e-5)


def test_projection_is_feasible(rng):
    shape = (3, 3, 16, 12)
    constraint = KernelConstraint(shape, fixed_set("pconv4"), 3.0, "filter", 4)
    mask = constraint.expand(constraint.project(rng.normal(size=shape).astype(np.float32)))
    kernels = mask.reshape(9, 16, 12)
    assert (kernels.any(axis=0).sum(axis=0) == kept_kernels(16, 3.0)).all()
    allowed = {tuple(m.ravel()) for m in constraint.patterns.masks} | {(False,) * 9}
    assert {tuple(column) for column in kernels.reshape(9, -1).T} <= allowed
    assert (kernels.reshape(9, 16, 3, 4) == kernels.reshape(9, 16, 3, 4)[..., :1]).all()


def test_projecting_twice_changes_nothing(rng):
    shape = (3, 3, 8, 8)
    constraint = KernelConstraint(shape, fixed_set("squares4"), 2.5)
    weights = rng.normal(size=shape).astype(np.float32)
    once = np.where(constraint.expand(constraint.project(weights)), weights, 0)
    twice = np.where(constraint.expand(constraint.project(once)), once, 0)
    np.testing.assert_array_equal(once, twice)


def test_ragged_last_block_is_shared_too(rng):
    shape = (3, 3, 5, 10)
    constraint = KernelConstraint(shape, fixed_set("pconv4"), 2.0, "layer", 4)
    mask = constraint.expand(constraint.project(rng.normal(size=shape).astype(np.float32)))
    for start in (0, 4, 8):
        block = mask[..., start : start + 4]
        assert (block == block[..., :1]).all()


@pytest.mark.parametrize("balance", ["layer", "filter"])
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("channels", [8, 10])
def test_quads_keep_the_most_energy(rng, balance, block, channels):
    for _ in range(10):
        shape = (1, 1, channels, 4)
        constraint = KernelConstraint(shape, None, 2.0, balance, block, unit=4)
        weights = rng.normal(size=shape).astype(np.float32)
        mask = constraint.expand(constraint.project(weights))
        starts = range(0, channels, 4)
        for start in starts:
            quad = mask[0, 0, start : start + 4]
            assert (quad == quad[:1]).all()
            if block > 1:
                assert (quad == quad[:, :1]).all()
        # Every choice of as many quads, by brute force.
        energy = np.square(weights[0, 0])
        filters = [range(g * block, (g + 1) * block) for g in range(4 // block)]
        quads = np.array([[energy[s : s + 4][:, f].sum() for f in filters] for s in starts])
        columns = [quads.ravel()] if balance == "layer" else list(quads.T)
        best = sum(
            max(map(sum, itertools.combinations(column, kept_kernels(len(column), 2.0))))
            for column in columns
        )
        assert np.square(weights[mask]).sum() == pytest.approx(best, rel=1e-5)


def test_equal_kernels_still_give_the_exact_count():
    constraint = KernelConstraint((3, 3, 8, 8), None, 4.0)
    mask = constraint.expand(constraint.project(np.ones((3, 3, 8, 8), np.float32)))
    assert mask.any(axis=(0, 1)).sum() == 16


def test_a_rate_that_keeps_nothing_is_refused():
    with pytest.raises(ValueError, match="rate 100 keeps none of 4 kernels"):
        kept_kernels(4, 100)


@pytest.mark.slow
def test_vgg16_projects_in_two_seconds(rng):
    shapes = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256)]
    shapes += [(256, 256)] * 2 + [(256, 512)] + [(512, 512)] * 5
    layers = [rng.standard_normal((3, 3, i, o), dtype=np.float32) for i, o in shapes]
    start = time.process_time()
    for weights in layers:
        constraint = KernelConstraint(weights.shape, fixed_set("pconv4"), 3.6)
        constraint.expand(constraint.project(weights))
    elapsed = time.process_time() - start
    assert elapsed < 2, f"{elapsed:.2f} s of CPU time"
