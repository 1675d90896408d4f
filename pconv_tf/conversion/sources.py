"""Everything that can be converted, brought to .tflite bytes.

The only module that knows TFLiteConverter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pconv_tf.conversion import keras_models, model_file, stand_ins
from pconv_tf.conversion.calibration import Calibration, CalibrationError
from pconv_tf.conversion.keras_models import Shapes
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
        pruned: for a Keras model that was pruned in this process, the share of zeros that each
            pruned layer had then.
    """

    file: ModelFile
    name: str
    num_bytes: int
    layer_names: dict[str, str] = field(default_factory=dict)
    pruned: dict[str, float] = field(default_factory=dict)


def load(
    source: Any, input_shapes: Shapes | None = None, calibration: Calibration | None = None
) -> Source:
    """Reads or converts `source`.

    Args:
        source: what to convert.
        input_shapes: shapes that fix free dimensions of inputs: by name of the input, or the shape
            of the only one; None leaves a dimension as it is. Not for .tflite files.
        calibration: data for full-integer quantisation; None leaves weights and activations as
            they are. Not for .tflite files.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if the object or file is none of the accepted kinds, or cannot be converted.
    """
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source), input_shapes, calibration)
    family = keras_models.family_of(source)
    if family is not None:
        return _from_keras(source, family, input_shapes, calibration)
    if not isinstance(source, bytes | bytearray | memoryview):
        raise ValueError(f"expected {_ACCEPTED}; found {type(source).__name__}")
    _refuse_for_tflite("model", input_shapes, calibration)
    return _parsed(bytes(source), "model")


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


def _refuse_for_tflite(name: str, shapes: Shapes | None, calibration: Calibration | None) -> None:
    if calibration is not None:
        raise ValueError(
            f"quantize: {name} is a .tflite file; convert the Keras model or SavedModel with"
            " quantize, or quantise with TensorFlow or ai-edge-quantizer and convert that file"
        )
    if shapes is not None:
        raise ValueError(
            f"input_shapes: {name} is a .tflite file, whose inputs are resized when it is run"
        )


def _from_path(path: Path, shapes: Shapes | None, calibration: Calibration | None) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if path.is_dir():
        if not (path / "saved_model.pb").exists():
            raise ValueError(f"{path}: a folder without saved_model.pb is no SavedModel")
        return _parsed(_from_saved_model(path, str(path), shapes, calibration), str(path))
    if path.suffix in (".keras", ".h5", ".hdf5"):
        model = keras_models.load(path)
        family = keras_models.family_of(model)
        assert family is not None
        return _from_keras(model, family, shapes, calibration)
    _refuse_for_tflite(str(path), shapes, calibration)
    return load_tflite(path)


def _from_keras(
    model: Any, family: str, shapes: Shapes | None, calibration: Calibration | None
) -> Source:
    name = f"model {model.name}"
    keras_models.check(model, name)
    with keras_models.computing_in_float32(model):
        source = _converted(model, family, name, shapes, calibration)
    source.pruned = dict(getattr(model, keras_models.PRUNED_ATTRIBUTE, {}))
    return source


def _converted(
    model: Any, family: str, name: str, shapes: Shapes | None, calibration: Calibration | None
) -> Source:
    if family == "tf_keras":
        traceable, quiet = True, {}
    else:
        import keras

        traceable, quiet = keras.backend.backend() == "tensorflow", {"verbose": False}
    if traceable and getattr(model, "inputs", None):
        specs = keras_models.input_specs(model, name, shapes)
        function, layer_names = _traced(model, specs)
        hint = keras_models.hint_to_fix({x.name: tuple(x.shape) for x in specs})
        if calibration is not None:
            calibration = calibration.by_name(
                {x.name: tuple(spec.shape) for x, spec in zip(model.inputs, specs, strict=True)},
                {x.name: spec.name for x, spec in zip(model.inputs, specs, strict=True)},
            )
        return _from_function(function, model, name, layer_names, hint, calibration)
    with scratch_folder() as folder:
        try:
            model.export(str(folder), **quiet)
        except (ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"{name}: Keras cannot export it ({keras_models.first_line(error)})"
            ) from None
        return _parsed(_from_saved_model(folder, name, shapes, calibration), name)


def _traced(model: Any, specs: list[Any]) -> tuple[Any, dict[str, str]]:
    """The model as a TensorFlow function, and the layer of each name scope with a kernel."""
    import tensorflow as tf

    function = tf.function(lambda *inputs: keras_models.call(model, inputs))
    function = function.get_concrete_function(*specs)
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


def _from_saved_model(
    path: Path, name: str, shapes: Shapes | None, calibration: Calibration | None
) -> bytes:
    import tensorflow as tf

    if shapes is None:
        make = tf.lite.TFLiteConverter.from_saved_model
        return _run(lambda: make(str(path)), name, calibration=calibration)
    model = tf.saved_model.load(str(path))
    function = model.signatures["serving_default"]
    _, keywords = function.structured_input_signature
    own = {key: tuple(spec.shape) for key, spec in keywords.items()}
    chosen = keras_models.fixed_shapes(own, name, shapes)
    specs = {key: tf.TensorSpec(chosen[key], spec.dtype, key) for key, spec in keywords.items()}
    fixed = tf.function(lambda **inputs: function(**inputs)).get_concrete_function(**specs)
    make = tf.lite.TFLiteConverter.from_concrete_functions
    return _run(lambda: make([fixed], model), name, calibration=calibration)


def _from_function(
    function: Any,
    model: Any,
    name: str,
    layer_names: dict[str, str],
    hint: str,
    calibration: Calibration | None,
) -> Source:
    variables = [_variable(weight) for weight in model.weights]
    if calibration is not None:  # its scales come from the weights themselves: no stand-ins
        data = _convert_function(function, variables, name, hint, calibration)
        return _parsed(data, name, layer_names)
    lean, replaced = stand_ins.substitute(function, variables)
    if replaced:
        away = {id(stand_in.variable) for stand_in in replaced}
        seen = [variable for variable in variables if id(variable) not in away]
        source = _parsed(_convert_function(lean, seen, name, hint), name, layer_names)
        if stand_ins.restore(source.file.model, replaced):
            return source
    return _parsed(_convert_function(function, variables, name, hint), name, layer_names)


def _convert_function(
    function: Any,
    variables: list[Any],
    name: str,
    hint: str,
    calibration: Calibration | None = None,
) -> bytes:
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
            return _run(lambda: converter([function], tracked), name, hint, calibration)
        converter = tf.lite.TFLiteConverter.from_saved_model
        return _run(lambda: converter(str(folder)), name, hint, calibration)


def _run(
    make: Callable[[], Any], name: str, hint: str = "", calibration: Calibration | None = None
) -> bytes:
    import tensorflow as tf

    try:
        converter = make()
        # TensorFlow would parse and write the whole file twice more in Python: to add a note on
        # the conversion, and to merge equal buffers, which it leaves to the reader of a file with
        # buffers of their own.
        converter.exclude_conversion_metadata = True
        converter._experimental_use_buffer_offset = calibration is None  # quantiser: cannot read it
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = calibration.samples
            io_type = getattr(tf, calibration.io_type)
            converter.inference_input_type = converter.inference_output_type = io_type
        return converter.convert()
    except CalibrationError:
        raise
    except Exception as error:
        known = (ValueError, RuntimeError, TypeError, tf.errors.OpError)
        if not isinstance(error, known) and type(error).__name__ != "ConverterError":
            raise  # ConverterError has no public name
        reason = keras_models.first_line(error)
        raise ValueError(f"{name}: TFLite cannot convert it ({reason}){hint}") from None
