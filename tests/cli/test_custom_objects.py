"""Models with classes of the user's own, from the command line."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # Every command starts TensorFlow.

DEFINITION = """
import keras

@keras.saving.register_keras_serializable("mine")
class Registered(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Plain(keras.layers.Layer):
    def call(self, x):
        return 3 * x
"""
SAVE = """
import keras
from my_layers import Plain, Registered
from keras import layers

image = keras.Input((8, 8, 3))
for name, layer in {
    "registered": Registered(), "plain": Plain(), "lambda": layers.Lambda(lambda x: 2 * x)
}.items():
    keras.Model(image, layers.Conv2D(8, 3, name="c")(layer(image))).save(f"{name}.keras")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("custom")
    (path / "my_layers.py").write_text(DEFINITION)
    subprocess.run([sys.executable, "-c", SAVE], cwd=path, check=True, capture_output=True)
    return path


def convert(folder, *arguments):
    command = [sys.executable, "-m", "pconv_tf", "convert", *arguments, "-o", "out.tflite"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1:] + done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("spec", ["my_layers.py", "my_layers"])
@pytest.mark.parametrize("name", ["registered", "plain"])
def test_classes_are_found(folder, name, spec):
    code, lines = convert(folder, f"{name}.keras", f"--custom_objects={spec}")
    assert code == 0, lines


def test_missing_classes_are_named(folder):
    (folder / "other").mkdir(exist_ok=True)
    code, lines = convert(folder / "other", "../registered.keras")
    assert code == 2
    assert "Keras does not know Registered; name the Python file or module" in lines[0]


def test_code_runs_only_if_allowed(folder):
    code, lines = convert(folder, "lambda.keras")
    assert code == 2
    assert "--allow_code" in lines[0]
    assert convert(folder, "lambda.keras", "--allow_code")[0] == 0


def test_wrong_modules_are_told(folder):
    (folder / "broken.py").write_text("1 / 0")
    for spec, message in {
        "nowhere.py": "nowhere.py: no such file",
        "no_such_module": "no_such_module cannot be imported: ModuleNotFoundError",
        "broken.py": "broken.py cannot be imported: ZeroDivisionError",
    }.items():
        code, lines = convert(folder, "plain.keras", f"--custom_objects={spec}")
        assert code == 2
        assert message in lines[0]
