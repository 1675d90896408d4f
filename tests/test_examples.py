"""Every script of examples/ runs; one whose packages are not installed here is skipped.

An example that says `Needs: PACKAGES` runs in an environment of its own, which has them.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "compatibility"))

import matrix

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, delegate, tmp_path):
    needs = re.search(r"^Needs: (.*)\.$", example.read_text(), re.M)
    if needs is not None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        packages = tuple(needs[1].split(", "))
        python = matrix.environment(matrix.Row("example", version, packages))
        if isinstance(python, str):
            pytest.skip(python)
    else:
        python = sys.executable
        for package in re.findall(r"^import (\w+)", example.read_text(), re.M):
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")
    run = subprocess.run(
        [str(python), str(example)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert [*tmp_path.glob("*.tflite"), *tmp_path.glob("*.keras")]
