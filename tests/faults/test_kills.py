"""What a killed process was writing is old or new, and the next run cleans up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_killed_writers_lose_nothing(dense_tflite, tmp_path):
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(script), str(dense_tflite), str(tmp_path), "--kills=25"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert json.loads(done.stdout)["problems"] == []


def killed_training(folder: Path, kills: int) -> dict[str, object]:
    script = Path(__file__).with_name("killed_training.py")
    command = [sys.executable, str(script), str(folder), f"--kills={kills}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_killed_training_ends_as_if_it_never_was(tmp_path):
    result = killed_training(tmp_path, kills=8)
    assert result["problems"] == []
    assert result["ended"] >= 1
