"""Random numbers, Keras, small .tflite files, and the built delegate."""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest


@pytest.fixture(scope="session", autouse=True)
def _cpu():
    """The processor that the converter decides for where a test names none: PCONV_TEST_CPU_FLAGS.

    So that no expectation comes from the machine at hand. Commands in processes of their own decide
    for that machine all the same.
    """
    flags = os.environ.get("PCONV_TEST_CPU_FLAGS")
    if flags is None:
        yield
        return
    from pconv_tf.conversion import targets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "cpu_info", lambda: {"flags": flags})
        yield


@pytest.fixture
def rng():
    """A generator whose seed is printed when the test fails."""
    seed = int(os.environ.get("PCONV_TEST_SEED", "20200213"))
    print(f"seed: {seed} (set PCONV_TEST_SEED to change it)")
    return np.random.default_rng(seed)


@pytest.fixture
def keras3():
    """Keras 3, seeded."""
    import keras

    keras.utils.set_random_seed(7)
    return keras


@pytest.fixture(scope="session")
def delegate() -> str:
    """The built delegate."""
    import pconv_tf

    try:
        return pconv_tf.delegate_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_model():
    """A stride, a pool, a branch, a dense top: 7 operators or so."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    inputs = keras.Input((16, 16, 3), batch_size=1, name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="first")(inputs)
    y = layers.Conv2D(16, 3, padding="same", activation="relu", name="second")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="third")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(10, name="top")(x))


@pytest.fixture(scope="session")
def dense_tflite(small_model, tmp_path_factory) -> Path:
    """The small model, unpruned, as stock TFLite."""
    import tensorflow as tf

    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(small_model).convert())
    return path


@pytest.fixture(scope="session")
def other_tflite(dense_tflite, tmp_path_factory) -> Path:
    """The small model with other weights: the same shapes, another function."""
    from pconv_tf.conversion import model_file

    file = model_file.read(dense_tflite.read_bytes(), "small")
    largest = max(file.model.buffers, key=lambda b: 0 if b.data is None else len(b.data))
    largest.data = (np.frombuffer(bytes(largest.data), np.float32) * 2).view(np.uint8)
    path = tmp_path_factory.mktemp("models") / "other.tflite"
    path.write_bytes(model_file.write(file))
    return path


@pytest.fixture(scope="session")
def pruned_model(small_model):
    """The small model, pruned at once."""
    import keras

    import pconv_tf

    copy = keras.models.clone_model(small_model)
    return pconv_tf.prune_one_shot(copy, {"pattern_set": "pconv4"})


@pytest.fixture(scope="session")
def pruned_tflite(pruned_model, tmp_path_factory) -> Path:
    """The pruned model, converted."""
    import pconv_tf

    path = tmp_path_factory.mktemp("models") / "small_pconv.tflite"
    pconv_tf.convert(pruned_model, output=path, force=True, quiet=True)
    return path


@pytest.fixture(scope="session")
def pruned_twin(pruned_model, tmp_path_factory) -> Path:
    """The pruned model as stock TFLite."""
    import pconv_tf

    path = tmp_path_factory.mktemp("models") / "small_twin.tflite"
    pconv_tf.convert_dense(pruned_model, output=path)
    return path


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """What `files` copies."""
    import keras
    from pruned_models import small_net

    import pconv_tf

    keras.utils.set_random_seed(7)
    net = small_net(keras, np.random.default_rng(7))
    folder = tmp_path_factory.mktemp("files")
    for weights in ("float32", "float16", "int8"):
        path = folder / f"{weights}.tflite"
        pconv_tf.convert(net, output=path, force=True, quiet=True, weights=weights)
    pconv_tf.convert_dense(net, output=folder / "twin.tflite")
    return folder


@pytest.fixture
def files(written, tmp_path):
    """A folder with the small net in every weight type, and its twin."""
    return Path(shutil.copytree(written, tmp_path / "files"))
