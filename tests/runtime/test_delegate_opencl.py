"""The delegate's OpenCL engine against the dense twin, in processes without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_delegate_numerics import assert_close, every_operation, run_dense

import pconv_tf

# TensorFlow brings an LLVM of its own, whose symbols PoCL's compiler would find (docs/opencl.md).
_RUN = """
import json, pathlib, sys
import numpy as np
import pconv_tf
folder = pathlib.Path(sys.argv[1])
options = json.loads((folder / "options.json").read_text())
interpreter = pconv_tf.Interpreter(folder / "model.tflite", options=options)
with np.load(folder / "inputs.npz") as inputs:
    for name in inputs.files:
        outputs = interpreter(inputs[name])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        np.savez(folder / f"{name}.npz", *outputs)
assert "tensorflow" not in sys.modules
"""


def run_on_opencl(
    model: bytes, inputs: list[np.ndarray], options: dict[str, str], folder: Path
) -> list[list[np.ndarray]]:
    """Outputs per input; without an OpenCL device the test is skipped, or fails if one is required
    (PCONV_REQUIRE_OPENCL=1)."""
    (folder / "model.tflite").write_bytes(model)
    options = {"backend": "opencl", "verbose": "true", **options}
    (folder / "options.json").write_text(json.dumps(options))
    names = [f"run{i}" for i in range(len(inputs))]
    np.savez(folder / "inputs.npz", **dict(zip(names, inputs, strict=True)))
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": ".", "PCONV_CACHE_DIR": str(folder)},
    )
    if "no OpenCL" in done.stderr and os.environ.get("PCONV_REQUIRE_OPENCL") != "1":
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert "on the opencl engine" in done.stderr
    outputs = []
    for name in names:
        with np.load(folder / f"{name}.npz") as arrays:
            outputs.append([arrays[key] for key in arrays.files])
    return outputs


# The delegate's precisions, and what they may differ by.
_PRECISIONS = [("fp32", 1e-4), ("fp16", 1e-2)]


@pytest.mark.parametrize(("precision", "tolerance"), _PRECISIONS)
@pytest.mark.parametrize("claim", ["pconv", "all"])
def test_operations_around(rng, tmp_path, claim, precision, tolerance):
    dense, shape = every_operation(rng)
    converted = pconv_tf.convert(dense, force=True, quiet=True)
    inputs = [rng.standard_normal((batch, *shape)).astype(np.float32) for batch in (1, 3, 1)]
    options = {"claim": claim, "precision": precision}
    for x, found in zip(inputs, run_on_opencl(converted, inputs, options, tmp_path), strict=True):
        assert_close(found, run_dense(dense, x), tolerance)


@pytest.mark.parametrize(("precision", "tolerance"), _PRECISIONS)
def test_network(rng, tmp_path, pruned_tflite, pruned_twin, precision, tolerance):
    inputs = [rng.standard_normal((1, 16, 16, 3)).astype(np.float32) for _ in range(2)]
    found = run_on_opencl(pruned_tflite.read_bytes(), inputs, {"precision": precision}, tmp_path)
    for x, outputs in zip(inputs, found, strict=True):
        assert_close(outputs, run_dense(pruned_twin.read_bytes(), x), tolerance)
