"""LiteRT's CompiledModel API with the delegate applied."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pconv_tf.runtime.delegate import delegate_path

# The first release whose accelerator interface states its size and version.
MINIMUM_LITERT = (2, 2)
# What LiteRT loads from an environment's runtime folder: the accelerator, by this name only.
_ACCELERATOR = "libLiteRtGpuAccelerator.so"
_RUNTIME = "libLiteRt.so"


class CompiledModel:
    """Runs a .tflite model with the delegate in LiteRT's CompiledModel API.

    Calling it runs the model: `outputs = model(x)`. Everything else that LiteRT's own class offers
    (create_input_buffers, run_by_index, is_fully_accelerated, environment, ...) is available as
    attributes.

    Args:
        model: Path of a .tflite file, or its bytes.
        num_threads: Threads of the delegate, unless `options` says otherwise, and of XNNPACK, which
            runs what the delegate leaves; None is the runtime's default.
        options: The delegate's options (docs/delegate.md).

    Raises:
        FileNotFoundError: No such file, or the delegate is not built.
        RuntimeError: The installed LiteRT does not work with the delegate in this API.
        ValueError: The model is no valid .tflite file, a pruned layer in it is malformed, or an
            option is unknown.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        num_threads: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        _check_version()
        from ai_edge_litert.compiled_model import CompiledModel as LiteRt
        from ai_edge_litert.compiled_model import CpuOptions, HardwareAccelerator, Options

        name = "model" if isinstance(model, bytes) else os.fspath(model)
        if not isinstance(model, bytes) and not Path(name).is_file():
            raise FileNotFoundError(f"{name}: no such file")
        settings = {} if num_threads is None else {"num_threads": num_threads}
        library = ctypes.CDLL(delegate_path())
        _set_options(library, settings | dict(options or {}))
        try:
            # The delegate counts as LiteRT's "GPU", whatever it computes on.
            wanted = Options(
                hardware_accelerators=HardwareAccelerator.GPU | HardwareAccelerator.CPU,
                cpu_options=CpuOptions(num_threads=num_threads or 0),
            )
            environment = _environment()
            if isinstance(model, bytes):
                made = LiteRt.from_buffer(model, environment=environment, options=wanted)
            else:
                made = LiteRt.from_file(name, environment=environment, options=wanted)
        except RuntimeError as error:
            raise ValueError(f"{name}: cannot be run: {str(error).strip()}") from error
        finally:
            was_asked = _take_options_back(library)
        if not was_asked:
            raise RuntimeError(
                f"LiteRT {_version()} did not load the delegate as its accelerator; use "
                "pconv_tf.Interpreter instead"
            )
        self._model = made
        self._signature: dict[str, Any] = made.get_signature_by_index(0)
        self._inputs: list[Any] | None = None
        self._outputs: list[Any] | None = None

    def __call__(self, *inputs: Any) -> Any:
        """Runs the model's first signature once.

        Args:
            inputs: An array per input of the signature, in its order. An input of another shape
                than before, batch included, resizes the model.

        Returns:
            The output array, or a list of them if the model has several.

        Raises:
            ValueError: The number of inputs, or a shape, does not fit the model.
        """
        key, names = self._signature["key"], self._signature["inputs"]
        if len(inputs) != len(names):
            raise ValueError(f"the model has {len(names)} inputs. Received: {len(inputs)}")
        details = self._model.get_input_tensor_details(key)
        arrays = [
            np.ascontiguousarray(x, details[name]["dtype"])
            for x, name in zip(inputs, names, strict=True)
        ]
        try:
            for index, (x, name) in enumerate(zip(arrays, names, strict=True)):
                if x.shape != tuple(details[name]["shape"]):
                    self._model.resize_input_tensor(index, x.shape, strict=False)
                    self._inputs = None
            if self._inputs is None or self._outputs is None:
                self._inputs = self._model.create_input_buffers(0)
                self._outputs = self._model.create_output_buffers(0)
            for buffer, x in zip(self._inputs, arrays, strict=True):
                buffer.write(x)
            self._model.run_by_index(0, self._inputs, self._outputs)
        except RuntimeError as error:
            shapes = ", ".join(str(x.shape) for x in arrays)
            raise ValueError(f"inputs of shape {shapes} cannot be run: {error}") from error
        details = self._model.get_output_tensor_details(key)
        outputs = []
        for buffer, name in zip(self._outputs, self._signature["outputs"], strict=True):
            shape, dtype = details[name]["shape"], np.dtype(details[name]["dtype"])
            values = buffer.read(int(np.prod(shape)), dtype.type)
            outputs.append(np.asarray(values, dtype).reshape(shape))
        return outputs[0] if len(outputs) == 1 else outputs

    def __getattr__(self, name: str) -> Any:
        if name == "_model":  # not yet made
            raise AttributeError(name)
        return getattr(self._model, name)


def link_accelerator(folder: str | os.PathLike[str]) -> None:
    """Makes `folder` a runtime folder of LiteRT, in which it finds the delegate.

    For those who use LiteRT's own class: `Environment.create(runtime_path=folder)`. The links are
    needed only until the environment is made.

    Raises:
        FileExistsError: The folder holds such a link already.
        FileNotFoundError: The folder does not exist, or the delegate is not built.
    """
    import ai_edge_litert

    Path(folder, _ACCELERATOR).symlink_to(delegate_path())
    Path(folder, _RUNTIME).symlink_to(Path(ai_edge_litert.__file__).with_name(_RUNTIME))


def _environment() -> Any:
    from ai_edge_litert.environment import Environment

    with tempfile.TemporaryDirectory(prefix="pconv_litert_") as folder:
        link_accelerator(folder)
        return Environment.create(runtime_path=folder)


def _version() -> str:
    import ai_edge_litert

    return str(ai_edge_litert.__version__)  # of the nightly package, too


def _check_version() -> None:
    version = _version()
    if tuple(map(int, version.split(".")[:2])) < MINIMUM_LITERT:
        needed = ".".join(map(str, MINIMUM_LITERT))
        raise RuntimeError(
            f"CompiledModel needs ai-edge-litert {needed} or later, found {version}; "
            "pconv_tf.Interpreter runs with this version"
        )


def _set_options(library: ctypes.CDLL, options: Mapping[str, Any]) -> None:
    """Sets the options of the next delegate that LiteRT makes on this thread.

    Raises:
        ValueError: An option or its value is unknown.
    """
    messages: list[bytes] = []
    report = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(messages.append)
    texts = ctypes.c_char_p * len(options)
    accepted = library.pconv_set_accelerator_options(
        texts(*(str(key).encode() for key in options)),
        texts(*(str(value).encode() for value in options.values())),
        ctypes.c_size_t(len(options)),
        report,
    )
    if not accepted:
        raise ValueError(f"PConv delegate: {b' '.join(messages).decode()}")


def _take_options_back(library: ctypes.CDLL) -> bool:
    """Whether LiteRT made a delegate with the options set before."""
    return library.pconv_set_accelerator_options(None, None, ctypes.c_size_t(0), None) == 1
