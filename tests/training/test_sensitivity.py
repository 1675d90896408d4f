"""Sensitivity and the rates proposed from it."""

import dataclasses
import itertools

import numpy as np
import pytest
from trainable_models import small_cnn

from pconv_tf.config import PruningConfig
from pconv_tf.training.plan import make_plan
from pconv_tf.training.projections import kept_kernels
from pconv_tf.training.sensitivity import LayerSensitivity, Sensitivity, measure


def test_measures_layers_one_at_a_time_and_changes_nothing(any_keras):
    model = small_cnn(any_keras)
    before = [np.asarray(w) for w in model.weights]
    zeros = []

    def score(model):
        kernels = [np.asarray(w) for w in model.trainable_weights if len(w.shape) == 4]
        zeros.append([int((k == 0).sum()) for k in kernels])
        return -float(sum(zeros[-1]))

    calls = []
    result = measure(
        model, {"pattern_set": "pconv4", "skip_thin": 0}, score, rates=(1, 2, 4),
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert [layer.name for layer in result.layers] == ["first", "second", "pointwise"]
    assert result.baseline == 0
    for counts in zeros[1:]:
        assert sum(count > 0 for count in counts) <= 1
    for layer in result.layers:
        assert layer.rates == (1, 2, 4)
        assert layer.scores == tuple(float(k - layer.weights) for k in layer.kept)
    assert calls[-1] == (10, 10)
    assert result.other_weights == 9 * 16
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)


