"""The ADMM iteration on problems with known solutions, and the penalty's gradient."""

import itertools

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.training.admm import LayerAdmm
from pconv_tf.training.patterns import PatternSet, fixed_set
from pconv_tf.training.projections import KernelConstraint


def solve(hessian, linear, constraint, rho, iterations):
    """ADMM on 1/2 w'Hw - b'w with an exact W-step."""
    shape = constraint.shape
    weights = np.linalg.solve(hessian, linear).reshape(shape).astype(np.float32)
    admm = LayerAdmm.start(constraint, weights)
    for _ in range(iterations):
        pull = rho * admm.terms
        left = hessian + pull * np.eye(len(linear))
        right = linear + pull * admm.target().ravel()
        weights = np.linalg.solve(left, right).reshape(shape).astype(np.float32)
        residuals = admm.update(weights)
    return weights, residuals


def random_quadratic(rng, n):
    factor = rng.normal(size=(n, n))
    return factor @ factor.T / n + 0.1 * np.eye(n), rng.normal(size=n)


def test_converges_to_the_constrained_minimum_of_a_convex_problem(rng):
    """With one pattern the constraint is a linear subspace, and the minimum solves a system."""
    constraint = KernelConstraint((3, 3, 2, 2), PatternSet(fixed_set("pconv4").masks[:1]), 1.0)
    hessian, linear = random_quadratic(rng, 36)
    kept = np.flatnonzero(constraint.expand(constraint.project_pattern(np.ones((3, 3, 2, 2)))))
    expected = np.zeros(36)
    expected[kept] = np.linalg.solve(hessian[np.ix_(kept, kept)], linear[kept])
    weights, residuals = solve(hessian, linear, constraint, rho=0.5, iterations=400)
    np.testing.assert_allclose(weights.ravel(), expected, atol=2e-4)
    assert residuals.primal < 1e-6 and residuals.dual < 1e-6


def test_both_constraints_together_reach_the_best_of_all_supports(rng):
    """A separable loss with both sets: the solution is the best support, found by enumeration."""
    patterns = fixed_set("pconv4")
    constraint = KernelConstraint((3, 3, 2, 2), patterns, 2.0)
    aim = rng.normal(size=(3, 3, 2, 2))
    weights, residuals = solve(np.eye(36), aim.ravel(), constraint, rho=2.0, iterations=300)
    best = max(
        sum(
            max(np.square(aim[:, :, k // 2, k % 2][mask]).sum() for mask in patterns.masks)
            for k in kernels
        )
        for kernels in itertools.combinations(range(4), 2)
    )
    assert residuals.primal < 1e-6
    mask = constraint.expand(constraint.project(weights))
    assert np.square(aim[mask]).sum() == pytest.approx(best, rel=1e-5)
    np.testing.assert_allclose(weights[mask], aim[mask], atol=1e-3)
    np.testing.assert_allclose(weights[~mask], 0, atol=1e-3)


def test_one_array_holds_auxiliary_and_dual(rng):
    """Against the textbook iteration with separate Z, U, Y and V."""
    constraint = KernelConstraint((3, 3, 4, 4), fixed_set("squares4"), 2.0)

    def project(on, point):
        support = getattr(constraint, f"project_{on}")(point)
        return np.where(constraint.expand(support), point, 0)

    weights = rng.normal(size=constraint.shape).astype(np.float32)
    admm = LayerAdmm.start(constraint, weights)
    z, y = project("pattern", weights), project("connectivity", weights)
    u, v = np.zeros_like(weights), np.zeros_like(weights)
    for _ in range(6):
        np.testing.assert_allclose(admm.target(), ((z - u) + (y - v)) / 2, rtol=1e-5, atol=1e-6)
        weights = weights + rng.normal(scale=0.3, size=weights.shape).astype(np.float32)
        old_z, old_y = z, y
        z, y = project("pattern", weights + u), project("connectivity", weights + v)
        u, v = u + weights - z, v + weights - y
        residuals = admm.update(weights)
        primal = np.square(weights - z).sum() + np.square(weights - y).sum()
        dual = np.square(z - old_z).sum() + np.square(y - old_y).sum()
        assert residuals.primal == pytest.approx(primal, rel=1e-4)
        assert residuals.dual == pytest.approx(dual, rel=1e-4)


def test_state_is_small():
    """Per weight: two points and one target, plus supports per kernel."""
    constraint = KernelConstraint((3, 3, 64, 64), fixed_set("pconv4"), 3.6)
    weights = np.ones(constraint.shape, np.float32)
    admm = LayerAdmm.start(constraint, weights)
    held = sum(
        array.nbytes
        for splitting in admm.splittings.values()
        for array in (splitting.point, splitting.support.pattern, splitting.support.kept)
        if array is not None
    )
    target, mask = weights.nbytes, weights.nbytes // 4
    assert held + target + mask < 4 * weights.nbytes


def test_penalty_gradient_matches_differences(keras3, rng):
    """Of rho/2 ||W - Z + U||^2 + rho/2 ||W - Y + V||^2, by central differences in float64."""
    import tensorflow as tf

    model = compiled(keras3, small_cnn(keras3))
    callback = pconv_tf.PConvCallback({"rho": [0.3], "epochs_per_stage": 3})
    callback.set_model(model)
    callback.on_train_begin()
    model.fit(*small_data(rng), epochs=1, verbose=0)  # Moves W away from Z and Y.
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0)
    (layer,) = [layer for layer in callback.plan.layers if layer.name == "second"]
    admm = callback._pruner._admm["second"]
    variable = layer.kernel.variable
    with tf.GradientTape() as tape:
        penalty = callback.penalty()
    gradient = tape.gradient(penalty, variable.value).numpy()
    weights = layer.kernel.read().astype(np.float64)
    pulls = [splitting.target().astype(np.float64) for splitting in admm.splittings.values()]
    assert len(pulls) == 2

    def value(point):
        return sum(0.15 * np.square(point - pull).sum() for pull in pulls)

    step = 1e-4
    for index in rng.permutation(weights.size)[:20]:
        shift = np.zeros(weights.size)
        shift[index] = step
        shift = shift.reshape(weights.shape)
        slope = (value(weights + shift) - value(weights - shift)) / (2 * step)
        assert gradient.ravel()[index] == pytest.approx(slope, rel=1e-3, abs=1e-6)
    # The same term is in the loss that `fit` sees.
    assert float(sum(model.losses)) == pytest.approx(float(penalty), rel=1e-6)
    callback._pruner.detach()
    assert not model.losses


def test_counts_the_entries_that_an_update_keeps_anew():
    constraint = KernelConstraint((1, 1, 4, 1), None, 2.0)
    first = np.float32([4, 3, 2, 1]).reshape(1, 1, 4, 1)
    admm = LayerAdmm.start(constraint, first)
    still = admm.update(first)
    assert (still.changed, still.kept) == (0, 2)
    moved = admm.update(np.float32([4, 0, 9, 0]).reshape(1, 1, 4, 1))
    assert (moved.changed, moved.kept) == (1, 2)
