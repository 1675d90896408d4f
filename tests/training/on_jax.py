"""A file's Keras 3 tests once more, with JAX as the backend, which Keras reads when it starts."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def on_jax(file: str) -> Callable[[], None]:
    """The test that runs the tests of `file` in a process of their own."""

    @pytest.mark.slow
    @pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is the inner run")
    def test() -> None:
        pytest.importorskip("jax")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-k", "keras and not tf_keras", file],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"KERAS_BACKEND": "jax"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    return test
