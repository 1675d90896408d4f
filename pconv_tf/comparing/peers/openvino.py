"""OpenVINO, which reads .tflite files itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino


class Session:
    """A .tflite file. Option `precision`: "f32" or "bf16"."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        core = openvino.Core()
        self.version = openvino.__version__.split("-")[0]
        precision = options["precision"]
        if precision == "bf16":
            capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            if "BF16" not in capabilities:
                raise ValueError("this processor has no bfloat16 arithmetic")
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": num_threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
        self._request = compiled.create_infer_request()
        self._inputs = compiled.inputs
        self._outputs = compiled.outputs

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Shares one array per input with the runtime."""
        for port, array in zip(self._inputs, arrays, strict=True):
            self._request.set_tensor(port, openvino.Tensor(np.ascontiguousarray(array)))

    def run(self) -> None:
        """Runs one inference."""
        self._request.infer()

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs of the last run."""
        return [self._request.get_tensor(port).data.copy() for port in self._outputs]
