"""Several devices, several processes and the JAX backend give what one TensorFlow device gives."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def start(framework, devices, output, *arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in ("TF_CONFIG", "KERAS_BACKEND")}
    environment |= variables
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), *sys.path])
    command = [sys.executable, HERE / "training_worker.py", framework, devices, output, *arguments]
    return subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    try:
        text, _ = process.communicate(timeout=900)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, text[-3000:]


def result(path):
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def assert_same(one, other, *, exact=False):
    assert set(one) == set(other)
    for name, array in one.items():
        if name.startswith("mask") or exact:
            np.testing.assert_array_equal(array, other[name], err_msg=name)
        else:
            np.testing.assert_allclose(array, other[name], atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "keras.npz"
    finish(start("keras", "one", path))
    return result(path)


@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
def test_mirrored_strategy(framework, on_one_device, tmp_path):
    path = tmp_path / "mirrored.npz"
    finish(start(framework, "mirrored", path))
    assert_same(result(path), on_one_device)


def test_multi_worker_strategy(on_one_device, tmp_path):
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (first, second)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    paths = [tmp_path / f"worker{i}.npz" for i in range(2)]
    workers = []
    for i, path in enumerate(paths):
        task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}})
        workers.append(start("tf_keras", "workers", path, tmp_path / f"c{i}", TF_CONFIG=task))
    for worker in workers:
        finish(worker)
    assert_same(result(paths[0]), result(paths[1]), exact=True)
    assert_same(result(paths[0]), on_one_device)
    assert (tmp_path / "c0" / "pconv_checkpoint.npz").is_file()
    assert not (tmp_path / "c1").exists()  # One worker writes.


needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")


@needs_jax
def test_jax_resumes_after_a_kill(on_one_device, tmp_path):
    """The whole callback on JAX: same masks as TensorFlow, also when killed in every phase."""
    whole, pieces = tmp_path / "whole.npz", tmp_path / "pieces.npz"
    finish(start("keras", "one", whole, KERAS_BACKEND="jax"))
    assert_same(result(whole), on_one_device)
    for epoch in ("1", "3"):
        killed = start("keras", "one", pieces, tmp_path / "run", epoch, KERAS_BACKEND="jax")
        killed.communicate(timeout=900)
        assert killed.returncode == 9
    finish(start("keras", "one", pieces, tmp_path / "run", KERAS_BACKEND="jax"))
    one, other = result(whole), result(pieces)
    assert len(other.pop("primal")) == 2 and len(one.pop("primal")) == 5
    assert_same(one, other, exact=True)


@needs_jax
def test_jax_data_parallel(on_one_device, tmp_path):
    path = tmp_path / "parallel.npz"
    finish(start("keras", "jax_parallel", path, KERAS_BACKEND="jax"))
    assert_same(result(path), on_one_device)
