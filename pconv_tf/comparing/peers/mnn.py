"""MNN. Converts our .onnx file with its own converter, which its wheel contains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _tools  # the converter itself; MNN.tools.mnnconvert wraps it in usage reporting
import MNN
import numpy as np


class Session:
    """An .onnx file of ours. Option `sparse`: let MNN choose its sparse kernels."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        self.version = MNN.version()
        converted = _convert(Path(model), self.version, options["sparse"])
        self._interpreter = MNN.Interpreter(str(converted))
        self._session = self._interpreter.createSession(
            {"backend": "CPU", "numThread": num_threads, "precision": "high"}
        )
        if self._session is None:
            raise ValueError(f"MNN cannot run {converted}")
        self._inputs = self._interpreter.getSessionInputAll(self._session)
        self._outputs = self._interpreter.getSessionOutputAll(self._session)

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Copies one array per input into the session."""
        for tensor, array in zip(self._inputs.values(), arrays, strict=True):
            if array.ndim == 4:
                array = array.transpose(0, 3, 1, 2)
            tensor.copyFrom(_host_tensor(np.ascontiguousarray(array)))

    def run(self) -> None:
        """Runs one inference."""
        self._interpreter.runSession(self._session)

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs of the last run."""
        arrays = []
        for tensor in self._outputs.values():
            shape = tensor.getShape()
            host = _host_tensor(np.zeros(shape, np.float32))
            tensor.copyToHostTensor(host)
            array = np.array(host.getNumpyData(), copy=True).reshape(shape)
            arrays.append(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)
        return arrays


def _host_tensor(array: np.ndarray) -> Any:
    return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)


def _convert(model: Path, version: str, sparse: bool) -> Path:
    kind = "sparse" if sparse else "dense"
    converted = model.with_suffix(f".{version}.{kind}.mnn")
    if not converted.exists():
        part = converted.with_suffix(".part")
        command = ["mnnconvert", "-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(part)]
        _tools.mnnconvert([*command, *(["--detectSparseSpeedUp"] if sparse else [])])
        if not part.exists():
            raise ValueError(f"MNN's converter refused {model}")
        part.replace(converted)
    return converted
