"""A disk that is full, read-only or broken: the error names the file, and the old file stays."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.fixture
def failing_files(tmp_path):
    """The library that makes file operations fail."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path / "failing_files.so"
    source = str(_HERE / "failing_files.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def test_every_file_operation_may_fail(failing_files, dense_tflite, tmp_path):
    folder = tmp_path / "written"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(_HERE / "file_faults.py"), str(dense_tflite), str(folder)],
        env={**os.environ, "LD_PRELOAD": str(failing_files)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    print(f"{result['injected']} injected failures")
    assert result["problems"] == []
    assert result["injected"] > 100
