"""One-shot pruning and the sparsity report, on Keras 3 and on tf_keras."""

import io
import re

import numpy as np
import pytest
from trainable_models import small_cnn

import pconv_tf

CONFIG = {"pattern_set": "pconv4", "connectivity_rate": 4.0}


def test_prunes_in_place_and_changes_only_what_it_drops(any_keras):
    model = small_cnn(any_keras)
    before = {w.name + str(i): np.asarray(w) for i, w in enumerate(model.weights)}
    assert pconv_tf.prune_one_shot(model, CONFIG) is model
    for i, weight in enumerate(model.weights):
        after = np.asarray(weight)
        kept = after != 0
        np.testing.assert_array_equal(after[kept], before[weight.name + str(i)][kept])
    assert np.mean(np.asarray(model.get_layer("second").kernel) != 0) == pytest.approx(4 / 9 / 4)


def test_report_counts_what_is_there(any_keras):
    model = pconv_tf.prune_one_shot(small_cnn(any_keras), CONFIG)
    report = pconv_tf.sparsity_report(model, CONFIG)
    by_name = {layer.name: layer for layer in report.layers}
    second = by_name["second"]
    assert second.kernels == 8 * 16 and second.kernels_kept == 32 and second.nonzero == 128
    assert second.macs == 64 * 9 * 128 and second.macs_kept == 64 * 128
    assert sum(second.patterns.values()) == 32
    assert all(bits.bit_count() == 4 for bits in second.patterns)
    assert "dense_rate" in by_name["classes"].note
    assert second.note == ""


def test_summary_shows_every_figure_of_a_layer(any_keras):
    model = pconv_tf.prune_one_shot(small_cnn(any_keras), CONFIG)
    model.get_layer("classes").trainable = False
    printed = io.StringIO()
    pconv_tf.summary(model, file=printed)
    lines = printed.getvalue().splitlines()
    rows = {cells[0]: cells for cells in (re.split(r"  +", line) for line in lines)}
    assert lines[0].split() == ["layer", "shape", "kept", "kernels", "pat.", "MMAC", "kB", "note"]
    # 9 + 16 + 32 + 16 * 5 bytes of indices (docs/fkw.md) beside 128 weights.
    fkw = 17 + 16 + 32 + 16 * 5 + 4 * 128
    assert fkw == 657
    cells = ["second", "8->16 3x3", "11.1%", "25.0%", "4", "0.0737->0.00819", "4.6->0.7"]
    assert rows["second"] == cells
    assert rows["classes"][-1] == "is frozen (trainable=False)"
    assert "compressed" in lines[-1]


def test_pointwise_layers_in_quads(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [
            layers.Input((8, 8, 8)),
            layers.Conv2D(16, 3, name="first"),
            layers.Conv2D(32, 1, name="pointwise"),
            layers.Conv2D(30, 1, name="shared"),
            layers.Conv2D(16, 3, name="spatial"),
        ]
    )
    config = {
        "connectivity_rate": 2.0,
        "pointwise_rate": 4.0,
        "pointwise_unit": "quad",
        "per_layer": {"shared": {"filter_block": 4}},
    }
    pconv_tf.prune_one_shot(model, config)
    report = {layer.name: layer for layer in pconv_tf.sparsity_report(model, config).layers}
    pointwise = np.asarray(model.get_layer("pointwise").kernel)[0, 0]
    quads = (pointwise != 0).reshape(4, 4, 32)
    assert (quads == quads[:, :1]).all()
    assert quads.sum() == 16 * 32 / 4
    assert (report["pointwise"].channel_unit, report["pointwise"].filter_block) == (4, 1)
    assert report["pointwise"].nonzero == 128
    assert (report["shared"].channel_unit, report["shared"].filter_block) == (4, 4)
    assert report["spatial"].channel_unit == report["first"].channel_unit == 1
    printed = io.StringIO()
    pconv_tf.summary(model, file=printed)
    rows = {line.split()[0]: line for line in printed.getvalue().splitlines()}
    assert rows["pointwise"].endswith("in quads")
    assert not rows["spatial"].endswith("in quads")


def test_zeros_that_are_no_quads_are_not_called_so(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential([layers.Input((4, 4, 16)), layers.Conv2D(32, 1, name="pointwise")])
    pconv_tf.prune_one_shot(model, {"first_layer_rate": 4.0})
    (layer,) = pconv_tf.sparsity_report(model).layers
    assert layer.channel_unit == 1


def test_kernels_of_more_taps_than_an_integer_has_bits(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential([layers.Input((16, 16, 2)), layers.Conv2D(4, 9, name="large")])
    weights = np.zeros((9, 9, 2, 4), np.float32)
    weights[8, 8] = weights[0, 0] = 1
    model.layers[0].set_weights([weights, np.zeros(4)])
    (large,) = pconv_tf.sparsity_report(model).layers
    assert large.patterns == {1 | 1 << 80: 8}
    assert large.bytes_fkw is None and "large" in str(pconv_tf.sparsity_report(model))


def test_filter_block_shares_masks(any_keras):
    model = pconv_tf.prune_one_shot(small_cnn(any_keras), CONFIG | {"filter_block": 4})
    mask = np.asarray(model.get_layer("second").kernel) != 0
    blocks = mask.reshape(3, 3, 8, 4, 4)
    assert (blocks == blocks[..., :1]).all()


def test_dense_layers_are_pruned_in_blocks_of_outputs(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential([layers.Input((64,)), layers.Dense(32, name="fc")])
    pconv_tf.prune_one_shot(model, {"dense_rate": 10, "dense_block": 4})
    mask = np.asarray(model.get_layer("fc").kernel) != 0
    assert mask.mean() == pytest.approx(0.1, abs=0.01)
    blocks = mask.reshape(64, 8, 4)
    assert (blocks == blocks[..., :1]).all()


def test_nothing_changes_when_the_configuration_does_not_fit(any_keras):
    model = small_cnn(any_keras)
    before = [np.asarray(w) for w in model.weights]
    with pytest.raises(ValueError, match="second"):
        pconv_tf.prune_one_shot(model, CONFIG | {"per_layer": {"second": {"rate": 1000}}})
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)
