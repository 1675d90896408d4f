"""The quickstart of README.md runs, with a few images in place of its own; the demo's table and
picture are of one run."""

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from pconv_tf.cli.demo import cells
from pconv_tf.demo.run import Row
from pconv_tf.runtime.delegate_choice import is_converted

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_quickstart_runs(delegate, tmp_path, monkeypatch, rng, capsys):
    import keras

    # An epoch has the 50 steps that an update takes.
    images = rng.integers(0, 256, (6400, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 6400, dtype=np.uint8)
    data = ((images, labels), (images[:500], labels[:500]))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: data)
    monkeypatch.chdir(tmp_path)
    text = README.read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text[text.index("## Quickstart") :], re.M | re.S)
    names = {}
    keras.utils.set_random_seed(0)
    exec(compile(code, "README.md", "exec"), names)
    assert is_converted("fashion_pconv.tflite") and not is_converted("fashion_dense.tflite")
    assert names["config"].warmup_epochs > 0  # random weights have no patterns worth mining
    kernel = names["model"].layers[8].get_weights()[0]
    assert np.mean(kernel != 0) == pytest.approx(4 / 9 / 3.6, rel=0.02)
    last = capsys.readouterr().out.splitlines()[-3:]
    assert "accuracy" in last[0] and all(" ms, " in line for line in last[1:])


def test_the_demo_s_table_holds_what_its_picture_shows():
    with PIL.Image.open(README.parent / "docs" / "images" / "demo.png") as picture:
        rows = json.loads(picture.text["Description"])
    table = [f"| {' | '.join(cells(Row(**row)))} |" for row in rows]
    lines = README.read_text().splitlines()
    assert len(table) == 3
    assert [line for line in lines if line in table] == table
