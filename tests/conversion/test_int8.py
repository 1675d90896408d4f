"""Full-integer models: int8 from input to output, pruned layers as int8 PConv2D, and back."""

import numpy as np
import pytest
from pruned_models import prune

import pconv_tf
from pconv_tf.conversion import convert_with_report, inspection, model_file
from pconv_tf.conversion.graph import BuiltinOperator, Graph, TensorType, ids
from pconv_tf.conversion.layer_choice import NO_INT8_KERNELS
from pconv_tf.conversion.match import match
from pconv_tf.conversion.rewrite import is_pconv

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's quantiser warns of defaults

CONVOLUTIONS = (
    BuiltinOperator.CONV_2D,
    BuiltinOperator.DEPTHWISE_CONV_2D,
    BuiltinOperator.FULLY_CONNECTED,
)


@pytest.fixture
def samples(rng):
    """A representative data set for `net`."""
    images = rng.standard_normal((4, 1, 12, 12, 3)).astype(np.float32)
    return lambda: ([image] for image in images)


def stock_int8(net, samples, *, types=None, sixteen=False):
    """The full-integer file by TensorFlow alone, with inputs and outputs of a type."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    if sixteen:
        sixteen_by_eight = (
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        )
        converter.target_spec.supported_ops = [sixteen_by_eight]
    if types is not None:
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(types)
    return converter.convert()


@pytest.fixture(scope="module")
def converted():
    """A converted file of one pruned layer."""
    import keras

    rng = np.random.default_rng(5)
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, keras.layers.Conv2D(8, 3, name="conv")(inputs))
    images = rng.standard_normal((2, 1, 6, 6, 4)).astype(np.float32)
    return pconv_tf.convert(
        prune(model, rng),
        quantize="int8",
        representative_dataset=lambda: ([image] for image in images),
        force=True,
        quiet=True,
    )


def graph_of(flatbuffer):
    """The first subgraph of a file."""
    model = model_file.read(bytes(flatbuffer), "model").model
    return Graph(model, model.subgraphs[0])


def changed(flatbuffer, change):
    """A file whose first PConv2D `change(graph, operator)` has spoilt."""
    file = model_file.read(bytes(flatbuffer), "model")
    graph = Graph(file.model, file.model.subgraphs[0])
    change(graph, next(op for op in graph.operators if is_pconv(graph, op)))
    return model_file.write(file)


def images_for(flatbuffer, rng, count=3):
    """Random inputs of the type that a file wants."""
    graph = graph_of(flatbuffer)
    dtype = graph.dtype(ids(graph.subgraph.inputs)[0])
    for _ in range(count):
        if dtype == np.float32:
            yield rng.standard_normal((1, 12, 12, 3)).astype(np.float32)
        else:
            info = np.iinfo(dtype)
            yield rng.integers(info.min, info.max + 1, (1, 12, 12, 3)).astype(dtype)


@pytest.mark.parametrize("types", [None, "int8", "uint8"])
def test_results_are_those_of_the_stock_file(net, samples, rng, run, run_pconv, types):
    source = stock_int8(net, samples, types=types)
    conversion = convert_with_report(source, force=True)
    assert {layer.became for layer in conversion.layers} == {"PConv2D"}
    restored = pconv_tf.convert_dense(conversion.flatbuffer)
    for image in images_for(source, rng):
        (expected,) = run(source, image)
        assert len(np.unique(expected)) > 3
        assert np.array_equal(run(restored, image)[0], expected)
        assert np.array_equal(run_pconv(conversion.flatbuffer, image)[0], expected)


def test_restored_weights_are_those_of_the_stock_file(net, samples):
    source = stock_int8(net, samples)
    restored = pconv_tf.convert_dense(pconv_tf.convert(source, force=True, quiet=True))
    found = []
    for flatbuffer in (source, restored):
        graph = graph_of(flatbuffer)
        found.append(
            [match(graph, op) for op in graph.operators if graph.builtin(op) in CONVOLUTIONS]
        )
    assert len(found[0]) == len(found[1]) == 7
    for before, after in zip(*found, strict=True):
        assert before.weights.values.dtype == np.int8
        assert np.array_equal(before.weights.values, after.weights.values)
        assert np.array_equal(before.weights.scale, after.weights.scale)
        assert before.bias.dtype == after.bias.dtype == np.int32
        assert np.array_equal(before.bias, after.bias)
        assert before.quantization == after.quantization


def test_files_verify_against_their_twins(net, samples):
    source = stock_int8(net, samples)
    converted = pconv_tf.convert(source, force=True, quiet=True)
    results = inspection.verify(converted, pconv_tf.convert_dense(converted))
    assert len(results) == 7
    assert all(result.matches for result in results)
    inspected = inspection.inspect(converted)
    assert inspected.version == 2
    assert {layer.activations for layer in inspected.layers} == {"int8"}
    (other, *_) = inspection.verify(converted, pconv_tf.convert_dense(net))
    assert other.problem.startswith("quantisation")


def test_masks_are_read_by_containment(keras, rng):
    """Kept taps that round to 0 cost neither a pattern nor a filter block."""
    inputs = keras.Input((8, 8, 16))
    model = keras.Model(inputs, keras.layers.Conv2D(32, 3, padding="same", name="conv")(inputs))
    model = pconv_tf.prune_one_shot(
        model,
        {
            "pattern_set": "pconv4",
            "connectivity_rate": 3.6,
            "first_layer_rate": 3.6,
            "filter_block": 8,
        },
    )
    layer = model.get_layer("conv")
    kernel = np.array(layer.kernel)
    kept = np.flatnonzero(kernel)
    kernel.flat[rng.choice(kept, len(kept) // 150, replace=False)] *= 1e-6
    layer.kernel.assign(kernel)
    images = rng.standard_normal((4, 1, 8, 8, 16)).astype(np.float32)
    (report,) = convert_with_report(
        model, quantize="int8", representative_dataset=lambda: ([i] for i in images), force=True
    ).layers
    (floats,) = convert_with_report(model, force=True).layers
    assert report.kept_weights < floats.kept_weights, "no kept tap rounded to 0"
    assert (report.num_patterns, report.filter_block) == (floats.num_patterns, 8)


def test_quantize_makes_the_stock_file_first(net, samples, rng, run, run_pconv):
    converted = pconv_tf.convert(
        net, quantize="int8", representative_dataset=samples, force=True, quiet=True
    )
    dense = pconv_tf.convert_dense(net, quantize="int8", representative_dataset=samples)
    types = {graph_of(dense).tensor(op.outputs[0]).type for op in graph_of(dense).operators}
    assert TensorType.INT8 in types
    for image in images_for(dense, rng):
        (expected,) = run(dense, image)
        assert np.array_equal(run_pconv(converted, image)[0], expected)
        floats = np.array(net(image, training=False))
        assert np.abs(expected - floats).max() < 0.1 * np.abs(floats).max()


@pytest.mark.parametrize("io_type", ["int8", "uint8"])
def test_inputs_and_outputs_may_be_integers(net, samples, rng, run, run_pconv, io_type):
    options = {"quantize": "int8", "representative_dataset": samples, "io_type": io_type}
    converted = pconv_tf.convert(net, force=True, quiet=True, **options)
    dense = pconv_tf.convert_dense(net, **options)
    limits = np.iinfo(io_type)
    for file in (converted, dense):
        graph = graph_of(file)
        ends = [*graph.subgraph.inputs, *graph.subgraph.outputs]
        assert {graph.tensor(i).type for i in ends} == {getattr(TensorType, io_type.upper())}
    for batch in (1, 2):
        image = rng.integers(limits.min, limits.max + 1, (batch, 12, 12, 3)).astype(io_type)
        (expected,) = run(dense, image)
        (found,) = run_pconv(converted, image)
        assert found.dtype == io_type
        assert np.array_equal(found, expected)
        assert len(np.unique(expected)) > 2


def test_samples_may_be_mappings_in_any_order(keras, rng):
    layers = keras.layers
    second, first = keras.Input((4,), name="b"), keras.Input((6,), name="a")
    outputs = layers.Dense(3)(layers.Concatenate()([layers.Dense(8)(second), first]))
    model = keras.Model([second, first], outputs)
    small, large = np.ones((1, 4), np.float32), np.full((1, 6), 100, np.float32)

    def convert(sample):
        return pconv_tf.convert_dense(
            model, quantize="int8", representative_dataset=lambda: iter([sample])
        )

    assert convert([small, large]) == convert({"a": large, "b": small})


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (lambda: iter(()), "representative_dataset: yields no samples"),
        (
            lambda: [[np.zeros((1, 5, 12, 3), np.float32)]],
            r"sample 0: input image has shape \[1, 5, 12, 3\], expected \?x12x12x3",
        ),
        (lambda: [[np.zeros(3), np.zeros(3)]], "sample 0 has 2 arrays, expected 1"),
        (lambda: [{"picture": np.zeros(3)}], r"sample 0 is for \['picture'\]"),
        (
            lambda: [[np.full((1, 12, 12, 3), np.nan, np.float32)]],
            "sample 0: input image has values that are not finite",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused(net, samples, message):
    with pytest.raises(ValueError, match=message) as error:
        pconv_tf.convert(net, quantize="int8", representative_dataset=samples)
    assert "input_shapes" not in str(error.value)


def test_arguments_that_do_not_go_together(net, samples):
    with pytest.raises(ValueError, match="quantize: expected one of"):
        pconv_tf.convert(net, quantize="int4", representative_dataset=samples)
    with pytest.raises(ValueError, match="go together; found only quantize"):
        pconv_tf.convert(net, quantize="int8")
    with pytest.raises(ValueError, match="found only representative_dataset"):
        pconv_tf.convert_dense(net, representative_dataset=samples)
    with pytest.raises(ValueError, match=r"io_type: expected one of .*, found 'int16'"):
        pconv_tf.convert(net, quantize="int8", representative_dataset=samples, io_type="int16")
    with pytest.raises(ValueError, match="io_type: 'uint8' needs quantize"):
        pconv_tf.convert_dense(net, io_type="uint8")
    with pytest.raises(ValueError, match=r"quantize: model is a \.tflite file"):
        pconv_tf.convert(
            pconv_tf.convert_dense(net), quantize="int8", representative_dataset=samples
        )


def test_without_force_only_layers_that_gain_are_converted(net, samples):
    conversion = convert_with_report(stock_int8(net, samples))
    found = {layer.name: layer for layer in conversion.layers}
    assert found["large"].became == "PConv2D"
    assert found["top"].became == "FULLY_CONNECTED"
    assert found["top"].reason == found["depthwise"].reason == NO_INT8_KERNELS
    assert conversion.expected_gain is None
    assert {layer.activations for layer in conversion.layers} == {"int8"}


@pytest.mark.slow
def test_int8_layers_are_said_to_gain_without_amx_only(net, samples):
    conversion = convert_with_report(stock_int8(net, samples), force=True)
    assert any("without AMX" in remark for remark in conversion.remarks)
    stays = convert_with_report(stock_int8(net, samples), skip=["."])
    assert not any("AMX" in remark for remark in stays.remarks)


def test_sixteen_bit_activations_stay(net, samples, image, run):
    source = stock_int8(net, samples, sixteen=True)
    conversion = convert_with_report(source, force=True)
    assert {layer.reason for layer in conversion.layers} == {
        "its activations are int16, not float32 or int8"
    }
    assert np.array_equal(run(conversion.flatbuffer, image)[0], run(source, image)[0])


def set_field(tensor, field, values):
    """A change of one tensor's quantisation."""

    def change(graph, operator):
        index = operator.outputs[0] if tensor == "output" else operator.inputs[tensor]
        quantization = graph.tensor(index).quantization
        dtype = np.float32 if field == "scale" else np.int64
        setattr(quantization, field, None if values is None else np.array(values, dtype))

    return change


