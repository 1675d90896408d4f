"""What a killed process was writing is old or new, and the next run cleans up."""

import json
import subprocess
import sys
from pathlib import Path


def test_killed_writers_lose_nothing(dense_tflite, tmp_path):
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(script), str(dense_tflite), str(tmp_path), "--kills=25"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert json.loads(done.stdout)["problems"] == []
