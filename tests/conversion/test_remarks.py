"""What `convert` says when a conversion is not what a user of pruning expects."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report

CONFIG = {
    "connectivity_rate": 2.0,
    "rho": [1e-3],
    "epochs_per_stage": 1,
    "retrain_epochs": 1,
}


def small(keras, channels=16):
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 16)), layers.Conv2D(channels, 3, name="a")])
    model.add(layers.Conv2D(channels, 3, name="b"))
    model.compile("sgd", "mse")
    return model


def train(model, **kwargs):
    data = np.random.default_rng(0).random((16, 8, 8, 16))
    model.fit(data, data[:, 2:6, 2:6, :1], verbose=0, **kwargs)


def test_a_model_that_is_not_pruned(keras, capsys):
    model = small(keras)
    (remark,) = convert_with_report(model).remarks
    assert remark.startswith("The model is not pruned: no layer has zeros")
    pconv_tf.convert(model)
    assert remark in capsys.readouterr().out


@pytest.mark.parametrize("way", ["one shot", "callback"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_model_that_was_pruned(way, family):
    keras = pytest.importorskip(family)
    model = small(keras)
    if way == "one shot":
        pconv_tf.prune_one_shot(model, CONFIG)
    else:
        train(model, epochs=2, callbacks=[pconv_tf.PConvCallback(CONFIG)])
    assert convert_with_report(model, force=True).remarks == []
    train(model, epochs=1)
    (remark,) = convert_with_report(model).remarks
    assert remark.startswith("The model was pruned, but layers a, b are dense now")


def test_zeros_without_a_pconv2d(keras):
    model = pconv_tf.prune_one_shot(small(keras), CONFIG)
    (remark,) = convert_with_report(model, skip=["."]).remarks
    assert remark.startswith("No layer became a PConv2D")


def test_a_pruned_model_needs_no_remark(keras):
    assert convert_with_report(pconv_tf.prune_one_shot(small(keras, 64), CONFIG)).remarks == []
