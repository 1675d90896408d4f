"""The delegate in LiteRT's CompiledModel API, of whatever release is installed."""

import importlib.metadata

import numpy as np
import pytest
from tflite_models import ModelBuilder, pattern_weights

import pconv_tf
from pconv_tf.runtime import compiled_model

RELEASE = tuple(map(int, importlib.metadata.version("ai-edge-litert").split(".")[:2]))
needs_api = pytest.mark.skipif(
    RELEASE < compiled_model.MINIMUM_LITERT, reason="this LiteRT is older"
)


@pytest.fixture(scope="module")
def dense() -> bytes:
    rng = np.random.default_rng(0)
    builder = ModelBuilder()
    x = builder.input(8, 9, 6)
    x = builder.conv(x, pattern_weights(rng, 8, 3, 6), np.ones(8, np.float32))
    return builder.finish(x)


@pytest.fixture(scope="module")
def converted(dense) -> bytes:
    return pconv_tf.convert(dense, force=True, quiet=True)


@needs_api
def test_equals_the_interpreter_for_any_batch(delegate, converted, rng, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(converted)
    interpreter = pconv_tf.Interpreter(path)
    for model in (pconv_tf.CompiledModel(path), pconv_tf.CompiledModel(converted)):
        assert model.is_fully_accelerated()
        for batch in (1, 3, 1):
            x = rng.normal(size=(batch, 8, 9, 6)).astype(np.float32)
            result = model(x)
            assert result.shape == (batch, 8, 9, 8)
            np.testing.assert_array_equal(result, interpreter(x))


@needs_api
def test_runs_a_file_without_pruned_layers(delegate, dense, rng):
    x = rng.normal(size=(1, 8, 9, 6)).astype(np.float32)
    expected = pconv_tf.Interpreter(dense)(x)
    np.testing.assert_allclose(pconv_tf.CompiledModel(dense)(x), expected, atol=1e-5)


@needs_api
def test_options_reach_the_delegate(delegate, converted, capfd, rng):
    model = pconv_tf.CompiledModel(converted, num_threads=3, options={"verbose": True})
    model(rng.normal(size=(1, 8, 9, 6)).astype(np.float32))
    assert "on the cpu engine, 3 threads" in capfd.readouterr().err
    # They were for that model alone.
    pconv_tf.CompiledModel(converted)(rng.normal(size=(1, 8, 9, 6)).astype(np.float32))
    assert "threads" not in capfd.readouterr().err


@needs_api
def test_mistakes_are_named(delegate, converted, tmp_path):
    with pytest.raises(ValueError, match="option 'backend' is 'tpu', accepted: auto"):
        pconv_tf.CompiledModel(converted, options={"backend": "tpu"})
    with pytest.raises(FileNotFoundError, match=r"gone\.tflite: no such file"):
        pconv_tf.CompiledModel(tmp_path / "gone.tflite")
    with pytest.raises(ValueError, match="model: cannot be run: "):
        pconv_tf.CompiledModel(b"no model at all, but long enough")
    model = pconv_tf.CompiledModel(converted)
    with pytest.raises(ValueError, match=r"has 1 inputs\. Received: 2"):
        model(1, 2)
    with pytest.raises(ValueError, match=r"inputs of shape \(1, 8, 9, 5\) cannot be run"):
        model(np.zeros((1, 8, 9, 5), np.float32))


@needs_api
def test_says_when_litert_does_not_load_it(delegate, converted, monkeypatch):
    # As if a later LiteRT looked for another name.
    monkeypatch.setattr(compiled_model, "_ACCELERATOR", "libOther.so")
    with pytest.raises(RuntimeError, match="did not load the delegate as its accelerator"):
        pconv_tf.CompiledModel(converted)


@needs_api
def test_litert_s_own_class_with_a_linked_folder(delegate, converted, rng, tmp_path):
    from ai_edge_litert.compiled_model import CompiledModel, HardwareAccelerator
    from ai_edge_litert.environment import Environment

    compiled_model.link_accelerator(tmp_path)
    environment = Environment.create(runtime_path=str(tmp_path))
    path = tmp_path / "model.tflite"
    path.write_bytes(converted)
    both = HardwareAccelerator.GPU | HardwareAccelerator.CPU
    model = CompiledModel.from_file(str(path), hardware_accel=both, environment=environment)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    x = rng.normal(size=(1, 8, 9, 6)).astype(np.float32)
    inputs[0].write(x)
    model.run_by_index(0, inputs, outputs)
    result = np.reshape(outputs[0].read(8 * 9 * 8, np.float32), (1, 8, 9, 8))
    np.testing.assert_array_equal(result, pconv_tf.Interpreter(converted)(x))


def test_an_older_litert_is_refused(converted, monkeypatch):
    version = "2.1.6"
    if RELEASE >= compiled_model.MINIMUM_LITERT:
        monkeypatch.setattr(compiled_model, "_version", lambda: version)
    with pytest.raises(RuntimeError, match=r"needs ai-edge-litert 2\.2 or later, found 2\."):
        pconv_tf.CompiledModel(converted)
