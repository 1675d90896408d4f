"""Everything that convert() accepts, and what it says about the rest."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from pruned_models import prune, small_net

import pconv_tf
from pconv_tf.conversion import convert_with_report, model_file, stand_ins
from pconv_tf.conversion.graph import text


def converted_layers(source):
    layers = convert_with_report(source, force=True).layers
    return [layer.name for layer in layers if layer.became == "PConv2D"]


def tiny_net(keras, rng):
    layers = keras.layers
    inputs = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return prune(keras.Model(inputs, layers.Dense(6, name="top")(x)), rng)


@pytest.fixture
def net(keras, rng):
    return tiny_net(keras, rng)


def test_keras_file(net, tmp_path):
    net.save(tmp_path / "net.keras")
    data = pconv_tf.convert(tmp_path / "net.keras", force=True, quiet=True)
    assert data == pconv_tf.convert(net, force=True, quiet=True)


def test_h5_file(net, tmp_path):
    net.save(tmp_path / "net.h5")
    assert converted_layers(str(tmp_path / "net.h5")) == ["conv", "top"]


def test_saved_model(net, tmp_path):
    net.export(tmp_path / "saved", verbose=False)
    assert len(converted_layers(tmp_path / "saved")) == 2


def test_tflite_file_and_bytes(net, tmp_path):
    twin = pconv_tf.convert_dense(net, output=tmp_path / "twin.tflite")
    assert (tmp_path / "twin.tflite").read_bytes() == twin
    one = pconv_tf.convert(tmp_path / "twin.tflite", force=True, quiet=True)
    assert one == pconv_tf.convert(bytearray(twin), force=True, quiet=True)
    assert len(converted_layers(twin)) == 2


def test_sequential_and_nested_models(keras, rng):
    inner = keras.Sequential([keras.layers.Conv2D(8, 3, name="inside")], name="inner")
    model = keras.Sequential(
        [keras.Input((8, 8, 4)), inner, keras.layers.Conv2D(8, 3, name="after")]
    )
    names = converted_layers(prune(model, rng))
    assert names == ["inner/inside", "after"]


def test_subclassed_model(keras, rng, run):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(8, 3, activation="relu")
            self.norm = keras.layers.BatchNormalization()

        def call(self, x, training=False):
            return self.norm(self.conv(x), training=training)

    model, images = Net(), rng.standard_normal((1, 8, 8, 4)).astype(np.float32)
    model(images)
    prune(model, rng)
    assert len(converted_layers(model)) == 1
    (actual,) = run(pconv_tf.convert_dense(model), images)
    assert np.allclose(actual, model(images, training=False), atol=1e-4)


def test_several_inputs_and_outputs(keras, rng, run):
    layers = keras.layers
    first, second = keras.Input((8, 8, 3), name="in"), keras.Input((8, 8, 2), name="b c")
    x = layers.Conv2D(8, 3, name="conv")(layers.Concatenate()([first, second]))
    model = prune(keras.Model([first, second], [x, layers.ReLU()(x)]), rng)
    assert converted_layers(model) == ["conv"]


@pytest.mark.slow
def test_tf_keras_model(rng, tmp_path, run):
    tf_keras = pytest.importorskip("tf_keras")
    net = tiny_net(tf_keras, rng)
    assert converted_layers(net) == ["conv", "top"]
    images = rng.standard_normal((1, 8, 8, 4)).astype(np.float32)
    (actual,) = run(pconv_tf.convert_dense(net), images)
    assert np.allclose(actual, net(images, training=False), atol=1e-4)
    for name in ("net.keras", "net.h5"):
        net.save(tmp_path / name)
        assert converted_layers(tmp_path / name) == ["conv", "top"]


class TestLargeDenseKernels:
    """They go around TensorFlow's converter; the file must not show it."""

    @pytest.fixture(params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
    def layers(self, request):
        return pytest.importorskip(request.param).layers

    def model(self, layers, *blocks):
        keras = pytest.importorskip(layers.__name__.partition(".")[0])
        inputs = keras.Input((8,), name="in")
        x = layers.Dense(12, activation="relu", name="one")(inputs)
        for block in blocks:
            x = block(x)
        x = layers.Dense(12, name="two", use_bias=False)(x)
        return keras.Model(inputs, {"y": layers.Dense(12, name="three")(x)})

    def both(self, model, monkeypatch):
        usual = pconv_tf.convert_dense(model)
        monkeypatch.setattr(stand_ins, "MIN_BYTES", 0)
        restored = []
        restore = stand_ins.restore

        def spy(file, replaced):
            restored.append((restore(file, replaced), len(replaced)))
            return restored[-1][0]

        monkeypatch.setattr(stand_ins, "restore", spy)
        return usual, pconv_tf.convert_dense(model), restored

    def test_same_bytes(self, layers, monkeypatch):
        model = self.model(layers, layers.Dense(12, activation="tanh"))
        usual, around, restored = self.both(model, monkeypatch)
        assert restored == [(True, 4)]
        assert around == usual

    def test_folded_scale_takes_the_usual_way(self, layers, rng, monkeypatch):
        norm = layers.BatchNormalization()
        model = self.model(layers, layers.Dense(12), norm)
        norm.set_weights([rng.random(12) + 0.5 for _ in norm.get_weights()])
        usual, around, restored = self.both(model, monkeypatch)
        assert restored == [(False, 4)]
        assert around == usual

    def test_kernels_used_otherwise_are_left(self, layers, monkeypatch):
        shared = layers.Dense(12, name="shared")
        model = self.model(
            layers, shared, shared, layers.Reshape((3, 4)), layers.Dense(4), layers.Flatten()
        )
        usual, around, restored = self.both(model, monkeypatch)
        assert restored == [(True, 4)]  # all but the shared one
        assert around == usual


def test_environment_is_left_alone(net):
    before = dict(os.environ)
    pconv_tf.convert(net, quiet=True)
    assert dict(os.environ) == before


class TestErrors:
    def test_no_model(self):
        with pytest.raises(ValueError, match=r"expected a Keras 3 or tf_keras model, .* found int"):
            pconv_tf.convert(7)

    def test_keras_layer(self, keras):
        with pytest.raises(ValueError, match="found Conv2D"):
            pconv_tf.convert(keras.layers.Conv2D(3, 3))

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nothing\.tflite: no such file"):
            pconv_tf.convert(tmp_path / "nothing.tflite")

    def test_folder_without_saved_model(self, tmp_path):
        with pytest.raises(ValueError, match="is no SavedModel"):
            pconv_tf.convert(tmp_path)

    @pytest.mark.parametrize("name", ["a.keras", "a.h5"])
    def test_file_that_keras_did_not_write(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"something else")
        with pytest.raises(ValueError, match=f"{name}: not a model saved by Keras"):
            pconv_tf.convert(tmp_path / name)

    def test_file_of_another_kind(self, tmp_path):
        (tmp_path / "a.tflite").write_bytes(b"PK something else")
        with pytest.raises(ValueError, match=r"a\.tflite: not a \.tflite file"):
            pconv_tf.convert(tmp_path / "a.tflite")

    def test_model_without_weights(self, keras):
        with pytest.raises(ValueError, match="no weights yet"):
            pconv_tf.convert(keras.Sequential([keras.layers.Conv2D(3, 3)]))

    def test_model_without_convolutions(self, keras):
        inputs = keras.Input((4, 4, 2))
        with pytest.raises(ValueError, match="has no convolution"):
            pconv_tf.convert(keras.Model(inputs, keras.layers.ReLU()(inputs)))

    def test_file_over_2_gb(self, tmp_path):
        with (tmp_path / "big.tflite").open("wb") as file:
            file.truncate(2**31)  # sparse: takes no space on the disk
        with pytest.raises(ValueError, match=r"big\.tflite: 2147483648 bytes; .* at most 2 GB"):
            pconv_tf.convert(tmp_path / "big.tflite")

    def test_result_over_2_gb(self, net):
        file = model_file.read(pconv_tf.convert_dense(net), "net")
        file.model.buffers[-1].data = np.broadcast_to(np.uint8(0), 2**31)
        with pytest.raises(ValueError, match="at most 2 GB"):
            model_file.write(file)

    def test_output_is_whole_or_absent(self, net, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            pconv_tf.convert(net, output=tmp_path / "nowhere" / "net.tflite", quiet=True)
        with pytest.raises(ValueError, match="no layer"):
            pconv_tf.convert(net, output=tmp_path / "net.tflite", only="nosuch")
        assert not list(tmp_path.iterdir())


class TestKept:
    """What a rewritten file must still have."""

    @pytest.fixture
    def two_signatures(self, rng, tmp_path):
        import tensorflow as tf

        class Module(tf.Module):
            def __init__(self):
                super().__init__()
                mask = rng.random((3, 3, 4, 8)) < 0.3
                weights = rng.standard_normal((3, 3, 4, 8)) * mask
                self.kernel = tf.Variable(weights.astype(np.float32))

            @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4))])
            def plain(self, x):
                return {"y": tf.nn.conv2d(x, self.kernel, 1, "SAME")}

            @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 4))])
            def twice(self, x):
                return {"y": 2 * tf.nn.relu(tf.nn.conv2d(x, self.kernel, 2, "VALID"))}

        module = Module()
        signatures = {"plain": module.plain, "twice": module.twice}
        tf.saved_model.save(module, str(tmp_path / "saved"), signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(tmp_path / "saved"), signature_keys=["plain", "twice"]
        )
        return converter.convert()

    def test_subgraphs_and_signatures(self, two_signatures, rng):
        from ai_edge_litert.interpreter import Interpreter

        converted = pconv_tf.convert(two_signatures, force=True, quiet=True)
        model = model_file.read(converted, "converted").model
        assert len(model.subgraphs) == 2
        assert len(converted_layers(two_signatures)) == 2
        restored = pconv_tf.convert_dense(converted)
        images = rng.standard_normal((1, 8, 8, 4)).astype(np.float32)
        for key in ("plain", "twice"):
            one, two = (
                Interpreter(model_content=data).get_signature_runner(key)(x=images)["y"]
                for data in (two_signatures, restored)
            )
            assert np.allclose(one, two, atol=1e-5)

    def test_metadata(self, net):
        from ai_edge_litert import schema_py_generated as schema

        file = model_file.read(pconv_tf.convert_dense(net), "net")
        note = schema.MetadataT()
        note.name, note.buffer = "OWN_NOTE", len(file.model.buffers)
        file.model.buffers.append(schema.BufferT(data=np.frombuffer(b"kept", np.uint8)))
        file.model.metadata.append(note)
        file.model.description = "described"
        model = model_file.read(
            pconv_tf.convert(model_file.write(file), force=True, quiet=True), "converted"
        ).model
        found = {text(entry.name): entry.buffer for entry in model.metadata}
        assert bytes(model_file.buffer_bytes(model, found["OWN_NOTE"])) == b"kept"
        assert "min_runtime_version" in found
        assert text(model.description) == "described"

    def test_buffers_behind_the_flatbuffer(self, net):
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_keras_model(net)
        converter.exclude_conversion_metadata = True
        inside = converter.convert()
        converter = tf.lite.TFLiteConverter.from_keras_model(net)
        converter._experimental_use_buffer_offset = True
        behind = converter.convert()
        assert b"buffer_location" in behind
        assert pconv_tf.convert_dense(behind) == pconv_tf.convert_dense(inside)
        with pytest.raises(ValueError, match=r"damaged .tflite file \(buffer \d+ ends at"):
            pconv_tf.convert_dense(behind[:-64])

    def test_attached_files(self, net):
        stream = io.BytesIO(pconv_tf.convert_dense(net))
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr("labels.txt", "cat\ndog\n")
        converted = pconv_tf.convert(stream.getvalue(), force=True, quiet=True)
        assert converted == pconv_tf.convert(stream.getvalue(), force=True, quiet=True)
        with zipfile.ZipFile(io.BytesIO(converted)) as archive:
            assert archive.read("labels.txt") == b"cat\ndog\n"
        assert converted_layers(converted) == converted_layers(stream.getvalue())

    def test_attached_files_are_not_unpacked(self, net):
        size = 1 << 28
        repacked = io.BytesIO(pconv_tf.convert_dense(net))
        with zipfile.ZipFile(repacked, "a") as archive:
            archive.writestr("labels.txt", "cat")
            archive.writestr("zeros", bytes(size), compress_type=zipfile.ZIP_DEFLATED)
        tracemalloc.start()
        converted = pconv_tf.convert(repacked.getvalue(), force=True, quiet=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size / 8
        with zipfile.ZipFile(io.BytesIO(converted)) as archive:
            assert archive.testzip() is None
            assert [entry.file_size for entry in archive.infolist()] == [3, size]

    def test_encrypted_and_damaged_attached_files_are_carried_over(self, net):
        stream = io.BytesIO(pconv_tf.convert_dense(net))
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr("a.txt", b"A" * 40)
        data = bytearray(stream.getvalue())
        content = data.rindex(b"A" * 40)
        data[content] = ord("B")  # its check sum is wrong now
        data[data.rindex(b"PK\x01\x02") + 8] |= 1  # and it says that it is encrypted
        converted = pconv_tf.convert(bytes(data), force=True, quiet=True)
        with zipfile.ZipFile(io.BytesIO(converted)) as archive:
            (entry,) = archive.infolist()
            assert entry.flag_bits & 1
        assert b"B" + b"A" * 39 in converted

    @pytest.mark.parametrize("spot", [-22, -12, -8, -6])
    def test_what_only_looks_like_an_archive_is_none(self, net, spot):
        stream = io.BytesIO(pconv_tf.convert_dense(net))
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr("a.txt", "A")
        data = bytearray(stream.getvalue())
        data[spot] ^= 0x55
        assert pconv_tf.convert_dense(bytes(data)) == pconv_tf.convert_dense(net)


def test_small_net_runs_everywhere(keras, rng):
    """The model of the other tests holds what its docstring promises."""
    assert len(converted_layers(small_net(keras, rng))) == 7
