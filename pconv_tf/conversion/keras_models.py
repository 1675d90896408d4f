"""Keras models as TensorFlow functions: which Keras they belong to, inputs, half precision."""

from __future__ import annotations

import contextlib
import json
import keyword
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pconv_tf.conversion.graph import text

Shape = Sequence[int | None]
Shapes = Mapping[str, Shape] | Shape

# Set by the training code: the share of zeros of each layer that was pruned.
PRUNED_ATTRIBUTE = "_pconv_pruned"
_LARGEST_METADATA = 1 << 20
_HALF = ("float16", "bfloat16")
_WRAPPERS = {
    "PruneLowMagnitude": "sparsity.keras.strip_pruning",
    "ClusterWeights": "clustering.keras.strip_clustering",
}
_PLACES = re.compile(r"^.*?: error: (loc\(.*\): )?")
_MISSING = re.compile(r"(?:Could not locate (?:class|function)|Unknown \w+:?) '?(\w+)'?")


def family_of(model: Any) -> str | None:
    """The package of the Keras whose model `model` is: "keras" or "tf_keras"; None for others."""
    for base in type(model).__mro__:
        package = base.__module__.partition(".")[0]
        if package in ("keras", "tf_keras") and base.__name__ == "Model":
            return package
    return None


def load(path: Path) -> Any:
    """Loads a saved model with the Keras that wrote it.

    Raises:
        ValueError: it cannot be loaded; names the class that Keras does not know, if it is that.
    """
    version = _version(path)
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
        raise ValueError(f"{path}: {_why_not_loaded(path, error)}") from None


def check(model: Any, name: str) -> None:
    """Refuses models that are not ready.

    Raises:
        ValueError: it has no weights yet, keeps them in a half precision, or is still in tfmot's
            wrappers.
    """
    if not model.built:
        raise ValueError(f"{name} has no weights yet: build it, or call it once on data")
    for layer in model._flatten_layers():
        kept_in = getattr(getattr(layer, "dtype_policy", None), "variable_dtype", None)
        if kept_in in _HALF and layer.weights:
            raise ValueError(
                f"{name}: layer {layer.name}: its weights are {kept_in}; build the same model with"
                " the float32 policy, give it these weights by set_weights, and convert that"
            )
        strip = _WRAPPERS.get(type(layer).__name__)
        if strip and "tensorflow_model_optimization" in type(layer).__module__:
            raise ValueError(
                f"{name}: layer {layer.name} is still in tfmot's wrapper {type(layer).__name__};"
                f" convert what tfmot.{strip}(model) returns"
            )


def input_specs(model: Any, name: str, shapes: Shapes | None) -> list[Any]:
    """What the model takes, as TensorSpecs in the order of `model.inputs`.

    Args:
        model: a model with inputs.
        name: what to call it in errors.
        shapes: shapes that fix free dimensions: by name of the input, or that of the only one.

    Raises:
        ValueError: an input is unknown, or a shape contradicts the model.
    """
    import tensorflow as tf

    inputs = {x.name: x for x in model.inputs}
    chosen = fixed_shapes({key: tuple(x.shape) for key, x in inputs.items()}, name, shapes)
    specs = []
    for key, x in inputs.items():
        dtype = tf.as_dtype(x.dtype)
        half = dtype in (tf.float16, tf.bfloat16)
        specs.append(tf.TensorSpec(chosen[key], tf.float32 if half else dtype, identifier(key)))
    return specs


def fixed_shapes(
    inputs: Mapping[str, Shape], name: str, shapes: Shapes | None
) -> dict[str, tuple[int | None, ...]]:
    """The shapes of all inputs, with free dimensions replaced where `shapes` has a number.

    Raises:
        ValueError: an input is unknown, or a shape contradicts the model.
    """
    found = {key: tuple(shape) for key, shape in inputs.items()}
    if shapes is None:
        return found
    if not isinstance(shapes, Mapping):
        if len(found) != 1:
            raise ValueError(
                f"input_shapes: {name} has {len(found)} inputs ({', '.join(found)}); give a shape"
                " for each by its name"
            )
        shapes = {next(iter(found)): shapes}
    for key, shape in shapes.items():
        if key not in found:
            raise ValueError(f"input_shapes: {name} has no input {key}, but {', '.join(found)}")
        own, new = found[key], tuple(shape)
        agree = len(own) == len(new) and all(
            mine in (None, yours) or yours in (None, mine)
            for mine, yours in zip(own, new, strict=True)
        )
        if not agree or any(size is not None and size < 1 for size in new):
            raise ValueError(
                f"input_shapes: {shown(new)} does not fit input {key} of {name}, {shown(own)}"
            )
        found[key] = tuple(
            mine if yours is None else yours for mine, yours in zip(own, new, strict=True)
        )
    return found


