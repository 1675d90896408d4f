"""The quickstart of README.md runs, with a small network and a few images in place of its own; the
demo's table and picture are of one run."""

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


def _small_vgg(*, weights, input_shape, classes):
    import keras
    from keras import layers

    assert weights is None
    x = inputs = keras.Input(input_shape)
    for name, filters in (("conv1", 16), ("conv2", 64), ("conv3", 64)):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


@pytest.mark.slow
def test_the_quickstart_runs(delegate, tmp_path, monkeypatch, rng):
    import keras

    images = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, (8, 1), dtype=np.uint8)
    monkeypatch.setattr(
        keras.datasets.cifar10, "load_data", lambda: ((images, labels), (images, labels))
    )
    monkeypatch.setattr(keras.applications, "VGG16", _small_vgg)
    monkeypatch.chdir(tmp_path)
    text = README.read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text[text.index("## Quickstart") :], re.M | re.S)
    names = {}
    keras.utils.set_random_seed(0)
    exec(compile(code, "README.md", "exec"), names)
    assert is_converted("vgg16_pconv.tflite") and not is_converted("vgg16_dense.tflite")
    assert names["config"].warmup_epochs > 0  # random weights have no patterns worth mining
    kernel = names["model"].get_layer("conv3").get_weights()[0]
    assert np.mean(kernel != 0) == pytest.approx(4 / 9 / 3.6, rel=0.02)
    np.testing.assert_allclose(
        names["outputs"], names["model"].predict(images[:1] / 255.0), rtol=1e-4, atol=1e-5
    )


def test_the_demo_s_table_holds_what_its_picture_shows():
    with PIL.Image.open(README.parent / "docs" / "images" / "demo.png") as picture:
        rows = json.loads(picture.text["Description"])
    table = [f"| {' | '.join(cells(Row(**row)))} |" for row in rows]
    lines = README.read_text().splitlines()
    assert len(table) == 3
    assert [line for line in lines if line in table] == table
