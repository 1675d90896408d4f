"""Everything that can be converted, brought to .tflite bytes.

The only module that knows TFLiteConverter.
"""

from __future__ import annotations

import json
import keyword
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pconv_tf.conversion import model_file, stand_ins
from pconv_tf.conversion.graph import text
from pconv_tf.conversion.model_file import ModelFile
from pconv_tf.files import scratch_folder

_ACCEPTED = (
    "a Keras 3 or tf_keras model, a SavedModel folder, a .keras, .h5 or .tflite file, or the"
    " bytes of a .tflite file"
)


@dataclass
class Source:
    """A dense TFLite model.

    Attributes:
        file: the model.
        name: what to call it in messages.
        num_bytes: size of the .tflite file.
        layer_names: for a Keras model, the layer name for each name scope of its tensors.
    """

    file: ModelFile
    name: str
    num_bytes: int
    layer_names: dict[str, str] = field(default_factory=dict)


def load(source: Any) -> Source:
    """Reads or converts `source`.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if the object or file is none of the accepted kinds, or cannot be converted.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _parsed(bytes(source), "model")
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source))
    family = _keras_family(source)
    if family is None:
        raise ValueError(f"expected {_ACCEPTED}; found {type(source).__name__}")
    return _from_keras(source, family)


def load_tflite(source: Any) -> Source:
    """Reads a .tflite file, given as path or bytes.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if it is no whole .tflite file.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _parsed(bytes(source), "model")
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size > model_file.MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; a .tflite file has at most 2 GB")
    return _parsed(path.read_bytes(), str(path))


def _parsed(data: bytes, name: str, layer_names: dict[str, str] | None = None) -> Source:
    return Source(model_file.read(data, name), name, len(data), layer_names or {})


def _from_path(path: Path) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise ValueError(f"{path}: a folder without saved_model.pb is no SavedModel")
        return _parsed(_from_saved_model(path, str(path)), str(path))
    if path.suffix in (".keras", ".h5", ".hdf5"):
        model = _load_keras_file(path)
        family = _keras_family(model)
        assert family is not None
        return _from_keras(model, family)
    return load_tflite(path)


def _keras_family(model: Any) -> str | None:
    """The package of the Keras whose model `model` is: "keras" or "tf_keras"; None for others."""
    for base in type(model).__mro__:
        package = base.__module__.partition(".")[0]
        if package in ("keras", "tf_keras") and base.__name__ == "Model":
            return package
    return None


def _load_keras_file(path: Path) -> Any:
    """Loads a saved model with the Keras that wrote it."""
    version = _keras_version(path)
    try:
        if version.startswith("2."):
            import tf_keras as keras
        else:
            import keras
    except ImportError as error:
        raise ValueError(
            f"{path}: was saved by Keras {version}; {error.name} is not installed"
        ) from None
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ValueError(f"{path}: Keras cannot load it ({_first_line(error)})") from None


def _keras_version(path: Path) -> str:
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        import h5py

        with h5py.File(path) as file:
            return str(text(file.attrs["keras_version"]))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise ValueError(f"{path}: not a model saved by Keras") from None


def _from_keras(model: Any, family: str) -> Source:
    name = f"model {model.name}"
    if not model.built:
        raise ValueError(f"{name} has no weights yet: build it, or call it once on data")
    if family == "tf_keras":
        traceable, quiet = True, {}
    else:
        import keras

        traceable, quiet = keras.backend.backend() == "tensorflow", {"verbose": False}
    if traceable and getattr(model, "inputs", None):
        function, layer_names = _traced(model)
        return _from_function(function, model, name, layer_names)
    with scratch_folder() as folder:
        try:
            model.export(str(folder), **quiet)
        except (ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"{name}: Keras cannot export it ({_first_line(error)})") from None
        return _parsed(_from_saved_model(folder, name), name)


