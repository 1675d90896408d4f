"""DeepSparse, the inference engine made for pruned weights on x86 processors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

os.environ["NM_DISABLE_ANALYTICS"] = "True"  # read on import
import deepsparse


class Session:
    """An .onnx file of ours."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        self.version = deepsparse.__version__
        self._engine = deepsparse.Engine(model, batch_size=1, num_cores=num_threads)
        self._arrays: list[np.ndarray] = []
        self._results: list[np.ndarray] = []

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Takes one array per input."""
        self._arrays = [
            np.ascontiguousarray(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)
            for array in arrays
        ]

    def run(self) -> None:
        """Runs one inference."""
        self._results = self._engine.run(self._arrays, val_inp=False)

    def outputs(self) -> list[np.ndarray]:
        """The outputs of the last run."""
        return [
            array.transpose(0, 2, 3, 1) if array.ndim == 4 else array for array in self._results
        ]
