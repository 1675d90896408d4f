"""convert() and convert_dense() on networks with every kind of convolution."""

import itertools

import numpy as np
import pytest
from pruned_models import prune
from reference_conv import pconv_2d

import pconv_tf
from pconv_tf.conversion import convert_with_report, model_file
from pconv_tf.conversion.graph import Graph, ids
from pconv_tf.conversion.rewrite import is_pconv, read_pconv
from pconv_tf.fkw import Activation, ConvOptions, Padding, decode


def pconv_ops(flatbuffer):
    """All PConv2D of a file, by layer name."""
    model = model_file.read(bytes(flatbuffer), "test").model
    graph = Graph(model, model.subgraphs[0])
    found = [read_pconv(graph, op) for op in graph.operators if is_pconv(graph, op)]
    names = [graph.name(op.operator.inputs[1]).removesuffix("/fkw_offset") for op in found]
    return dict(zip(names, found, strict=True))


def close(actual, expected, tolerance=1e-4):
    return np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def test_layers_keep_their_keras_names(net):
    assert list(pconv_ops(pconv_tf.convert(net, force=True, quiet=True))) == [
        *("first", "strided", "dilated", "depthwise", "pointwise", "large", "top")
    ]


def test_geometry_is_folded_in(net):
    ops = pconv_ops(pconv_tf.convert(net, force=True, quiet=True))
    options = {name: op.options for name, op in ops.items()}
    assert options["first"].activation == Activation.RELU
    assert (options["first"].padding, options["first"].pads) == (Padding.SAME, None)
    assert options["strided"].pads == (1, 1, 1, 1)
    assert options["strided"].strides == (2, 2)
    assert options["strided"].activation == Activation.RELU6
    assert options["dilated"].dilations == (2, 2)
    assert options["dilated"].padding == Padding.SAME
    assert options["dilated"].activation == Activation.RELU
    assert options["large"].kernel_size == (5, 5)
    assert options["large"].padding == Padding.VALID


def test_only_the_needed_operators_are_left(net):
    model = model_file.read(pconv_tf.convert(net, force=True, quiet=True), "test").model
    graph = Graph(model, model.subgraphs[0])
    kinds = [graph.custom_code(op) or graph.builtin(op) for op in graph.operators]
    reshape = 22
    assert [kind for kind in kinds if kind == "PConv2D"] == ["PConv2D"] * 7
    assert reshape in kinds
    assert len(kinds) <= 7 + 4, "a reshape to rows, and what computes its shape"


@pytest.mark.parametrize("batch", [1, 3])
def test_delegate_computes_what_the_twin_does(net, rng, run, run_pconv, batch):
    images = rng.standard_normal((batch, 12, 12, 3)).astype(np.float32)
    converted, twin = pconv_tf.convert(net, force=True, quiet=True), pconv_tf.convert_dense(net)
    (expected,) = run(twin, images)
    assert close(expected, np.array(net(images, training=False)))
    (actual,) = run_pconv(converted, images)
    assert close(actual, expected)


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_restored_file_computes_the_same(net, image, run, weights):
    converted = pconv_tf.convert(net, force=True, quiet=True, weights=weights)
    (actual,) = run(pconv_tf.convert_dense(converted), image)
    (expected,) = run(pconv_tf.convert_dense(net), image)
    assert close(actual, expected, {"float32": 1e-5, "float16": 2e-3, "int8": 3e-2}[weights])


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_delegate_reads_every_weight_type(net, image, run, run_pconv, weights):
    converted = pconv_tf.convert(net, force=True, quiet=True, weights=weights)
    (expected,) = run(pconv_tf.convert_dense(converted), image)
    (actual,) = run_pconv(converted, image)
    assert close(actual, expected)


KERNELS = (1, 3, (5, 2), 7)
STEPS = ((1, 1), (2, 1), (1, 2), ((1, 2), 1))  # strides and dilation
PADDINGS = ("same", "valid")


