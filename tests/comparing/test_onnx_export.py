"""The ONNX a peer gets computes what the .tflite file does."""

import subprocess

import numpy as np
import pytest

from pconv_tf.comparing.onnx_export import _same_pads, export_onnx, onnx_graph
from pconv_tf.comparing.peers.catalogue import (
    ONNX,
    PEERS,
    environment_python,
    parse_peers,
    set_up,
)
from pconv_tf.measuring.contender import LITERT, Contender, ContenderProcess
from pconv_tf.measuring.inputs import inputs_of


def _everything():
    """A model with every operator the exporter knows and Keras makes."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    inputs = keras.Input((17, 20, 3), batch_size=1)
    x = layers.ZeroPadding2D(((1, 2), (0, 1)))(inputs)  # folded into the convolution
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    y = layers.ZeroPadding2D(1)(x)  # folded into the pool: what it pads is not negative
    y = layers.MaxPooling2D(3, strides=1)(y)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.ReLU(max_value=6)(y)
    z = layers.Conv2D(8, 3, dilation_rate=2, padding="same", groups=2)(x)
    z = layers.AveragePooling2D(3, strides=1, padding="same")(z)
    x = layers.Concatenate()([layers.Add()([x, y]), layers.Activation("tanh")(z)])
    x = layers.ZeroPadding2D(1)(layers.Activation("sigmoid")(x))
    x = layers.MaxPooling2D(2)(layers.Multiply()([x[..., :8], x[..., 8:]]))
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = layers.Conv2D(4, (1, 3), activation=keras.activations.hard_swish)(x)
    top = layers.Dense(5, activation="softmax")(layers.Flatten()(x))
    pooled = layers.Dense(6)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, [x, top, pooled])


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("onnx") / "everything.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(_everything()).convert())
    return path


def test_an_export_needs_its_environment(everything, tmp_path, monkeypatch):
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="that writes ONNX files is not set up"):
        export_onnx(everything.read_bytes(), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.slow
def test_the_onnx_package_computes_the_same(everything, tmp_path):
    """Its reference evaluator, which is plain numpy: no peer is needed."""
    python = set_up(ONNX)
    written = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in written:
        export_onnx(everything.read_bytes(), path)
    assert written[0].read_bytes() == written[1].read_bytes()
    inputs = inputs_of(everything, seed=5)
    with ContenderProcess(Contender("litert", LITERT, everything), 1) as process:
        _, expected = process.load(inputs)
    np.save(tmp_path / "x.npy", inputs[0].transpose(0, 3, 1, 2))
    code = (
        "import sys, numpy as np\n"
        "from onnx.reference import ReferenceEvaluator\n"
        "run = ReferenceEvaluator(sys.argv[1])\n"
        "outputs = run.run(None, {run.input_names[0]: np.load(sys.argv[2])})\n"
        "np.savez(sys.argv[3], *outputs)\n"
    )
    result = tmp_path / "y.npz"
    subprocess.run([python, "-I", "-c", code, written[0], tmp_path / "x.npy", result], check=True)
    with np.load(result) as outputs:
        found = [outputs[name] for name in outputs.files]
    for out, ref in zip(found, expected, strict=True):
        channels_last = out.transpose(0, 2, 3, 1) if out.ndim == 4 else out
        np.testing.assert_allclose(channels_last, ref, rtol=0, atol=1e-4 * np.abs(ref).max())


@pytest.mark.slow
def test_a_graph_that_onnx_refuses_is_an_error(everything, tmp_path, monkeypatch):
    set_up(ONNX)
    graph = onnx_graph(everything.read_bytes())
    graph.nodes[0] = ("NoSuchOperator", *graph.nodes[0][1:])
    monkeypatch.setattr("pconv_tf.comparing.onnx_export.onnx_graph", lambda model: graph)
    with pytest.raises(ValueError, match=r"refuses the graph: .*NoSuchOperator"):
        export_onnx(b"", tmp_path / "out.onnx")


@pytest.mark.parametrize("name", list(PEERS))
def test_peers_compute_the_same(name, everything, tmp_path):
    peer = PEERS[name]
    python = environment_python(peer)
    if python is None or (peer.reads == "onnx" and environment_python(ONNX) is None):
        pytest.skip(f"run `pconv-tf compare --setup_peers={name}` to include it")
    model = everything
    if peer.reads == "onnx":
        model = tmp_path / "everything.onnx"
        export_onnx(everything.read_bytes(), model)
    if name == "ncnn":
        pytest.skip("ncnn lacks some of these operators; networks are checked when compared")
    inputs = inputs_of(everything, seed=5)
    with ContenderProcess(Contender("litert", LITERT, everything), 1) as process:
        _, expected = process.load(inputs)
    for variant in peer.variants:
        contender = Contender(variant.name, peer.adapter, model, variant.options, str(python))
        with ContenderProcess(contender, 1) as process:
            _, outputs = process.load(inputs)
        for out, ref in zip(outputs, expected, strict=True):
            tolerance = variant.tolerance * np.abs(ref).max()
            np.testing.assert_allclose(out, ref, rtol=0, atol=tolerance, err_msg=variant.name)


def test_same_padding_is_tensorflows():
    assert _same_pads((5, 6), (3, 3), (2, 2), (1, 1)).tolist() == [[1, 0], [1, 1]]
    assert _same_pads((7, 7), (1, 1), (2, 2), (1, 1)).tolist() == [[0, 0], [0, 0]]
    assert _same_pads((8, 8), (3, 3), (1, 1), (2, 2)).tolist() == [[2, 2], [2, 2]]


def test_what_cannot_be_exported_is_named(tmp_path):
    import keras
    import tensorflow as tf

    inputs = keras.Input((4, 4, 2), batch_size=1)
    model = keras.Model(inputs, keras.layers.Activation("elu")(inputs))
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(ValueError, match="operator ELU cannot be exported to ONNX"):
        onnx_graph(data)


def test_peers_by_name():
    assert [peer.name for peer in parse_peers("openvino,onnxruntime,openvino")] == [
        "openvino",
        "onnxruntime",
    ]
    assert len(parse_peers("all")) == len(PEERS)
    with pytest.raises(ValueError, match="unknown peer 'x', expected all or some of onnxruntime"):
        parse_peers("x")
