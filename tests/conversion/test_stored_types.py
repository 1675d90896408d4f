"""Files that are quantised or sparse already: what TFLite's converter and tfmot write."""

import numpy as np
import pytest
from pruned_models import prune

import pconv_tf
from pconv_tf.conversion import convert_with_report, model_file
from pconv_tf.conversion.graph import Graph
from pconv_tf.conversion.sparsity import densified


def stock(model, *, half=False, sparse=False, quantized=True):
    """The model by TFLite's own converter with post-training quantisation."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if quantized else []
    if sparse:
        converter.optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    if half:
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def close(actual, expected, tolerance):
    return np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def stored_types(layers):
    return {layer.weights for layer in layers if layer.became == "PConv2D"}


def test_float16(net, image, run, run_pconv):
    source = stock(net, half=True)
    conversion = convert_with_report(source, force=True)
    assert len(conversion.layers) == 7
    assert stored_types(conversion.layers) == {"float16"}
    (expected,) = run(source, image)
    assert close(run(pconv_tf.convert_dense(conversion.flatbuffer), image)[0], expected, 1e-5)
    assert close(run_pconv(conversion.flatbuffer, image)[0], expected, 1e-4)


def test_dynamic_range(net, image, run, run_pconv):
    source = stock(net)
    conversion = convert_with_report(source, force=True)
    assert "int8" in stored_types(conversion.layers)
    restored = pconv_tf.convert_dense(conversion.flatbuffer)
    # Stock TFLite rounds the activations of such layers to int8 as well, PConv2D does not.
    (expected,) = run(restored, image)
    assert close(run_pconv(conversion.flatbuffer, image)[0], expected, 1e-4)
    assert close(np.array(net(image, training=False)), expected, 5e-2)


def test_requested_type_leaves_quantised_weights_alone(net):
    source = stock(net, half=True)
    conversion = convert_with_report(source, force=True, weights="int8")
    assert stored_types(conversion.layers) == {"float16"}


def test_tflite_sparse_storage(keras, rng, run):
    inputs = keras.Input((8, 8, 16))
    model = keras.Model(inputs, keras.layers.Conv2D(16, 1, name="conv")(inputs))
    prune(model, rng, rate=8)
    source = stock(model, sparse=True, quantized=False)
    file = model_file.read(source, "sparse").model
    graph = Graph(file, file.subgraphs[0])
    sparse = [i for i, t in enumerate(graph.subgraph.tensors) if t.sparsity is not None]
    assert sparse, "the converter of this TensorFlow no longer writes sparse tensors"
    kernel = np.array(model.get_layer("conv").kernel).transpose(3, 0, 1, 2)
    assert np.array_equal(densified(graph, sparse[0]), kernel)
    conversion = convert_with_report(source, force=True)
    assert [layer.became for layer in conversion.layers] == ["PConv2D"]
    images = rng.standard_normal((1, 8, 8, 16)).astype(np.float32)
    (expected,) = run(pconv_tf.convert_dense(model), images)
    assert close(run(pconv_tf.convert_dense(conversion.flatbuffer), images)[0], expected, 1e-5)


@pytest.mark.slow
def test_tfmot_magnitude_pruning(rng):
    tf_keras = pytest.importorskip("tf_keras")
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    sparsity = tfmot.sparsity.keras
    inputs = tf_keras.Input((8, 8, 16))
    outputs = tf_keras.layers.Conv2D(32, 1, name="conv")(inputs)
    schedule = sparsity.ConstantSparsity(0.9, 0, frequency=1)
    model = sparsity.prune_low_magnitude(tf_keras.Model(inputs, outputs), pruning_schedule=schedule)
    model.compile("sgd", "mse")
    images = rng.standard_normal((4, 8, 8, 16)).astype(np.float32)
    model.fit(
        images,
        np.zeros((4, 8, 8, 32), np.float32),
        verbose=0,
        callbacks=[sparsity.UpdatePruningStep()],
    )
    stripped = sparsity.strip_pruning(model)
    for source in (stripped, stock(stripped, quantized=False)):  # and a file made elsewhere
        (layer,) = convert_with_report(source, force=True).layers
        assert layer.became == "PConv2D"
        assert layer.kept_weights == pytest.approx(0.1, abs=0.01)


def test_weights_lost_in_float16_are_told(keras, rng):
    layers, image = keras.layers, keras.Input((8, 8, 16))
    model = prune(keras.Model(image, layers.Conv2D(32, 3, name="tiny")(image)), rng, rate=2)
    kernel = np.array(model.get_layer("tiny").kernel)
    kernel.flat[np.flatnonzero(kernel)[:3]] = 1e-9
    model.get_layer("tiny").kernel.assign(kernel)
    (layer,) = convert_with_report(model, weights="float16", force=True).layers
    assert "3 weights round to 0" in layer.reason
    model.get_layer("tiny").kernel.assign(kernel * 1e-9)
    with pytest.raises(ValueError, match=r"layer tiny: weight: .* too small for float16"):
        convert_with_report(model, weights="float16", force=True)