@pytest.fixture(scope="module")
def single_layers(run):
    """Images; by geometry the operation that a layer became, and what its twin computes.

    All layers are one model, which TensorFlow converts almost as fast as a model of one.
    """
    import keras

    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    inputs = keras.Input((15, 14, 5))
    names = {key: f"layer{i}" for i, key in enumerate(itertools.product(KERNELS, STEPS, PADDINGS))}
    outputs = [
        keras.layers.Conv2D(
            9, kernel, strides, padding, dilation_rate=dilation, activation="relu", name=name
        )(inputs)
        for (kernel, (strides, dilation), padding), name in names.items()
    ]
    model = prune(keras.Model(inputs, outputs), rng)
    images = rng.standard_normal((2, 15, 14, 5)).astype(np.float32)
    converted = pconv_tf.convert(model, force=True, quiet=True)
    order = ids(model_file.read(converted, "test").model.subgraphs[0].outputs)
    computed = run(pconv_tf.convert_dense(model), images)
    ops = pconv_ops(converted)
    return images, {
        key: (ops[name], computed[order.index(ops[name].output)]) for key, name in names.items()
    }


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("strides", "dilation"), STEPS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_single_layer_against_reference(single_layers, kernel, strides, dilation, padding):
    images, layers = single_layers
    op, expected = layers[kernel, (strides, dilation), padding]
    assert isinstance(op.options, ConvOptions)
    actual = pconv_2d(images, op.options, op.layer, op.bias)
    assert actual.shape == expected.shape
    assert close(actual, expected)


def test_grouped_convolution(keras, rng, run):
    inputs = keras.Input((8, 8, 12))
    outputs = keras.layers.Conv2D(18, 3, padding="same", groups=3)(inputs)
    model = prune(keras.Model(inputs, outputs), rng)
    (op,) = pconv_ops(pconv_tf.convert(model, force=True, quiet=True)).values()
    images = rng.standard_normal((1, 8, 8, 12)).astype(np.float32)
    (expected,) = run(pconv_tf.convert_dense(model), images)
    assert close(pconv_2d(images, op.options, op.layer, op.bias), expected)


def test_depth_multiplier(keras, rng, run):
    inputs = keras.Input((8, 8, 5))
    outputs = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(inputs)
    model = prune(keras.Model(inputs, outputs), rng)
    converted = pconv_tf.convert(model, force=True, quiet=True)
    (op,) = pconv_ops(converted).values()
    images = rng.standard_normal((1, 8, 8, 5)).astype(np.float32)
    (expected,) = run(pconv_tf.convert_dense(model), images)
    assert close(pconv_2d(images, op.options, op.layer, op.bias), expected)
    (restored,) = run(pconv_tf.convert_dense(converted), images)
    assert np.array_equal(restored, expected)


def test_dense_on_a_feature_map_is_a_pointwise_convolution(keras, rng, run, run_pconv):
    inputs = keras.Input((6, 5, 16))
    outputs = keras.layers.Dense(24, activation="relu")(inputs)
    model = prune(keras.Model(inputs, outputs), rng)
    converted = pconv_tf.convert(model, force=True, quiet=True)
    (op,) = pconv_ops(converted).values()
    assert op.bias.any()
    file = model_file.read(converted, "test").model
    assert len(file.subgraphs[0].operators) == 1
    for batch in (1, 3):
        images = rng.standard_normal((batch, 6, 5, 16)).astype(np.float32)
        (expected,) = run(pconv_tf.convert_dense(model), images)
        assert close(pconv_2d(images, op.options, op.layer, op.bias), expected)
        assert close(run_pconv(converted, images)[0], expected)


def test_folded_batch_normalisation_keeps_the_zeros(net):
    ops = pconv_ops(pconv_tf.convert(net, force=True, quiet=True))
    kernel = np.array(net.get_layer("first").kernel).transpose(3, 0, 1, 2)
    stored = decode(ops["first"].layer)
    assert not np.array_equal(stored, kernel), "the normalisation is folded into it"
    assert np.array_equal(stored != 0, kernel != 0)


@pytest.mark.parametrize("name", ["strided", "dilated", "pointwise", "large"])
def test_weights_equal_the_keras_weights(net, name):
    op = pconv_ops(pconv_tf.convert(net, force=True, quiet=True))[name]
    kernel = np.array(net.get_layer(name).kernel).transpose(3, 0, 1, 2)
    assert np.array_equal(decode(op.layer), kernel)
    assert np.array_equal(op.bias, np.array(net.get_layer(name).bias))


def test_shared_layer(keras, rng, run):
    layer = keras.layers.Conv2D(8, 3, padding="same", name="shared")
    inputs = keras.Input((8, 8, 8))
    model = prune(keras.Model(inputs, layer(layer(inputs))), rng)
    ops = pconv_ops(pconv_tf.convert(model, force=True, quiet=True))
    assert list(ops) == ["shared", "shared#2"]


