"""Keras models of every kind that people bring: inputs, free sizes, precision, wrappers."""

import numpy as np
import pytest

import pconv_tf
from pconv_tf.conversion import convert_with_report

CONFIG = {"connectivity_rate": 2.0}


def close(actual, expected):
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def pruned(keras, inputs, outputs):
    return pconv_tf.prune_one_shot(keras.Model(inputs, outputs), CONFIG)


@pytest.fixture(params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def either(request):
    """Keras 3 and tf_keras."""
    module = pytest.importorskip(request.param)
    module.utils.set_random_seed(7)
    return module


@pytest.mark.parametrize("structure", ["list", "dict", "tuple", "nested", "one in a dict"])
def test_structures_of_inputs(keras, run, rng, structure):
    layers = keras.layers
    image, mask = keras.Input((9, 9, 3), name="z"), keras.Input((9, 9, 2), name="a")
    x = layers.Conv2D(8, 3)(image)
    if structure != "one in a dict":
        x = x + layers.Conv2D(8, 3)(mask)
    given = {
        "list": [image, mask],
        "dict": {"z": image, "a": mask},
        "tuple": (image, mask),
        "nested": {"b": [mask], "c": image},
        "one in a dict": {"z": image},
    }[structure]
    model = pruned(keras, given, {"out": layers.Conv2D(4, 3)(x)})
    arrays = {
        "z": rng.standard_normal((1, 9, 9, 3)).astype("f4"),
        "a": rng.standard_normal((1, 9, 9, 2)).astype("f4"),
    }
    names = [x.name for x in model.inputs]
    fed = {
        "list": [arrays["z"], arrays["a"]],
        "dict": arrays,
        "tuple": (arrays["z"], arrays["a"]),
        "nested": {"b": [arrays["a"]], "c": arrays["z"]},
        "one in a dict": {"z": arrays["z"]},
    }[structure]
    expected = np.asarray(model(fed)["out"])
    (actual,) = run(pconv_tf.convert_dense(model), *(arrays[name] for name in sorted(names)))
    close(actual, expected)
    assert len(convert_with_report(model, force=True).layers) == len(names) + 1


def test_dict_inputs_of_tf_keras(run, rng):
    tf_keras = pytest.importorskip("tf_keras")
    layers = tf_keras.layers
    image, mask = tf_keras.Input((9, 9, 8), name="z"), tf_keras.Input((9, 9, 9), name="a")
    out = layers.Conv2D(8, 3)(image) + layers.Conv2D(8, 3)(mask)
    model = pconv_tf.prune_one_shot(tf_keras.Model({"z": image, "a": mask}, out), CONFIG)
    arrays = {x.name: rng.standard_normal((1, *x.shape[1:])).astype("f4") for x in model.inputs}
    (actual,) = run(pconv_tf.convert_dense(model), *arrays.values())
    close(actual, np.asarray(model(arrays)))


class TestFreeSizes:
    @pytest.fixture
    def net(self, keras):
        image = keras.Input((None, None, 3), name="image")
        x = keras.layers.UpSampling2D(2)(keras.layers.Conv2D(12, 3, padding="same")(image))
        return pruned(keras, image, keras.layers.Conv2D(3, 3, padding="same")(x))

    def test_the_error_says_how_to_fix_them(self, net):
        hint = r"image \?x\?x\?x3.*input_shapes=\{'image': \(1, 64, 64, 3\)\}.*--input_shape=1,64"
        with pytest.raises(ValueError, match=hint) as caught:
            pconv_tf.convert(net, quiet=True)
        assert "\n" not in str(caught.value)
        assert "loc(" not in str(caught.value)

    @pytest.mark.parametrize("shapes", [(1, 8, 8, 3), {"image": (None, 8, 8, None)}])
    def test_fixed(self, net, run, rng, shapes):
        data = rng.standard_normal((1, 8, 8, 3)).astype("f4")
        (actual,) = run(pconv_tf.convert_dense(net, input_shapes=shapes), data)
        close(actual, np.asarray(net(data)))
        assert pconv_tf.convert(net, input_shapes=shapes, quiet=True)

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            ((8, 8, 3), r"8x8x3 does not fit input image of model \w+, \?x\?x\?x3"),
            ((1, 8, 8, 4), "1x8x8x4 does not fit"),
            ((1, 0, 8, 3), "1x0x8x3 does not fit"),
            ({"picture": (1, 8, 8, 3)}, "has no input picture, but image"),
        ],
    )
    def test_wrong_shapes(self, net, shapes, message):
        with pytest.raises(ValueError, match=message):
            pconv_tf.convert(net, input_shapes=shapes, quiet=True)

    def test_saved_models(self, net, run, rng, tmp_path):
        net.export(str(tmp_path / "saved"), verbose=False)
        data = rng.standard_normal((1, 8, 8, 3)).astype("f4")
        (actual,) = run(pconv_tf.convert_dense(tmp_path / "saved", input_shapes=data.shape), data)
        close(actual, np.asarray(net(data)))

    def test_tflite_files_are_resized_instead(self, dense_tflite):
        for model in (dense_tflite, dense_tflite.read_bytes()):
            with pytest.raises(ValueError, match="whose inputs are resized when it is run"):
                pconv_tf.convert(model, input_shapes=(1, 16, 16, 3))

    @pytest.mark.parametrize("cell", ["LSTM", "GRU"])
    def test_recurrent_layers_need_a_batch(self, keras, cell):
        image = keras.Input((8, 8, 8), name="image")
        x = keras.layers.Conv2D(16, 3, padding="same")(image)
        x = keras.layers.Reshape((8, 128))(x)
        recurrent = getattr(keras.layers, cell)
        model = pruned(keras, image, recurrent(8, return_sequences=True)(x))
        with pytest.raises(ValueError, match="--input_shape=1,8,8,8"):
            pconv_tf.convert(model, quiet=True)
        assert pconv_tf.convert(model, input_shapes=(1, 8, 8, 8), quiet=True)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_converted_in_float32(either, run, rng, policy):
    keras, layers = either, either.layers
    image = keras.Input((8, 8, 16), dtype="float32")
    inner = keras.Sequential([keras.Input((8, 8, 8)), layers.Conv2D(8, 3, dtype=policy)])
    x = layers.Conv2D(8, 3, padding="same", activation="relu", dtype=policy)(image)
    x = layers.BatchNormalization(dtype=policy)(inner(x))
    model = pruned(keras, image, layers.Dense(4, dtype="float32")(layers.Flatten()(x)))
    before = [layer.compute_dtype for layer in model._flatten_layers()]
    data = rng.standard_normal((1, 8, 8, 16)).astype("f4")
    flatbuffer = pconv_tf.convert_dense(model)
    (actual,) = run(flatbuffer, data)
    expected = np.asarray(model(data))
    assert np.abs(actual - expected).max() <= 2e-2 * np.abs(expected).max()
    assert [layer.compute_dtype for layer in model._flatten_layers()] == before
    kept = [layer.kept_weights for layer in convert_with_report(model, force=True).layers]
    assert all(share < 0.6 for share in kept[:2])


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_half_weights_are_refused(either, policy):
    model = either.Sequential([either.Input((8, 8, 3), dtype="float32")])
    model.add(either.layers.Conv2D(8, 3, dtype=policy, name="half"))
    with pytest.raises(ValueError, match=rf"layer half: its weights are {policy}.*set_weights"):
        pconv_tf.convert(model)


@pytest.mark.slow
def test_tfmot_wrappers_are_named():
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    tf_keras = pytest.importorskip("tf_keras")
    layers, sparsity = tf_keras.layers, tfmot.sparsity.keras
    model = tf_keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3)])
    schedule = sparsity.ConstantSparsity(0.75, 0)
    wrapped = sparsity.prune_low_magnitude(model, pruning_schedule=schedule)
    with pytest.raises(ValueError, match=r"tfmot\.sparsity\.keras\.strip_pruning\(model\)"):
        pconv_tf.convert(wrapped)
    assert pconv_tf.convert(sparsity.strip_pruning(wrapped), quiet=True)
    clustered = tfmot.clustering.keras.cluster_weights(
        tf_keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(8, 3)]),
        number_of_clusters=4,
        cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.LINEAR,
    )
    with pytest.raises(ValueError, match="strip_clustering"):
        pconv_tf.convert(clustered)