def _traced(model: Any) -> tuple[Any, dict[str, str]]:
    """The model as a TensorFlow function, and the layer of each name scope with a kernel."""
    import tensorflow as tf

    specs = [tf.TensorSpec(x.shape, x.dtype, name=_identifier(x.name)) for x in model.inputs]

    def call(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    function = tf.function(call).get_concrete_function(*specs)
    paths = {id(_variable(weight).handle): _path(weight) for weight in model.weights}
    layers = {
        id(internal): paths[id(external)].rpartition("/")[0].removeprefix(f"{model.name}/")
        for external, internal in function.graph.captures
        if "kernel" in paths.get(id(external), "").rpartition("/")[2]
    }
    names = {}
    for operation in function.graph.get_operations():
        if operation.type == "ReadVariableOp" and id(operation.inputs[0]) in layers:
            layer = layers[id(operation.inputs[0])]
            names[_scope(operation.name, layer)] = layer
    return function, names


def _identifier(name: str) -> str:
    """`name` as the name of a Python argument, which is what TensorFlow makes of inputs."""
    word = re.sub(r"\W|^(?=\d)", "_", name)
    return f"{word}_" if keyword.iskeyword(word) else word


def _variable(weight: Any) -> Any:
    """The TensorFlow variable of a Keras 3 or tf_keras weight."""
    return weight.value if hasattr(weight, "path") else weight


def _path(weight: Any) -> str:
    return getattr(weight, "path", None) or weight.name.partition(":")[0]


def _scope(operation: str, layer: str) -> str:
    """The innermost scope of `layer` in the name of an operation inside it.

    TensorFlow appends numbers to scopes it has met before: conv2d_1 for the layer conv2d.
    """
    scope = operation.rpartition("/")[0]
    own = re.compile(rf"{re.escape(layer.rpartition('/')[2])}(_\d+)?")
    candidate = scope
    while candidate and not own.fullmatch(candidate.rpartition("/")[2]):
        candidate = candidate.rpartition("/")[0]
    return candidate or scope


def _from_saved_model(path: Path, name: str) -> bytes:
    import tensorflow as tf

    return _run(lambda: tf.lite.TFLiteConverter.from_saved_model(str(path)), name)


def _from_function(function: Any, model: Any, name: str, layer_names: dict[str, str]) -> Source:
    variables = [_variable(weight) for weight in model.weights]
    lean, replaced = stand_ins.substitute(function, variables)
    if replaced:
        away = {id(stand_in.variable) for stand_in in replaced}
        seen = [variable for variable in variables if id(variable) not in away]
        source = _parsed(_convert_function(lean, seen, name), name, layer_names)
        if stand_ins.restore(source.file.model, replaced):
            return source
    return _parsed(_convert_function(function, variables, name), name, layer_names)


def _convert_function(function: Any, variables: list[Any], name: str) -> bytes:
    import tensorflow as tf

    # The converter reads weights from a SavedModel: half the time and memory of freezing a large
    # model. Its own would be left in the system's temporary folder by a process that is killed.
    tracked = tf.Module()
    tracked.weights = variables
    with scratch_folder() as folder:
        try:
            tf.saved_model.save(tracked, str(folder), signatures=function)
        except (AssertionError, ValueError, TypeError, NotImplementedError):
            # It reads more than variables, tables for instance: the converter freezes the function.
            converter = tf.lite.TFLiteConverter.from_concrete_functions
            return _run(lambda: converter([function], tracked), name)
        return _from_saved_model(folder, name)


def _run(make: Callable[[], Any], name: str) -> bytes:
    import tensorflow as tf

    try:
        converter = make()
        # TensorFlow would parse and write the whole file twice more in Python: to add a note on
        # the conversion, and to merge equal buffers, which it leaves to the reader of a file with
        # buffers of their own.
        converter.exclude_conversion_metadata = True
        converter._experimental_use_buffer_offset = True
        return converter.convert()
    except (ValueError, RuntimeError, TypeError, tf.errors.OpError) as error:
        raise ValueError(f"{name}: TFLite cannot convert it ({_first_line(error)})") from None
    except Exception as error:  # ConverterError has no public name
        if type(error).__name__ != "ConverterError":
            raise
        raise ValueError(f"{name}: TFLite cannot convert it ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
