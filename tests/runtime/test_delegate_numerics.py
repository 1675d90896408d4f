"""The delegate's results against the dense twin, in every runtime."""

from __future__ import annotations

import itertools
import os
import zlib

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from tflite_models import ACTIVATIONS, ModelBuilder, pattern_weights

import pconv_tf
from pconv_tf.conversion import convert_with_report

TOLERANCE = 1e-4  # relative to the largest magnitude of the output
SEED = int(os.environ.get("PCONV_TEST_SEED", np.random.SeedSequence().entropy % 2**32))


@pytest.fixture
def rng(request):
    print(f"PCONV_TEST_SEED={SEED}")  # shown by pytest when the test fails
    return np.random.default_rng([SEED, zlib.crc32(request.node.name.encode())])


def run_dense(model: bytes, x: np.ndarray) -> list[np.ndarray]:
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    details = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(details["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def assert_close(found, expected, tolerance=TOLERANCE):
    found = found if isinstance(found, list) else [found]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * max(1e-6, np.abs(b).max())


def check(dense: bytes, shape: tuple[int, ...], rng, *, weights: str = "float32", **kwargs):
    """Runs the converted model at batch 1, 3 and 1 again and compares it to the dense one."""
    converted = pconv_tf.convert(dense, weights=weights, force=True, quiet=True)
    assert b"PConv2D" in converted
    interpreter = pconv_tf.Interpreter(converted, **kwargs)
    for batch in (1, 3, 1):
        x = rng.standard_normal((batch, *shape)).astype(np.float32)
        assert_close(interpreter(x), run_dense(dense, x))


def conv_chain(rng, shape, kernel, stride, padding, dilation):
    """Two pruned convolutions with a ReLU between them, then a pruned 1x1."""
    builder = ModelBuilder()
    x = builder.input(*shape)
    activations = rng.permutation(list(ACTIVATIONS))
    for filters, k, s, activation in zip(
        (9, 16, 5), (kernel, 3, 1), (stride, 1, 1), activations[:3], strict=True
    ):
        weights = pattern_weights(rng, filters, k, x.shape[3])
        bias = rng.standard_normal(filters).astype(np.float32)
        x = builder.conv(
            x,
            weights,
            bias,
            stride=s,
            padding=padding,
            dilation=dilation if k == kernel else 1,
            activation=activation,
        )
    return builder.finish(x)


@pytest.mark.parametrize("runtime", ["litert", "tf"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    itertools.product((1, 3, 5), (1, 2), ("same", "valid"), (1, 2)),
)
def test_convolutions(rng, runtime, threads, kernel, stride, padding, dilation):
    shape = (int(rng.integers(13, 24)), int(rng.integers(13, 24)), int(rng.integers(1, 12)))
    dense = conv_chain(rng, shape, kernel, stride, padding, dilation)
    check(dense, shape, rng, num_threads=threads, runtime=runtime)


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
@pytest.mark.parametrize("block", [1, 4, 8, 16])
def test_weight_types_and_shared_masks(rng, backend, weights, block):
    builder = ModelBuilder()
    shape = (14, 15, 6)
    x = builder.input(*shape)
    for filters, kernel in ((24, 3), (21, 1), (16, 7)):
        w = pattern_weights(rng, filters, kernel, x.shape[3], block=block)
        bias = rng.standard_normal(filters).astype(np.float32)
        x = builder.conv(x, w, bias, activation="relu")
    options = {"backend": backend}
    check(builder.finish(x), shape, rng, weights=weights, options=options)


@pytest.mark.parametrize("runtime", ["litert", "tf"])
@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_layer_without_kernels(rng, runtime, backend, weights, kernel):
    """All kernels pruned: arrays of no elements, and a result that is the bias."""
    builder, shape = ModelBuilder(), (9, 10, 6)
    x = builder.input(*shape)
    x = builder.conv(x, pattern_weights(rng, 8, 3, 6), rng.random(8, np.float32))
    empty = np.zeros((12, kernel, kernel, 8), np.float32)
    y = builder.conv(x, empty, rng.standard_normal(12).astype(np.float32), activation="relu")
    y = builder.conv(y, pattern_weights(rng, 5, 3, 12), rng.random(5, np.float32))
    rows = builder.reshape(y, (int(np.prod(y.shape)),))
    top = builder.dense(rows, np.zeros((4, rows.shape[1]), np.float32), rng.random(4, np.float32))
    dense = builder.finish(y, top)
    layers = convert_with_report(dense, force=True).layers
    assert [layer.became for layer in layers] == ["PConv2D"] * 4
    assert [layer.kept_weights == 0 for layer in layers] == [False, True, False, True]
    check(dense, shape, rng, weights=weights, runtime=runtime, options={"backend": backend})


def every_operation(rng) -> tuple[bytes, tuple[int, ...]]:
    """A network that holds all builtin operations that the delegate takes, and two outputs."""

    def weights(*shape):
        return (rng.standard_normal(shape) * np.prod(shape[1:]) ** -0.5).astype(np.float32)

    def bias(n):
        return rng.standard_normal(n).astype(np.float32)

    builder = ModelBuilder()
    shape = (15, 18, 4)
    x = builder.input(*shape)
    x = builder.conv(x, pattern_weights(rng, 8, 3, 4), bias(8), activation="relu6")
    skip = builder.conv(x, weights(8, 1, 1, 8), bias(8))
    x = builder.pad(x, [(0, 0), (1, 1), (2, 0), (0, 0)])
    x = builder.conv(x, weights(8, 3, 3, 8), bias(8), padding="valid", activation="relu")
    x = builder.depthwise(x, weights(1, 3, 3, 8), bias(8), activation="relu_n1_to_1")
    x = builder.binary("add", x, skip, "relu")
    x = builder.binary("mul", x, builder.constant(bias(8)))
    x = builder.binary("sub", builder.constant(np.float32(1).reshape(1)), x)
    x = builder.concat(
        builder.pool(x, "max", 2, stride=2, padding="same"),
        builder.pool(x, "average", 3, stride=2, padding="same"),
        builder.depthwise(x, weights(1, 5, 5, 16), bias(16), stride=2),
    )
    for kind in ("relu", "relu6", "relu_n1_to_1", "logistic", "tanh", "hard_swish"):
        x = builder.binary("add", x, builder.unary(kind, x))
    options = schema.LeakyReluOptionsT()
    options.alpha = 0.3
    x = builder.unary("leaky_relu", x, options)
    gate = builder.dynamic_reshape(builder.mean(x), (1, 1, 32))
    gate = builder.conv(gate, weights(32, 1, 1, 32), bias(32))
    x = builder.binary("mul", x, builder.unary("logistic", gate))
    side = builder.mean(x, keep_dims=True)
    x = builder.conv(x, pattern_weights(rng, 6, 3, 32), bias(6), stride=2)
    x = builder.reshape(x, (int(np.prod(x.shape)),))
    x = builder.dense(x, weights(10, x.shape[1]), bias(10))
    x = builder.unary("softmax", x, softmax())
    return builder.finish(x, side), shape


def softmax():
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options


@pytest.mark.parametrize("runtime", ["litert", "tf"])
@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("claim", ["pconv", "all"])
def test_operations_around(rng, runtime, backend, claim):
    dense, shape = every_operation(rng)
    check(dense, shape, rng, runtime=runtime, options={"backend": backend, "claim": claim})


def test_claims_the_whole_network(rng, capfd):
    dense, _ = every_operation(rng)
    pconv_tf.Interpreter(pconv_tf.convert(dense, force=True, quiet=True), options={"verbose": True})
    log = capfd.readouterr().err
    refused = [line for line in log.splitlines() if "refused" in line]
    assert not refused
    assert log.count("partition of") == 1


def test_unpruned_network_is_left_alone(rng, capfd):
    builder = ModelBuilder()
    x = builder.input(9, 9, 3)
    w = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    dense = builder.finish(builder.conv(x, w, np.zeros(4, np.float32)))
    interpreter = pconv_tf.Interpreter(dense)
    assert "the model has no PConv2D; all 1 nodes are left to the runtime" in capfd.readouterr().err
    x = rng.standard_normal((1, 9, 9, 3)).astype(np.float32)
    assert_close(interpreter(x), run_dense(dense, x))


def test_nan_and_infinity_pass(rng):
    builder = ModelBuilder()
    x = builder.input(8, 8, 4)
    x = builder.conv(x, pattern_weights(rng, 4, 3, 4, density=1.0), np.zeros(4, np.float32))
    interpreter = pconv_tf.Interpreter(pconv_tf.convert(builder.finish(x), force=True, quiet=True))
    for value in (np.nan, np.inf):
        x = np.zeros((1, 8, 8, 4), np.float32)
        x[0, 4, 4] = value
        y = interpreter(x)
        assert not np.isfinite(y).all()
        assert np.isfinite(y[0, 0, 0]).all()


def test_two_interpreters_share_a_delegate(rng):
    delegate = pconv_tf.load_delegate()
    models = [conv_chain(rng, (11, 13, 3), 3, 1, "same", 1) for _ in range(2)]
    interpreters = [
        litert.Interpreter(
            model_content=pconv_tf.convert(m, force=True, quiet=True),
            experimental_delegates=[delegate],
        )
        for m in models
    ]
    for dense, interpreter in zip(models, interpreters, strict=True):
        interpreter.allocate_tensors()
        x = rng.standard_normal((1, 11, 13, 3)).astype(np.float32)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        assert_close(found, run_dense(dense, x))
