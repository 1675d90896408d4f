"""Runs a library of examples/app/register_pconv.cc in a real TFLite, without a delegate."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "compatibility"))

import matrix  # noqa: E402


def check_in_tflite(library):
    """Runs a file of zoo/ by what `library` registers; skips where tflite-runtime is missing."""
    python = matrix.environment(matrix.TFLITE_RUNTIME)
    if isinstance(python, str):
        pytest.skip(f"tflite-runtime: {python}")
    command = [python, ROOT / "tests/apps/static_road.py", library, matrix.FILE, *matrix.example()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "claims" not in run.stderr  # no delegate