def set_constant(position, change):
    """A change of one constant input's values."""

    def apply(graph, operator):
        index = operator.inputs[position]
        value = change(graph.constant(index).copy())
        operator.inputs = operator.inputs.copy()
        operator.inputs[position] = graph.add_constant("changed", value)

    return apply


def no_quantization(graph, operator):
    """Takes the output's quantisation away."""
    graph.tensor(operator.outputs[0]).quantization = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_field(0, "scale", [0.0]), "activation: its activations have the scale 0.0"),
        (set_field(0, "scale", [np.nan]), "activation: its activations have the scale nan"),
        (set_field(0, "scale", [1.0, 2.0]), "activation: its int8 activations have not one scale"),
        (set_field(0, "scale", None), "activation: its int8 activations have not one scale"),
        (
            set_field("output", "zeroPoint", [128]),
            "output: its activations have the zero point 128",
        ),
        (set_field("output", "zeroPoint", None), "output: its int8 activations have not one scale"),
        (no_quantization, "output: its int8 activations have not one scale"),
        (set_constant(6, lambda bias: bias.astype(np.float32)), "bias: expected int32"),
        (set_constant(6, lambda bias: bias[:-1]), "bias: expected int32"),
        (set_constant(7, lambda scale: scale * np.nan), "scale: expected finite"),
        (set_constant(7, lambda scale: -scale), "scale: expected finite"),
        (set_constant(7, lambda scale: scale[:-1]), "scale: expected shape"),
        (set_field("output", "scale", [1e-44]), "scale: expected a finite product"),
    ],
)
def test_malformed_files_are_refused_by_the_fields_name(converted, delegate, change, message):
    bad = changed(converted, change)
    with pytest.raises(ValueError, match=message):
        inspection.inspect(bad)
    with pytest.raises((ValueError, RuntimeError)):
        pconv_tf.Interpreter(bad)


def test_calibration_file(tmp_path, rng):
    from pconv_tf.conversion.calibration import samples_of_npz

    path = tmp_path / "calibration.npz"
    images, numbers = rng.standard_normal((3, 4, 4, 1)), rng.standard_normal((3, 2))
    np.savez(path, image=images)
    assert [sample[0].shape for sample in samples_of_npz(path)()] == [(1, 4, 4, 1)] * 3
    np.savez(path, image=images, number=numbers)
    (sample, *_) = samples_of_npz(path)()
    assert {key: value.shape for key, value in sample.items()} == {
        "image": (1, 4, 4, 1),
        "number": (1, 2),
    }
    np.savez(path, image=images, number=numbers[:2])
    with pytest.raises(ValueError, match="of one length above 0, found"):
        samples_of_npz(path)
    np.savez(path, image=np.array([None], object))
    with pytest.raises(ValueError, match=r"no \.npz file of plain arrays"):
        samples_of_npz(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"no \.npz file of plain arrays"):
        samples_of_npz(path)
