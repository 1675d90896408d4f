"""What the package states about itself."""

import re
import subprocess
import sys
from pathlib import Path

import pconv_tf

ROOT = Path(__file__).parents[1]


def test_the_version_is_one():
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)[1] == (
        pconv_tf.__version__
    )
    assert f"## {pconv_tf.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_files_run_and_convert_without_tensorflow_and_keras(delegate, tmp_path):
    """What the base dependencies promise, with the extras' packages out of reach."""
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf_keras', 'matplotlib'): sys.modules[name] = None\n"
        "import numpy as np, pconv_tf\n"
        "from pconv_tf.cli.main import main\n"
        "from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel\n"
        "rng = np.random.default_rng(0)\n"
        "kernel = random_pruned_kernel((3, 3, 16, 16), taps=4, kept=0.3, filter_block=1, rng=rng)\n"
        f"path = {str(tmp_path)!r}\n"
        "open(path + '/d.tflite', 'wb').write(conv_chain([kernel], 12))\n"
        "pconv_tf.convert(path + '/d.tflite', output=path + '/p.tflite', force=True, quiet=True)\n"
        "assert pconv_tf.Interpreter(path + '/p.tflite')(np.ones((1, 12, 12, 16), 'f')).any()\n"
        "assert main(['inspect', path + '/p.tflite']) == 0\n"
        "assert main(['doctor']) == 0\n"
        "assert main(['prune', '--model=x.keras', '--config=vgg16_cifar10', '--one_shot',"
        " '--output=' + path + '/o.keras']) == 2\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
