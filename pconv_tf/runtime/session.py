"""LiteRT, and the TFLite of the TensorFlow wheel: with XNNPACK or an external delegate."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Runtime name -> (distribution, module with Interpreter, load_delegate and OpResolverType). Here,
# because this file must work where pconv_tf cannot be imported.
RUNTIMES = {
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter"),
    "tf": ("tensorflow", "tensorflow.lite.python.interpreter"),
}


def load_libraries(options: Mapping[str, Any]) -> None:
    """Loads the runtime and the delegate that a `Session` with these options needs.

    `Session` does it, too: this is for who wants to time the opening of a model alone.

    Raises:
        FileNotFoundError: The delegate does not exist.
        ValueError: The runtime is unknown, or the delegate cannot be loaded.
    """
    _runtime_module(options)
    if path := options.get("delegate"):
        _check_delegate(path)


class Session:
    """One .tflite file, loaded and ready to run.

    Args:
        model: Path of the file.
        num_threads: Threads of the interpreter.
        options: `runtime`: "litert" (default) or "tf"; `use_xnnpack`: false runs the builtin
            kernels; `delegate`: path of an external delegate; `delegate_options`: its options;
            `input_shapes`: a mapping from input name to the shape to resize it to.

    Raises:
        FileNotFoundError: The model or the delegate does not exist.
        ValueError: The runtime refuses the model, the delegate or a shape; the text names the file.

    Attributes:
        version: Of the runtime's package.
        run: Runs one inference; the interpreter's own method, so that nothing of ours stands
            between the clock and the runtime.
    """

    run: Callable[[], None]

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        module = _runtime_module(options)
        # Not that of the distribution, which has other names: nightly, tensorflow-cpu.
        self.version = str(importlib.import_module(module.__name__.split(".")[0]).__version__)
        if not Path(model).is_file():
            raise FileNotFoundError(f"{model}: no such file")
        resolver = module.OpResolverType
        try:
            self._interpreter = module.Interpreter(
                model_path=str(model),
                num_threads=num_threads,
                experimental_delegates=_delegates(module, options),
                experimental_op_resolver_type=resolver.AUTO
                if options.get("use_xnnpack", True)
                else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._resize(options.get("input_shapes") or {})
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(_explain(model, str(error))) from error
        self.run = self._interpreter.invoke

    def _resize(self, shapes: Mapping[str, Sequence[int]]) -> None:
        details = {detail["name"]: detail for detail in self._interpreter.get_input_details()}
        unknown = set(shapes) - set(details)
        if unknown:
            raise ValueError(f"no input named {sorted(unknown)[0]!r}, inputs: {', '.join(details)}")
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(details[name]["index"], list(shape))

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The runtime's details of every input: name, shape, dtype."""
        return self._interpreter.get_input_details()

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Copies one array per input into the runtime."""
        for detail, array in zip(self.inputs, arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], array)

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs of the last run."""
        details = self._interpreter.get_output_details()
        return [self._interpreter.get_tensor(detail["index"]) for detail in details]


def check_loadable(path: str) -> None:
    """Loads a delegate's library: the runtime's own attempt leaves a half-made object if it fails.

    Raises:
        ValueError: The library cannot be loaded.
    """
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise ValueError(f"delegate {path}: cannot be loaded: {error}") from error


def _runtime_module(options: Mapping[str, Any]) -> Any:
    runtime = options.get("runtime", "litert")
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: received {runtime!r}, expected one of {list(RUNTIMES)}")
    return importlib.import_module(RUNTIMES[runtime][1])


def _check_delegate(path: str) -> None:
    if not Path(path).is_file():
        raise FileNotFoundError(f"delegate {path}: no such file")
    check_loadable(path)


def _delegates(module: Any, options: Mapping[str, Any]) -> list[Any] | None:
    path = options.get("delegate")
    if not path:
        return None
    _check_delegate(path)
    return [module.load_delegate(str(path), dict(options.get("delegate_options") or {}))]


def _explain(model: str, error: str) -> str:
    text = f"{model}: {error.strip()}"
    if "unresolved custom op: PConv2D" in error:
        text += "\nThis file holds pruned layers, which need the delegate: external_delegate_path"
    return text
