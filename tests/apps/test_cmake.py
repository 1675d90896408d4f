"""CMakeLists.txt: it compiles what Bazel does, and its package serves an application."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
from bazel_sources import compiled

import pconv_tf

ROOT = Path(__file__).parents[2]
TARGETS = ("//delegate:plugin", "//delegate:register")
LITERT = Path(ai_edge_litert.__file__).with_name("libLiteRt.so")
# Lets CMake take a processor's name from outside; nothing is compiled for it.
CROSS = ("-DCMAKE_SYSTEM_NAME=Linux", "-DOPENCL_HEADERS=/usr/include")

pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is missing")


def _run(*command, **kwargs):
    run = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    assert run.returncode == 0, f"{shlex.join(command)}\n{run.stdout}\n{run.stderr}"
    return run.stdout


def _configure(source, build, *options):
    _run(
        "cmake", "-S", str(source), "-B", str(build), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options
    )


def _for_kernels(options):
    """The options that decide how kernels are compiled."""
    return tuple(sorted(o for o in options if o.startswith(("-m", "-fno-"))))


@pytest.mark.parametrize("x86_64", [True, False], ids=["x86_64", "aarch64"])
def test_it_compiles_what_bazel_does(x86_64, tmp_path):
    processor = "x86_64" if x86_64 else "aarch64"
    _configure(ROOT, tmp_path, f"-DCMAKE_SYSTEM_PROCESSOR={processor}", *CROSS)
    found = set()
    for entry in json.loads((tmp_path / "compile_commands.json").read_text()):
        source = Path(entry["file"]).relative_to(ROOT).as_posix()
        found.add((source, _for_kernels(shlex.split(entry["command"]))))
    expected = {(s, _for_kernels(options)) for s, options in compiled(TARGETS, x86_64=x86_64)}
    # Of the binary itself, which adds only this file to the plugin.
    expected.add(("delegate/glibc_compat.cc", ()))
    assert found == expected


def test_opencl_kernels_are_embedded_as_they_are(tmp_path):
    _configure(ROOT, tmp_path)
    text = (tmp_path / "generated/delegate/opencl/kernel_texts.h").read_text()
    kernels = sorted((ROOT / "delegate/opencl/kernels").glob("*.cl"))
    assert len(kernels) >= 10
    for kernel in kernels:
        assert f'{kernel.stem}[] = R"CLSOURCE(\n{kernel.read_text()})CLSOURCE";' in text


@pytest.fixture(scope="module")
def app(delegate, tmp_path_factory):
    """The programs of examples/app beside the package, which CMake installs around Bazel's library.

    That library takes minutes to compile: here it is one source, to see that it does.
    """
    folder = tmp_path_factory.mktemp("cmake")
    build, prefix, app = folder / "build", folder / "prefix", folder / "app"
    _configure(ROOT, build, "-G", "Unix Makefiles", "-DCMAKE_INSTALL_LIBDIR=lib")
    _run("make", "-C", str(build), "delegate/plugin.o")
    shutil.copy(delegate, build / "libpconv_delegate.so")
    _run("cmake", "--install", str(build), "--component", "delegate", "--prefix", str(prefix))
    options = (
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DLITERT_LIBRARY={LITERT}",
        "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror",
    )
    _configure(ROOT / "examples/app", app, *options)
    _run("cmake", "--build", str(app))
    return app


def test_an_application_makes_the_delegate(app):
    assert "made with 3 options" in _run(str(app / "delegate_options"), "backend=cpu")
    wrong = subprocess.run(
        [str(app / "delegate_options"), "backend=tpu"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert "option 'backend' is 'tpu', accepted: auto" in wrong.stderr


def test_an_application_runs_a_compiled_model(app, tmp_path, rng):
    file = ROOT / "zoo" / "fashion_mnist_vgg16_quarter_8x.tflite"
    interpreter = pconv_tf.Interpreter(str(file))
    x = rng.uniform(size=interpreter.get_input_details()[0]["shape"]).astype(np.float32)
    # The very library that the program is linked with: the options wait in it.
    library = app.parent / "prefix" / "lib" / "libpconv_delegate.so"
    (tmp_path / "libLiteRtGpuAccelerator.so").symlink_to(library)
    command = [app / "compiled_model", file, tmp_path]
    run = subprocess.run(command, input=x.tobytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    assert b"fully accelerated: yes" in run.stderr
    np.testing.assert_array_equal(np.frombuffer(run.stdout, np.float32), interpreter(x).ravel())
