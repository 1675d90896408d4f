"""A TFLite interpreter with the delegate applied."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pconv_tf.runtime.delegate import load_delegate, runtime_module


class Interpreter:
    """Runs a .tflite model with the delegate.

    Calling it runs the model: `outputs = interpreter(x)`. Everything else that the runtime's own
    interpreter offers (get_input_details, set_tensor, invoke, ...) is available as attributes.

    A model whose inputs have free sizes, and which cannot be run at the sizes in the file (1 for
    each free one), is prepared when it is called.

    Args:
        model: Path of a .tflite file, or its bytes.
        num_threads: Threads of the runtime, which the delegate follows unless `options` says
            otherwise; None is the runtime's default.
        options: The delegate's options (docs/delegate.md).
        runtime: "litert" (ai_edge_litert) or "tf" (tf.lite).

    Raises:
        FileNotFoundError: No such file, or the delegate is not built.
        ValueError: The model is no valid .tflite file, a pruned layer in it is malformed, or an
            option is unknown.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        num_threads: int | None = None,
        options: Mapping[str, Any] | None = None,
        runtime: str = "litert",
    ) -> None:
        module = runtime_module(runtime)
        source: dict[str, Any]
        if isinstance(model, bytes):
            name, source = "model", {"model_content": model}
        else:
            name, source = os.fspath(model), {"model_path": os.fspath(model)}
            if not Path(name).is_file():
                raise FileNotFoundError(f"{name}: no such file")
        delegate = load_delegate(options, runtime=runtime)

        def open_model() -> Any:
            return module.Interpreter(
                **source, experimental_delegates=[delegate], num_threads=num_threads
            )

        self._prepared = False
        try:
            self._interpreter = open_model()
            try:
                self._interpreter.allocate_tensors()
                self._prepared = True
            except (RuntimeError, ValueError):
                if not _has_free_size(self._interpreter):
                    raise
                delegate = load_delegate(options, runtime=runtime)
                self._interpreter = open_model()  # the first one is of no more use
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{name}: cannot be run: {str(error).strip()}") from error

    def __call__(self, *inputs: Any) -> Any:
        """Runs the model once.

        Args:
            inputs: An array per model input, in the order of get_input_details(). An input of
                another shape than before, batch included, resizes the model.

        Returns:
            The output array, or a list of them if the model has several.

        Raises:
            ValueError: The number of inputs, or a shape, does not fit the model.
        """
        details = self._interpreter.get_input_details()
        if len(inputs) != len(details):
            raise ValueError(f"the model has {len(details)} inputs. Received: {len(inputs)}")
        arrays = [np.asarray(x, d["dtype"]) for x, d in zip(inputs, details, strict=True)]
        try:
            same = all(x.shape == tuple(d["shape"]) for x, d in zip(arrays, details, strict=True))
            if not same or not self._prepared:
                for x, d in zip(arrays, details, strict=True):
                    self._interpreter.resize_tensor_input(d["index"], x.shape)
                self._interpreter.allocate_tensors()
                self._prepared = True
            for x, d in zip(arrays, details, strict=True):
                self._interpreter.set_tensor(d["index"], x)
            self._interpreter.invoke()
        except RuntimeError as error:
            shapes = ", ".join(str(x.shape) for x in arrays)
            raise ValueError(f"inputs of shape {shapes} cannot be run: {error}") from error
        outputs = [
            self._interpreter.get_tensor(d["index"]) for d in self._interpreter.get_output_details()
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def __getattr__(self, name: str) -> Any:
        if name == "_interpreter":  # not yet made
            raise AttributeError(name)
        return getattr(self._interpreter, name)


def _has_free_size(interpreter: Any) -> bool:
    """Whether an input's height, width or another size beside the batch may change."""
    details = interpreter.get_input_details()
    return any((np.asarray(detail["shape_signature"])[1:] < 0).any() for detail in details)
