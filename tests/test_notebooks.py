"""The notebooks of docs/ run from top to bottom, with fewer images than a reader would take."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def _code(notebook):
    cells = [
        cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    assert not any(cell["outputs"] for cell in cells), "clear the outputs before you commit"
    return "\n".join("".join(cell["source"]) for cell in cells)


def test_there_are_three_and_they_compile():
    assert len(NOTEBOOKS) == 3
    for notebook in NOTEBOOKS:
        compile(_code(notebook), notebook.name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, delegate, tmp_path):
    environment = os.environ | {
        "NOTEBOOK_IMAGES": "2560",  # an epoch of 20 steps, of which ADMM takes 10 for an update
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    run = subprocess.run(
        [sys.executable, "-c", _code(notebook)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert list(tmp_path.glob("*.tflite"))