def test_same_model_same_bytes(fresh_net):
    assert pconv_tf.convert(fresh_net, quiet=True) == pconv_tf.convert(fresh_net, quiet=True)


def test_buffers_are_aligned(net):
    data = pconv_tf.convert(net, quiet=True)
    whole = np.frombuffer(data, np.uint8)
    for buffer in model_file.read(data, "test").model.buffers:
        if buffer.data is not None and len(buffer.data):
            start = buffer.data.__array_interface__["data"][0]
            assert (start - whole.__array_interface__["data"][0]) % 16 == 0


def test_signature_is_there(net):
    from ai_edge_litert.interpreter import Interpreter

    twin = Interpreter(model_content=pconv_tf.convert_dense(net))
    assert twin.get_signature_list() == {
        "serving_default": {"inputs": ["image"], "outputs": ["output_0"]}
    }


def test_unknown_op_without_the_delegate(net):
    from ai_edge_litert.interpreter import Interpreter

    with pytest.raises(RuntimeError, match="PConv2D"):
        Interpreter(model_content=pconv_tf.convert(net, quiet=True)).allocate_tensors()


class TestChoice:
    def became(self, model, **arguments):
        return {
            layer.name: layer.became == "PConv2D"
            for layer in convert_with_report(model, **arguments).layers
        }

    def test_unpruned_layers_stay(self, keras):
        inputs = keras.Input((16, 16, 8))
        x = keras.layers.Conv2D(8, 3, name="dense")(inputs)
        conversion = convert_with_report(keras.Model(inputs, x))
        assert [(row.became, row.reason) for row in conversion.layers] == [
            ("CONV_2D", "not pruned")
        ]

    def test_small_gain_is_not_taken(self, keras, rng):
        inputs = keras.Input((16, 16, 32))
        outputs = keras.layers.Conv2D(32, 1, name="conv")(inputs)
        model = keras.Model(inputs, outputs)
        kernel = np.array(model.get_layer("conv").kernel)
        model.get_layer("conv").kernel.assign(kernel * (rng.random(kernel.shape) < 0.9))
        (row,) = convert_with_report(model).layers
        assert row.became == "CONV_2D"
        assert "needs 1.10x" in row.reason
        assert self.became(model, force=True) == {"conv": True}

    def test_only_and_skip(self, net):
        only = self.became(net, force=True, only=["^first$", "larg"])
        assert [name for name, pconv in only.items() if pconv] == ["first", "large"]
        skip = self.became(net, force=True, skip="first|top")
        assert [name for name, pconv in skip.items() if not pconv] == ["first", "top"]

    @pytest.mark.parametrize("option", ["only", "skip"])
    def test_pattern_without_a_match(self, net, option):
        with pytest.raises(
            ValueError, match=f"{option}: 'nosuch' matches no layer; there are first"
        ):
            pconv_tf.convert(net, **{option: ["nosuch"]})

    def test_broken_regex(self, net):
        with pytest.raises(ValueError, match="skip: '\\(' is no regex"):
            pconv_tf.convert(net, skip="(")

    def test_unknown_weights(self, net):
        with pytest.raises(ValueError, match=r"weights: expected one of .* found 'int4'"):
            pconv_tf.convert(net, weights="int4")

    def test_table_is_printed(self, net, capsys):
        pconv_tf.convert(net)
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == [*("layer", "shape", "kept", "became", "kB", "why")]
        (total,) = [i for i, line in enumerate(lines) if line.startswith("total")]
        assert lines[total + 1].startswith("Expected for the model:")
        pconv_tf.convert(net, quiet=True)
        assert not capsys.readouterr().out

    def test_converted_layers_are_recognised(self, net):
        once = convert_with_report(net, force=True)
        twice = convert_with_report(once.flatbuffer, force=True)
        assert {layer.reason for layer in twice.layers} == {"already converted"}
        assert twice.flatbuffer == once.flatbuffer

    def test_half_converted_file_can_be_finished(self, net):
        half = pconv_tf.convert(net, force=True, only="first", quiet=True)
        full = convert_with_report(half, force=True)
        assert all(layer.became == "PConv2D" for layer in full.layers)


def test_bytes_by_layer(net):
    conversion = convert_with_report(net, force=True)
    for layer in conversion.layers:
        assert layer.fkw_bytes > 0
    large = next(layer for layer in conversion.layers if layer.name == "large")
    assert large.dense_bytes == 4 * (32 * 16 * 25 + 16)
    assert large.fkw_bytes < large.dense_bytes / 4
