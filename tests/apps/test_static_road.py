"""The registered operation in a real TFLite, without a delegate."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "compatibility"))

import matrix  # noqa: E402

LIBRARY = ROOT / "bazel-bin" / "examples" / "app" / "libregister_pconv.so"


@pytest.mark.slow
def test_a_converted_file_runs_in_tflite_by_the_registered_operation(delegate):
    python = matrix.environment(matrix.TFLITE_RUNTIME)
    if isinstance(python, str):
        pytest.skip(f"tflite-runtime: {python}")
    assert LIBRARY.is_file(), "run `bazel build //examples/app:libregister_pconv.so`"
    command = [python, ROOT / "tests/apps/static_road.py", LIBRARY, matrix.FILE, *matrix.example()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "claims" not in run.stderr  # no delegate
