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

import pconv_tf
from pconv_tf.conversion import inspection
from pconv_tf.training.patterns import fixed_set

sys.path.insert(0, str(Path(__file__).parent / "compatibility"))

import matrix

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# Written by examples/pytorch_model.py with litert-torch 0.10.0.
EXPORTED = ROOT / "tests" / "conversion" / "pytorch_model.tflite"


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
    _run([python, example], tmp_path)
    assert [*tmp_path.glob("*.tflite"), *tmp_path.glob("*.keras")]


def test_the_zeros_of_a_pytorch_model_are_read_off_its_file(delegate, tmp_path):
    _run([sys.executable, ROOT / "examples" / "pytorch_model.py", EXPORTED], tmp_path)
    first, second = inspection.inspect((tmp_path / "pytorch_pconv.tflite").read_bytes()).layers
    assert (first.in_channels, second.in_channels) == (32, 48)
    for layer in (first, second):
        assert set(layer.patterns) == set(fixed_set("squares4").bits)
        assert layer.kernels == layer.in_channels * layer.out_channels // 3


def _run(command, folder):
    run = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PCONV_DELEGATE": pconv_tf.delegate_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
