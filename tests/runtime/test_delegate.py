"""Finding and loading the delegate, and what its users' mistakes lead to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from tflite_models import ModelBuilder, pattern_weights

import pconv_tf
from pconv_tf.runtime import delegate as delegate_module

RUNTIMES = ["litert", pytest.param("tf", marks=pytest.mark.tensorflow)]


@pytest.fixture(scope="module")
def converted() -> bytes:
    rng = np.random.default_rng(0)
    builder = ModelBuilder()
    x = builder.input(8, 9, 6)
    x = builder.conv(x, pattern_weights(rng, 8, 3, 6), np.ones(8, np.float32))
    return pconv_tf.convert(builder.finish(x), force=True, quiet=True)


def test_path_is_the_built_library():
    path = Path(pconv_tf.delegate_path())
    assert path.is_absolute()
    assert path.name == "libpconv_delegate.so"


def test_path_override(tmp_path, monkeypatch):
    library = tmp_path / "other.so"
    library.touch()
    monkeypatch.setenv("PCONV_DELEGATE", str(library))
    assert pconv_tf.delegate_path() == str(library)
    monkeypatch.setenv("PCONV_DELEGATE", str(tmp_path / "missing.so"))
    with pytest.raises(FileNotFoundError, match=r"PCONV_DELEGATE is .*missing\.so': no such file"):
        pconv_tf.delegate_path()


def test_missing_library_says_how_to_build(tmp_path, monkeypatch):
    monkeypatch.delenv("PCONV_DELEGATE", raising=False)
    monkeypatch.setattr(delegate_module, "_PACKAGE", tmp_path / "pconv_tf")
    with pytest.raises(FileNotFoundError, match="make setup") as error:
        pconv_tf.delegate_path()
    assert "bazel build //delegate:libpconv_delegate.so" in str(error.value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_library_that_is_no_library(tmp_path, monkeypatch, runtime):
    library = tmp_path / "text.so"
    library.write_text("not a library")
    monkeypatch.setenv("PCONV_DELEGATE", str(library))
    with pytest.raises(ValueError, match=r"text\.so: cannot be loaded"):
        pconv_tf.load_delegate(runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_wrong_options(runtime):
    with pytest.raises(ValueError) as error:
        pconv_tf.load_delegate({"backend": "gpu"}, runtime=runtime)
    assert str(error.value) == (
        "PConv delegate: option 'backend' is 'gpu', accepted: auto|cpu|opencl|reference"
    )
    with pytest.raises(ValueError, match=r"unknown option 'threads', accepted are:") as error:
        pconv_tf.load_delegate({"threads": 2}, runtime=runtime)
    assert "num_threads (0 to 256; default 0)" in str(error.value)


def test_options_are_converted_to_text():
    pconv_tf.load_delegate({"num_threads": 2, "profile": False, "verbose": True})


def test_environment_is_a_fallback(monkeypatch):
    monkeypatch.setenv("PCONV_BACKEND", "abacus")
    with pytest.raises(ValueError, match=r"environment variable PCONV_BACKEND: option 'backend'"):
        pconv_tf.load_delegate()
    pconv_tf.load_delegate({"backend": "reference"})


def test_unknown_runtime():
    with pytest.raises(ValueError, match=r"runtime: expected one of litert, tf\. Received: 'onnx'"):
        pconv_tf.load_delegate(runtime="onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_delegate_the_runtime_names_the_operation(converted, runtime):
    module = delegate_module.runtime_module(runtime)
    interpreter = module.Interpreter(model_content=converted)
    with pytest.raises(RuntimeError, match="Encountered unresolved custom op: PConv2D"):
        interpreter.allocate_tensors()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_missing_and_corrupt_models(converted, tmp_path, runtime):
    with pytest.raises(FileNotFoundError, match=r"nothing\.tflite: no such file"):
        pconv_tf.Interpreter(tmp_path / "nothing.tflite", runtime=runtime)
    corrupt = tmp_path / "corrupt.tflite"
    for content in (b"", b"no model", converted[:200], b"\0" * 1000):
        corrupt.write_bytes(content)
        with pytest.raises(ValueError, match=r"corrupt\.tflite: cannot be run: \S"):
            pconv_tf.Interpreter(corrupt, runtime=runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_malformed_layer_is_named(converted, runtime):
    newer = converted.replace(b"version\0", b"versiom\0")
    assert newer != converted
    with pytest.raises(
        ValueError, match=r"PConv2D 'conv_2d.*' \(node 0\): custom option 'version' is missing"
    ):
        pconv_tf.Interpreter(newer, runtime=runtime)


def test_call_checks_inputs(converted):
    interpreter = pconv_tf.Interpreter(converted)
    with pytest.raises(ValueError, match=r"the model has 1 inputs\. Received: 0"):
        interpreter()
    with pytest.raises(ValueError, match=r"inputs of shape \(1, 8, 9, 5\) cannot be run"):
        interpreter(np.zeros((1, 8, 9, 5), np.float32))
    assert interpreter(np.zeros((1, 8, 9, 6), np.float32)).shape == (1, 8, 9, 8)
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 8, 9, 6]


def test_profile_and_verbose_log(converted, capfd):
    interpreter = pconv_tf.Interpreter(converted, options={"profile": True, "verbose": True})
    interpreter(np.zeros((1, 8, 9, 6), np.float32))
    del interpreter
    log = capfd.readouterr().err
    assert "INFO: PConv delegate: node 0 custom PConv2D: claimed" in log
    assert "INFO: PConv delegate: claims 1 of 1 nodes, 1 of them PConv2D" in log
    assert "total (mean of 1 runs)" in log
    weights, activations = re.search(
        r"(\d+) bytes of weights, (\d+) bytes of activations", log
    ).groups()
    assert int(weights) > 0 and int(activations) > 0
    assert (
        f"memory: activations {int(activations) / 1e6:.3f} MB, "
        f"packed weights {int(weights) / 1e6:.3f} MB\n"
    ) in log


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_two_interpreters_at_once(converted, runtime):
    """Threads of one process, each with an interpreter and a delegate of its own."""
    inputs = np.random.default_rng(0).uniform(-1, 1, (20, 1, 8, 9, 6)).astype(np.float32)
    expected = [pconv_tf.Interpreter(converted, runtime=runtime)(x) for x in inputs]

    def run(_: int) -> list[np.ndarray]:
        interpreter = pconv_tf.Interpreter(converted, num_threads=2, runtime=runtime)
        return [interpreter(x) for x in inputs]

    with ThreadPoolExecutor(2) as pool:
        for outputs in pool.map(run, range(4)):
            np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_importing_loads_no_runtime():
    code = (
        "import sys, pconv_tf.runtime.delegate, pconv_tf.runtime.interpreter;"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'ai_edge_litert')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": "."})


def test_plugin_reports_errors_without_callback():
    """The C++ loader passes no error callback; the message then goes to stderr."""
    code = (
        "import ctypes, pconv_tf\n"
        "lib = ctypes.CDLL(pconv_tf.delegate_path())\n"
        "lib.tflite_plugin_create_delegate.restype = ctypes.c_void_p\n"
        "strings = ctypes.c_char_p * 1\n"
        "made = lib.tflite_plugin_create_delegate(strings(b'claim'), strings(b'x'),"
        " ctypes.c_size_t(1), None)\n"
        "assert made is None\n"
        "lib.tflite_plugin_destroy_delegate(None)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    )
    assert result.returncode == 0, result.stderr
    assert "ERROR: PConv delegate: option 'claim' is 'x', accepted: pconv|all" in result.stderr


def test_delegate_outlives_its_options():
    """The runtime frees the option strings as soon as the delegate is made."""
    delegate = pconv_tf.load_delegate({"cache_dir": "/tmp/" + "x" * 100})
    builder = ModelBuilder()
    x = builder.input(4, 4, 2)
    w = pattern_weights(np.random.default_rng(1), 4, 3, 2, density=1)
    model = builder.finish(builder.conv(x, w, np.zeros(4, np.float32)))
    interpreter = litert.Interpreter(
        model_content=pconv_tf.convert(model, force=True, quiet=True),
        experimental_delegates=[delegate],
    )
    interpreter.allocate_tensors()
    interpreter.invoke()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_knows_the_partitions_of_a_delegate_that_was_first(delegate, converted, capfd, runtime):
    module = delegate_module.runtime_module(runtime)
    first = pconv_tf.load_delegate(runtime=runtime)
    second = pconv_tf.load_delegate({"verbose": True}, runtime=runtime)
    interpreter = module.Interpreter(
        model_content=converted, experimental_delegates=[first, second]
    )
    interpreter.allocate_tensors()
    assert "refused, belongs to another delegate" in capfd.readouterr().err


def test_quiet_says_nothing_but_warnings(delegate, converted, capfd):
    pconv_tf.Interpreter(converted, options={"quiet": True})
    assert "PConv delegate" not in capfd.readouterr().err
    pconv_tf.Interpreter(converted)
    assert "INFO: PConv delegate: claims" in capfd.readouterr().err