def hint_to_fix(inputs: Mapping[str, Shape]) -> str:
    """How to fix free dimensions, as the end of an error; empty if there are none."""
    free = {key: shape for key, shape in inputs.items() if None in tuple(shape)}
    if not free:
        return ""
    key, shape = next(iter(free.items()))
    example = ",".join(
        str(size) if size is not None else "1" if position == 0 else "64"
        for position, size in enumerate(shape)
    )
    listed = ", ".join(f"{name} {shown(tuple(own))}" for name, own in free.items())
    named = f"{key}:{example}" if len(inputs) > 1 else example
    return (
        f". Inputs with free dimensions: {listed}. If that is why, fix them, for instance with"
        f" input_shapes={{{key!r}: ({example.replace(',', ', ')})}}, or --input_shape={named}"
    )


def shown(shape: Shape) -> str:
    """A shape such as ?x32x32x3."""
    return "x".join("?" if size is None else str(size) for size in shape)


def call(model: Any, inputs: Sequence[Any]) -> Any:
    """The model's outputs for its inputs, which it may want as a list, tuple or dictionary."""
    structure = getattr(model, "_inputs_struct", None)  # Keras 3
    if structure is None:
        structure = getattr(model, "_nested_inputs", None)  # tf_keras
    if isinstance(structure, dict | list | tuple):
        return model(_packed(structure, model.inputs, inputs), training=False)
    return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)


def _packed(structure: Any, own: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """`structure` with each of the model's `own` inputs replaced by that of `inputs`."""
    if isinstance(structure, dict):
        return {key: _packed(part, own, inputs) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)([_packed(part, own, inputs) for part in structure])
    return next(given for mine, given in zip(own, inputs, strict=True) if mine is structure)


@contextlib.contextmanager
def computing_in_float32(model: Any) -> Iterator[None]:
    """Lets layers of a mixed precision compute in float32 for the time of the block.

    Their weights are float32 already.
    """
    changed = []
    try:
        for layer in model._flatten_layers():
            policy = getattr(layer, "dtype_policy", None)
            if getattr(policy, "compute_dtype", None) not in _HALF:
                continue
            if getattr(policy, "quantization_mode", None):
                continue
            changed.append((layer, policy))
            _set_policy(layer, "float32")
        yield
    finally:
        for layer, policy in changed:
            _set_policy(layer, policy)


def identifier(name: str) -> str:
    """`name` as the name of a Python argument, which is what TensorFlow makes of inputs."""
    word = re.sub(r"\W|^(?=\d)", "_", name)
    return f"{word}_" if keyword.iskeyword(word) else word


def first_line(error: Exception) -> str:
    """The first line of an error's text, without the places that TensorFlow puts before it."""
    return _PLACES.sub("", str(error).strip().partition("\n")[0])


def _set_policy(layer: Any, policy: Any) -> None:
    if hasattr(layer, "_set_dtype_policy"):  # tf_keras
        layer._set_dtype_policy(policy)
    else:
        layer.dtype_policy = policy


def _version(path: Path) -> str:
    try:
        if path.suffix == ".keras":
            return str(json.loads(_entry(path, "metadata.json"))["keras_version"])
        import h5py

        with h5py.File(path) as file:
            return str(text(file.attrs["keras_version"]))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, KeyError, ValueError, OSError):
        raise ValueError(f"{path}: not a model saved by Keras") from None


def _entry(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open(name) as entry:
        data = entry.read(_LARGEST_METADATA + 1)
    if len(data) > _LARGEST_METADATA:
        raise ValueError(f"{path}: its {name} is larger than {_LARGEST_METADATA} bytes")
    return data


def _why_not_loaded(path: Path, error: Exception) -> str:
    if "Lambda" in str(error) and "safe_mode" in str(error):
        return (
            "has a Lambda layer, whose Python code would run when it is loaded; if you trust the"
            " file, say --allow_code, or load the model with safe_mode=False and convert that"
        )
    missing = _MISSING.findall(str(error)) or (
        _custom_classes(path) if path.suffix == ".keras" else []
    )
    if missing:
        return (
            f"Keras does not know {', '.join(dict.fromkeys(missing))}; name the Python file or"
            " module that defines it with --custom_objects, or load the model and convert that"
        )
    return f"Keras cannot load it ({first_line(error)})"


def _custom_classes(path: Path) -> list[str]:
    """Classes in a model's configuration that are not Keras' own."""
    with contextlib.suppress(Exception):
        return list(_classes_in(json.loads(_entry(path, "config.json"))))
    return []


def _classes_in(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        own = isinstance(module, str) and module.partition(".")[0] in ("keras", "tf_keras")
        if isinstance(name, str) and "module" in config and not own and name != "__tensor__":
            yield name
        for part in config.values():
            yield from _classes_in(part)
    elif isinstance(config, list):
        for part in config:
            yield from _classes_in(part)
