"""Models whose height and width are free."""

import numpy as np
import pytest

import pconv_tf


@pytest.mark.parametrize("kind", ["pool", "valid", "strided", "average", "same"])
def test_opened_without_a_size(keras3, rng, delegate, kind):
    keras, layers = keras3, keras3.layers
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, padding="same")(image)
    x = {
        "pool": layers.MaxPooling2D(2),
        "valid": layers.Conv2D(8, 3),
        "strided": layers.Conv2D(8, 5, strides=2),
        "average": layers.AveragePooling2D(3),
        "same": layers.ReLU(),
    }[kind](x)
    model = keras.Model(image, layers.Conv2D(8, 3, padding="same")(x))
    pconv_tf.prune_one_shot(model, {"connectivity_rate": 2.0})
    interpreter = pconv_tf.Interpreter(pconv_tf.convert(model, force=True, quiet=True))
    for shape in ((1, 12, 10, 3), (2, 9, 16, 3)):
        data = rng.random(shape, dtype="f4")
        expected = np.asarray(model(data))
        assert np.abs(interpreter(data) - expected).max() <= 1e-4 * np.abs(expected).max()
    if kind == "valid":
        with pytest.raises(ValueError, match="cannot be run"):
            interpreter(rng.random((1, 1, 1, 3), dtype="f4"))


def test_wrong_layers_are_still_told_at_once(pruned_tflite):
    from pconv_tf.conversion import model_file

    file = model_file.read(pruned_tflite.read_bytes(), "small")
    for operator in file.model.subgraphs[0].operators:
        if operator.customOptions is not None:
            operator.customOptions = operator.customOptions[:-4]
    with pytest.raises(ValueError, match="cannot be run"):
        pconv_tf.Interpreter(model_file.write(file))
