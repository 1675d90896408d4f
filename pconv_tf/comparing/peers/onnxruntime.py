"""ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime


class Session:
    """An .onnx file of ours: channels-first inside, channels-last to the caller."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = num_threads
        settings.inter_op_num_threads = 1
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.version = onnxruntime.__version__
        self._session = onnxruntime.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"]
        )
        # Bound buffers: nothing is allocated or copied between the clock and the runtime.
        self._binding = self._session.io_binding()

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Binds one array per input."""
        self._arrays = [np.ascontiguousarray(_nchw(array)) for array in arrays]  # kept: only bound
        for spec, array in zip(self._session.get_inputs(), self._arrays, strict=True):
            self._binding.bind_cpu_input(spec.name, array)
        for spec in self._session.get_outputs():
            self._binding.bind_output(spec.name, "cpu")

    def run(self) -> None:
        """Runs one inference."""
        self._session.run_with_iobinding(self._binding)

    def outputs(self) -> list[np.ndarray]:
        """The outputs of the last run."""
        return [_nhwc(array) for array in self._binding.copy_outputs_to_cpu()]


def _nchw(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def _nhwc(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
