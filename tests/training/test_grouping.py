"""Blocks of similar filters: cheaper than blocks of neighbours, and found again by the encoder."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf import fkw
from pconv_tf.training.grouping import similar_filters
from pconv_tf.training.patterns import fixed_set
from pconv_tf.training.projections import KernelConstraint


def planted(rng, filters=24, kinds=3):
    """Filters of a few kinds, shuffled; filters of a kind use the same taps."""
    shape = (3, 3, 16, filters)
    kind = rng.permutation(np.arange(filters) % kinds)
    strength = rng.random((kinds, 3, 3, 16)) ** 4
    return (strength[kind].transpose(1, 2, 3, 0) * rng.normal(size=shape)).astype(np.float32), kind


def kept(weights, block, order):
    constraint = KernelConstraint(weights.shape, fixed_set("pconv4"), 3.0, "layer", block, order)
    return np.square(weights[constraint.expand(constraint.project(weights))]).sum()


def test_finds_the_kinds(rng):
    weights, kind = planted(rng)
    order = similar_filters(weights, 4)
    assert sorted(order.tolist()) == list(range(24))
    assert all(len(set(kind[order[b : b + 4]])) == 1 for b in range(0, 24, 4))
    assert kept(weights, 4, order) > 1.05 * kept(weights, 4, None)


def test_stays_inside_channel_groups(rng):
    order = similar_filters(rng.normal(size=(3, 3, 4, 16)).astype(np.float32), 4, groups=2)
    assert set(order[:8].tolist()) == set(range(8))


@pytest.mark.parametrize("filters", [24, 22])
@pytest.mark.parametrize("block", [4, 8])
def test_encoder_finds_the_blocks(keras3, rng, filters, block):
    layers = keras3.layers
    model = keras3.Sequential([layers.Input((8, 8, 16)), layers.Conv2D(filters, 3, name="conv")])
    weights, _ = planted(rng, filters)
    model.layers[0].set_weights([weights, np.zeros(filters)])
    config = {"first_layer_rate": 2, "filter_block": block, "filter_grouping": "similar"}
    pconv_tf.prune_one_shot(model, config)
    pruned = np.asarray(model.layers[0].kernel).transpose(3, 0, 1, 2)
    layer = fkw.encode(pruned)
    assert layer.filter_block == block
    np.testing.assert_array_equal(fkw.decode(layer), pruned)


def test_encoder_leaves_other_layers_as_they_were(rng):
    pruned = rng.normal(size=(16, 3, 3, 8)).astype(np.float32)
    pruned[rng.random(pruned.shape) < 0.5] = 0
    assert fkw.encode(pruned).filter_block == 1


@pytest.mark.parametrize(
    ("block", "grouping"), [(1, "consecutive"), (4, "consecutive"), (8, "similar")]
)
def test_reported_bytes_are_those_of_the_encoder(keras3, block, grouping):
    layers = keras3.layers
    model = keras3.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="first"),
            layers.Conv2D(300, 3, name="wide"),
            layers.Conv2D(16, 1, name="pointwise"),
        ]
    )
    config = {"connectivity_rate": 3, "filter_block": block, "filter_grouping": grouping}
    pconv_tf.prune_one_shot(model, config)
    for layer in pconv_tf.sparsity_report(model).layers:
        kernel = np.asarray(model.get_layer(layer.name).kernel).transpose(3, 0, 1, 2)
        encoded = fkw.encode(kernel)
        assert layer.filter_block == encoded.filter_block
        stored = sum(array.nbytes for array in encoded.arrays().values())
        assert layer.bytes_fkw == stored, layer.name