def test_quads_are_kept_together(any_keras):
    model = small_cnn(any_keras)
    config = {"pattern_set": "pconv4", "pointwise_unit": "quad"}
    seen = []

    def score(model):
        seen.append(np.asarray(model.get_layer("pointwise").kernel)[0, 0] != 0)
        return 0.0

    result = measure(model, config, score, rates=(1, 2))
    kept = [mask for mask in seen if not mask.all()]
    assert len(kept) == 1
    channels, filters = kept[0].shape
    assert channels % 4 == 0
    quads = kept[0].reshape(channels // 4, 4, filters)
    assert (quads == quads[:, :1]).all()
    pointwise = next(item for item in result.layers if item.name == "pointwise")
    assert pointwise.kept[1] == kept[0].sum() == channels * filters / 2


def layer(name, weights, scores):
    rates = (1.0, 2.0, 4.0)
    return LayerSensitivity(name, weights, rates, tuple(int(weights / r) for r in rates), scores)


def test_suggestion_spares_the_sensitive_layer():
    result = Sensitivity(
        0.9, (layer("robust", 1000, (0.9, 0.9, 0.89)), layer("frail", 1000, (0.9, 0.5, 0.2))), 0
    )
    assert result.suggest(1.6) == {"robust": 4.0, "frail": 1.0}
    assert result.suggest(1.3) == {"robust": 2.0, "frail": 1.0}
    assert result.suggest(4) == {"robust": 4.0, "frail": 4.0}


def test_suggestion_reaches_the_compression(rng):
    layers = tuple(
        layer(str(i), int(rng.integers(500, 5000)), tuple(np.sort(rng.random(3))[::-1].tolist()))
        for i in range(5)
    )
    result = Sensitivity(1.0, layers, 200)
    total = 200 + sum(one.weights for one in layers)
    for wanted in (1, 1.5, 2, 3):
        chosen = result.suggest(wanted)
        kept = 200 + sum(one.kept[one.rates.index(chosen[one.name])] for one in layers)
        assert total / kept >= wanted
    costs = {
        one.name: dict(zip(one.rates, (one.scores[0] - s for s in one.scores), strict=True))
        for one in layers
    }
    # Greedy need not be optimal, but it must beat the average choice of that size.
    wanted = 2
    chosen = result.suggest(wanted)
    others = []
    for rates in itertools.product((1.0, 2.0, 4.0), repeat=5):
        pairs = list(zip(layers, rates, strict=True))
        if total / (200 + sum(one.kept[one.rates.index(rate)] for one, rate in pairs)) >= wanted:
            others.append(sum(costs[one.name][rate] for one, rate in pairs))
    assert sum(costs[name][rate] for name, rate in chosen.items()) < np.mean(others)


def test_out_of_reach_compressions_are_refused():
    result = Sensitivity(0.9, (layer("one", 1000, (0.9, 0.8, 0.7)),), 0)
    with pytest.raises(ValueError, match=r"the rates tried reach 4\.00. Received: 5"):
        result.suggest(5)
    with pytest.raises(ValueError, match="expected at least 1"):
        result.suggest(0.5)


@pytest.mark.parametrize(("balance", "highest"), [("filter", 6), ("layer", 48)])
def test_rates_that_remove_no_further_kernel_are_skipped(keras3, balance, highest):
    layers = keras3.layers
    model = keras3.Sequential([layers.Input((8, 8, 6)), layers.Conv2D(8, 3, name="conv")])
    config = {"pattern_set": "pconv4", "balance": balance, "skip_thin": 0}
    rates = (1, highest, highest + 1, 2 * highest, 2 * highest + 1)
    (layer,) = measure(model, config, lambda model: 0.0, rates=rates).layers
    assert layer.rates == (1, highest)
    assert layer.kept == (48 * 4, 48 // highest * 4)
    (planned,) = make_plan(model, PruningConfig.from_any(config)).layers
    assert [kept_kernels(planned.constraint.ranked, rate) for rate in rates[:-1]][1:] == [1, 1, 1]
    with pytest.raises(ValueError, match="keeps none"):
        kept_kernels(planned.constraint.ranked, rates[-1])


def test_bad_rates_are_refused(any_keras):
    with pytest.raises(ValueError, match="rates: expected numbers of at least 1"):
        measure(small_cnn(any_keras), {}, lambda model: 0.0, rates=(0.5, 2))


def test_plot_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    result = Sensitivity(0.9, tuple(layer(f"l{i}", 10, (0.9, 0.8, 0.7)) for i in range(9)), 0)
    path = tmp_path / "plot.png"
    result.plot(str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_budget_in_multiplications_and_a_cap():
    """Of two equally robust layers the one with more outputs is pruned for multiplications."""
    scores = (0.9, 0.8, 0.7)
    few = dataclasses.replace(layer("few", 2000, scores), positions=4)
    many = dataclasses.replace(layer("many", 1000, scores), positions=100)
    result = Sensitivity(0.9, (few, many), 10, 1000)
    assert result.suggest(1.4, by="weights") == {"few": 2.0, "many": 1.0}
    # 109,000 of 1,000 + 8,000 + 100,000 multiplications.
    assert result.suggest(1.8, by="macs") == {"few": 1.0, "many": 2.0}
    assert result.suggest(2.6, by="macs") == {"few": 1.0, "many": 4.0}
    assert result.suggest(1.8, by="macs", highest=2) == {"few": 1.0, "many": 2.0}
    with pytest.raises(ValueError, match=r"compression: the rates tried up to 2 reach 1.98"):
        result.suggest(2.6, by="macs", highest=2)
    with pytest.raises(ValueError, match=r"by: expected weights or macs. Received: 'flops'"):
        result.suggest(2, by="flops")


def test_counts_the_multiplications(any_keras):
    model = small_cnn(any_keras)
    config = {"pattern_set": "pconv4", "skip_thin": 0}
    result = measure(model, config, lambda model: 0.0, rates=(1, 2))
    assert [one.positions for one in result.layers] == [64, 64, 64]
    assert result.other_macs == 9 * 16 * 64  # The depthwise layer.


def test_multiplications_of_free_sizes_are_not_known(keras3):
    layers = keras3.layers
    model = keras3.Sequential(
        [layers.Input((None, None, 8)), layers.Conv2D(8, 3), layers.Conv2D(8, 3)]
    )
    result = measure(model, {"pattern_set": "pconv4"}, lambda model: 0.0, rates=(1, 2))
    with pytest.raises(ValueError, match='by: "macs" needs a functional or Sequential model'):
        result.suggest(2, by="macs")
