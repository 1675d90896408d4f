"""Convolutions of signals: pruned as 1xk kernels, converted, run. Transposed ones stay dense."""

import io

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection

CONFIG = {
    "pattern_set": "natural2",
    "kernel_entries": {"1x3": 2, "1x5": 3},
    "connectivity_rate": 2.0,
    "first_layer_rate": 2.0,
    "depthwise_patterns": True,
}


@pytest.fixture(params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def family(request):
    """Keras 3 and tf_keras."""
    module = pytest.importorskip(request.param)
    module.utils.set_random_seed(7)
    return module


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        ("Conv1D", {"filters": 32, "kernel_size": 3, "padding": "same"}),
        ("Conv1D", {"filters": 32, "kernel_size": 3, "padding": "causal"}),
        ("Conv1D", {"filters": 32, "kernel_size": 5, "strides": 2}),
        ("Conv1D", {"filters": 32, "kernel_size": 3, "padding": "causal", "dilation_rate": 4}),
        ("Conv1D", {"filters": 32, "kernel_size": 3, "groups": 2}),
        ("Conv1D", {"filters": 32, "kernel_size": 1}),
        ("SeparableConv1D", {"filters": 32, "kernel_size": 3, "padding": "same"}),
        ("DepthwiseConv1D", {"kernel_size": 3, "padding": "same"}),
    ],
)
def test_pruned_converted_and_run(family, run, run_pconv, rng, layer, arguments):
    signal = family.Input((40, 16), batch_size=1)
    x = getattr(family.layers, layer)(name="one", activation="relu", **arguments)(signal)
    x = family.layers.Conv1D(16, 3, name="two")(x)
    model = pconv_tf.prune_one_shot(family.Model(signal, x), CONFIG)
    report = pconv_tf.sparsity_report(model)
    assert report.unsupported == ()
    assert all(0 < kernel.nonzero < kernel.weights for kernel in report.layers)
    assert report.layers[-1].macs == model.output.shape[1] * report.layers[-1].weights
    assert set(report.layers[-1].patterns) <= {0b011, 0b110}
    data = rng.standard_normal((1, 40, 16)).astype(np.float32)
    (expected,) = run(pconv_tf.convert_dense(model), data)
    flatbuffer = pconv_tf.convert(model, force=True, quiet=True)
    assert {layer.kernel_size[0] for layer in inspection.inspect(flatbuffer).layers} == {1}
    assert len(inspection.inspect(flatbuffer).layers) == len(report.layers)
    (actual,) = run_pconv(flatbuffer, data)
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(expected - np.asarray(model(data))).max() <= 1e-4 * np.abs(expected).max()


def test_trained_with_the_callback(family):
    signal = family.Input((20, 16))
    model = family.Model(signal, family.layers.Conv1D(16, 3, name="one")(signal))
    model.compile("sgd", "mse")
    config = {**CONFIG, "rho": [1e-3], "epochs_per_stage": 1, "retrain_epochs": 1}
    data = np.random.default_rng(0).random((16, 20, 16))
    callback = pconv_tf.PConvCallback(config)
    model.fit(data, data[:, :18], epochs=3, verbose=0, callbacks=[callback])
    kernel = np.array(model.get_layer("one").kernel)
    assert np.mean(kernel == 0) == pytest.approx(2 / 3, abs=0.01)


def test_transposed_convolutions_stay_dense_with_reason_and_cost(family):
    image = family.Input((8, 8, 16))
    x = family.layers.Conv2D(32, 3, padding="same", name="down")(image)
    x = family.layers.Conv2DTranspose(16, 2, strides=2, name="up")(x)
    model = pconv_tf.prune_one_shot(family.Model(image, x), {"connectivity_rate": 2.0})
    table = io.StringIO()
    pconv_tf.summary(model, file=table)
    reason = "up: stays dense: PConv2D has no transposed convolution (2,048 weights, 0.1 MMAC)"
    assert reason in table.getvalue()
    rows = {layer.name: layer for layer in convert_with_report(model, force=True).layers}
    (up,) = (row for row in rows.values() if row.became == "TRANSPOSE_CONV")
    assert up.reason == "PConv2D has no transposed convolution"
    assert up.dense_bytes == 4 * 2048
