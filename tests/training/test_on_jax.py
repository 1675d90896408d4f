"""Keras 3 tests of some files once more, with JAX as the backend: Keras reads it when it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# What computes with tensors itself, instead of calling Keras.
FILES = ("fake_quantization", "hard_prune", "interrupted_fit", "refitting")


@pytest.mark.slow
def test_the_same_on_jax():
    pytest.importorskip("jax")
    files = [str(HERE / f"test_{name}.py") for name in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", "keras and not tf_keras", *files],
        cwd=HERE.parents[1],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
