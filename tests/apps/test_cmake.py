"""CMakeLists.txt: it compiles what Bazel does, and its package serves an application."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
from bazel_sources import compiled
from registered_operation import check_in_tflite

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
    build = folder / "build"
    _configure(ROOT, build, "-G", "Unix Makefiles", "-DCMAKE_INSTALL_LIBDIR=lib")
    _run("make", "-C", str(build), "delegate/plugin.o")
    shutil.copy(delegate, build / "libpconv_delegate.so")
    return _application(folder, "--component", "delegate")


@pytest.fixture(scope="module")
def whole_app(tmp_path_factory):
    """The same programs, and all of the package compiled by CMake, with clang where there is one.

    Clang is what Android's NDK has, and everything else here is compiled with GCC. Without
    optimisation, which is most of the minutes: the compiler's last option wins.
    """
    folder = tmp_path_factory.mktemp("whole")
    launcher = folder / "unoptimized"
    launcher.write_text('#!/bin/sh\nexec "$@" -O0\n')
    launcher.chmod(0o755)
    options = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}", "-DCMAKE_INSTALL_LIBDIR=lib"]
    if shutil.which("clang++") is not None:
        options += ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"]
        options.append("-DCMAKE_CXX_FLAGS=-Werror")
    _configure(ROOT, folder / "build", *options)
    _run("cmake", "--build", str(folder / "build"), "--parallel", str(os.cpu_count()))
    return _application(folder)


def _application(folder, *components):
    """Installs what was built in `folder`/build, and builds examples/app on it in `folder`/app."""
    prefix, app = folder / "prefix", folder / "app"
    _run("cmake", "--install", str(folder / "build"), *components, "--prefix", str(prefix))
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
    found, expected = _compiled_model(app, tmp_path, rng)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_an_application_runs_on_the_library_that_cmake_compiles(whole_app, tmp_path, rng):
    assert "made with 3 options" in _run(str(whole_app / "delegate_options"), "backend=cpu")
    found, expected = _compiled_model(whole_app, tmp_path, rng)
    # Unoptimised, sums are rounded otherwise.
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_a_tflite_runs_the_operation_that_cmake_compiles(whole_app, delegate):
    check_in_tflite(whole_app / "libregister_pconv.so")


def _compiled_model(app, folder, rng):
    """What the program on LiteRT's C API computes of a random input, and what it should."""
    file = ROOT / "zoo" / "fashion_mnist_vgg16_quarter_8x.tflite"
    interpreter = pconv_tf.Interpreter(str(file))
    x = rng.uniform(size=interpreter.get_input_details()[0]["shape"]).astype(np.float32)
    # The very library that the program is linked with: the options wait in it.
    library = app.parent / "prefix" / "lib" / "libpconv_delegate.so"
    (folder / "libLiteRtGpuAccelerator.so").symlink_to(library)
    command = [app / "compiled_model", file, folder]
    run = subprocess.run(command, input=x.tobytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    assert b"fully accelerated: yes" in run.stderr
    return np.frombuffer(run.stdout, np.float32), interpreter(x).ravel()
