"""What stays dense for the sake of the whole model, decided on tables alone: nothing is run."""

import dataclasses

import pytest

from pconv_tf.conversion.model_choice import TINY_SECONDS, choose_layers
from pconv_tf.conversion.model_estimate import model_seconds
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.conversion.stretches import Division, Stretch
from pconv_tf.conversion.targets import NetworkCosts

RATES = {"spatial": 0.02, "pointwise": 0.02, "depthwise": 0.02, "fully_connected": 0.02}
VALUES = {"exp": 0.5, "tanh": 0.5, "unary": 0.5, "plain": 0.5}
COSTS = NetworkCosts(
    name="test",
    title="a test, 1 thread",
    source="made up",
    xnnpack={"operator": 500, "layer": 0, "weight": 0, **RATES, **VALUES},
    delegate={
        **{"operator": 2500, "layer": 0, "weight": 0, **RATES, **VALUES},
        **{"exp": 5.0, "border": 1000, "border_value": 0.1},
    },
    pruned=RATES,
)


def conv(macs, *, gain=4.0, became=PCONV, kernel=3, name="layer", **fields):
    """A row of the table: a convolution of so many multiply-accumulates and one output."""
    return LayerReport(
        name,
        "CONV_2D",
        became,
        "expected",
        kernel_size=(kernel, kernel),
        expected_gain=gain if became == PCONV else None,
        macs=macs,
        outputs=1,
        **fields,
    )


def stretch(layers, operators, borders=2, border_values=1000):
    return Stretch(tuple(layers), operators, borders, border_values)


def whole(layers, operators):
    """All layers in one stretch."""
    return [Division((stretch(range(len(layers)), operators),), (), 0)]


def test_a_large_network_keeps_all_its_layers():
    layers = [conv(100_000_000) for _ in range(10)]
    choice = choose_layers(layers, whole(layers, 30), COSTS)
    assert choice.left == {}
    assert choice.refused_gain is None
    assert 3.9 < choice.gain < 4.0


def test_a_small_one_of_many_operators_stays_dense():
    layers = [conv(200_000) for _ in range(20)]
    choice = choose_layers(layers, whole(layers, 60), COSTS)
    assert set(choice.left) == set(range(20))
    assert choice.left[0] == f"expected {choice.refused_gain:.2f}x with the 60 operators around it"
    assert choice.gain is None
    assert choice.refused_gain < 1


def test_force_converts_it_and_says_what_is_expected():
    layers = [conv(200_000) for _ in range(20)]
    refused = choose_layers(layers, whole(layers, 60), COSTS)
    forced = choose_layers(layers, whole(layers, 60), COSTS, force=True)
    assert forced.left == {}
    assert forced.gain == refused.refused_gain


def test_a_tiny_one_is_left_alone():
    layers = [conv(100_000) for _ in range(3)]
    divisions = whole(layers, 10)
    assert model_seconds(layers, divisions, (), COSTS) < TINY_SECONDS
    choice = choose_layers(layers, divisions, COSTS)
    assert choice.left == {}
    assert choice.gain < 1


def test_stretches_are_judged_for_themselves():
    """A backbone gains; a head of small maps behind an operator that nobody takes does not."""
    layers = [*(conv(50_000_000) for _ in range(3)), *(conv(100_000) for _ in range(3))]
    backbone, head = stretch([0, 1, 2], 9), stretch([3, 4, 5], 40)
    choice = choose_layers(layers, [Division((backbone, head), (), 2)], COSTS)
    assert set(choice.left) == {3, 4, 5}
    assert choice.gain > choice.refused_gain > 1


def test_the_decision_is_never_worse_than_all_or_none():
    layers = [*(conv(5_000_000 * n, gain=1.2 + n % 3) for n in range(1, 6)), conv(100_000)]
    for operators in range(6, 200, 20):
        parts = (stretch([0, 1, 2], operators), stretch([3, 4], 5), stretch([5], operators))
        divisions = [Division(parts, (), 3)]
        left = choose_layers(layers, divisions, COSTS).left
        kept = set(range(6)) - set(left)
        seconds = model_seconds(layers, divisions, kept, COSTS)
        assert seconds <= model_seconds(layers, divisions, set(range(6)), COSTS)
        assert seconds <= model_seconds(layers, divisions, (), COSTS)


def test_a_layer_that_the_delegate_runs_faster_dense_stays_dense():
    costs = dataclasses.replace(COSTS, pruned={**RATES, "pointwise": 0.04})
    layers = [conv(100_000_000), conv(50_000_000, gain=1.5, kernel=1)]
    choice = choose_layers(layers, whole(layers, 10), costs)
    assert list(choice.left) == [1]
    assert choice.gain > choice.refused_gain


def test_sigmoids_count():
    """As between the layers of EfficientNet, whose values the delegate makes one by one."""
    layers = [conv(20_000_000) for _ in range(4)]
    few, many = (
        choose_layers(
            layers,
            [Division((Stretch((0, 1, 2, 3), 12, 2, 1000, values, values),), (), 0)],
            COSTS,
        )
        for values in ({"plain": 1_000_000}, {"exp": 1_000_000})
    )
    assert few.left == {}
    assert set(many.left) == {0, 1, 2, 3}


def test_wide_borders_count():
    layers = [conv(5_000_000, gain=2.0)]
    few, many = (
        choose_layers(layers, [Division((stretch([0], 1, 2, values),), (), 0)], COSTS)
        for values in (1000, 1_000_000)
    )
    assert few.left == {}
    assert set(many.left) == {0}


@pytest.mark.parametrize(
    "unknown", [{"macs": None}, {"activations": "int8"}], ids=["free size", "int8"]
)
def test_nothing_is_decided_of_what_is_not_known(unknown):
    layers = [conv(200_000) for _ in range(20)]
    layers[7] = dataclasses.replace(layers[7], **unknown)
    choice = choose_layers(layers, whole(layers, 60), COSTS)
    assert (choice.left, choice.gain) == ({}, None)


def test_a_model_without_pruned_layers():
    layers = [conv(200_000, became="CONV_2D")]
    choice = choose_layers(layers, [Division((), (0,), 4)], COSTS)
    assert (choice.left, choice.gain, choice.refused_gain) == ({}, None, None)
