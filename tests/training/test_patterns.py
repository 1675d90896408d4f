"""Pattern sets and mining."""

import numpy as np
import pytest

from pconv_tf.config import PruningConfig
from pconv_tf.training import patterns
from pconv_tf.training.plan import bind, make_plan


def test_fixed_sets_are_the_papers():
    ts = patterns.fixed_set("pconv4")
    assert ts.entries == 4 and ts.kernel_size == (3, 3) and len(ts) == 4
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    for mask in ts.masks:
        assert mask[1, 1] and (mask & ~plus).sum() == 0
    squares = patterns.fixed_set("squares4")
    for mask in squares.masks:
        rows, columns = np.nonzero(mask)
        assert mask[1, 1] and np.ptp(rows) == np.ptp(columns) == 1
    for name in ("pconv4", "squares4"):
        assert len(set(patterns.fixed_set(name).bits)) == 4


def test_bits_and_drawing():
    mask = np.zeros((1, 3, 3), bool)
    mask[0, 0, 1] = mask[0, 2, 2] = True
    drawn = patterns.PatternSet(mask)
    assert drawn.bits == [(1 << 1) | (1 << 8)]
    assert str(drawn) == ".X.\n...\n..X"


@pytest.mark.parametrize(("centre", "expected"), [(True, 56), (False, 126)])
def test_candidate_counts(centre, expected):
    assert patterns.candidate_count((3, 3), 4, centre) == expected


def test_mining_finds_the_planted_patterns(rng):
    planted = [0b000110110, 0b110110000, 0b000010111]
    energy = np.full((9, 600), 1e-3, np.float32) * rng.random((9, 600), dtype=np.float32)
    for column in range(600):
        bits = planted[0 if column < 300 else 1 if column < 500 else 2]
        energy[[t for t in range(9) if bits >> t & 1], column] += 1
    mined = patterns.mine([energy], (3, 3), 3, 4)
    assert mined.bits == planted
    assert patterns.mine([energy], (3, 3), 2, 4).bits == planted[:2]


def test_mining_without_the_centre(rng):
    energy = rng.random((9, 100), dtype=np.float32) * 1e-3
    border = [0, 1, 2, 3]
    energy[border] += 1
    assert patterns.mine([energy], (3, 3), 1, 4, centre=False).bits == [0b1111]
    forced = patterns.mine([energy], (3, 3), 1, 4, centre=True)
    assert forced.masks[0, 1, 1]


def test_mined_patterns_win_the_vote(rng):
    """Against the definition: each kernel votes for the best of all 56 candidates."""
    from itertools import combinations

    energy = np.square(rng.normal(size=(9, 500))).astype(np.float32)
    border = [t for t in range(9) if t != 4]
    candidates = [(4, *rest) for rest in combinations(border, 3)]
    kept = np.stack([energy[list(c)].sum(axis=0) for c in candidates])
    votes = np.bincount(kept.argmax(axis=0), minlength=56)
    mined = patterns.mine([energy], (3, 3), 8, 4)
    won = [votes[candidates.index((4, *[t for t in border if b >> t & 1]))] for b in mined.bits]
    assert won == sorted(votes, reverse=True)[:8]


@pytest.mark.parametrize(("size", "entries"), [((5, 5), 10), ((7, 7), 16)])
def test_large_kernels_get_sets_that_beat_random_ones(rng, size, entries):
    taps = size[0] * size[1]
    energy = np.square(rng.normal(size=(taps, 400))).astype(np.float32)
    mined = patterns.mine([energy], size, 8, entries)
    assert mined.entries == entries and mined.masks[:, size[0] // 2, size[1] // 2].all()

    def kept(masks):
        return (masks.reshape(len(masks), -1) @ energy).max(axis=0).sum()

    centre = taps // 2
    for _ in range(50):
        others = [rng.choice(taps - 1, entries - 1, replace=False) for _ in range(8)]
        drawn = np.zeros((8, taps), bool)
        drawn[:, centre] = True
        for mask, chosen in zip(drawn, others, strict=True):
            mask[chosen + (chosen >= centre)] = True
        assert kept(mined.masks) > kept(drawn)


@pytest.mark.parametrize(("size", "entries"), [((3, 3), 4), ((5, 5), 10)])
def test_layers_vote_together(rng, size, entries):
    energy = np.square(rng.normal(size=(size[0] * size[1], 400))).astype(np.float32)
    parts = [energy[:, :10], energy[:, 10:10], energy[:, 10:]]
    assert patterns.mine(parts, size, 8, entries) == patterns.mine([energy], size, 8, entries)


@pytest.mark.parametrize(("size", "entries"), [((3, 3), 4), ((5, 5), 10)])
def test_kernels_of_zeros_vote_too(size, entries):
    energy = np.zeros((size[0] * size[1], 3), np.float32)
    assert len(patterns.mine([energy], size, 8, entries)) == 1


def test_too_many_patterns_are_refused(rng):
    energy = rng.random((9, 10), dtype=np.float32)
    with pytest.raises(ValueError, match="natural57 asks for more patterns than the 56 candidates"):
        patterns.mine([energy], (3, 3), 57, 4)


def test_only_surviving_kernels_vote(keras3, rng):
    """Kernels that connectivity pruning removes have no say in the patterns."""
    model = keras3.Sequential([keras3.layers.Input((8, 8, 8)), keras3.layers.Conv2D(8, 3)])
    weights = 1e-3 * rng.random((3, 3, 64), dtype=np.float32)
    weights[[0, 0, 1, 1], [0, 1, 0, 1], :48] = 0.1
    weights[[1, 1, 2, 2], [1, 2, 1, 2], 48:] = 1.0
    kernel = weights.reshape(3, 3, 8, 8)
    model.layers[0].set_weights([kernel, np.zeros(8)])
    config = PruningConfig(pattern_set="natural1", first_layer_rate=4)
    plan = bind(make_plan(model, config), config)
    assert plan.layers[0].constraint.patterns.bits == [0b110110000]
    config = PruningConfig(pattern_set="natural1", first_layer_rate=1)
    plan = bind(make_plan(model, config), config)
    assert plan.layers[0].constraint.patterns.bits == [0b000011011]
