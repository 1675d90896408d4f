"""TVM. Compiled with its default schedules: finding better ones takes hours per network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx


class Session:
    """An .onnx file of ours."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        self.version = tvm.__version__
        cpu = tvm.get_global_func("target.llvm_get_system_cpu")()
        target = tvm.target.Target({"kind": "llvm", "mcpu": str(cpu), "num-cores": num_threads})
        module = from_onnx(onnx.load(model), keep_params_in_input=False)
        self._machine = relax.VirtualMachine(tvm.compile(module, target=target), tvm.cpu())
        tvm.get_global_func("runtime.config_threadpool")(1, num_threads)
        self._main = self._machine["main"]
        self._inputs: list[Any] = []
        self._result: Any = None

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Copies one array per input into tensors of the runtime."""
        self._inputs = [
            tvm.runtime.tensor(
                np.ascontiguousarray(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)
            )
            for array in arrays
        ]

    def run(self) -> None:
        """Runs one inference."""
        self._result = self._main(*self._inputs)

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs of the last run."""
        single = hasattr(self._result, "numpy")
        arrays = [tensor.numpy() for tensor in ([self._result] if single else self._result)]
        return [array.transpose(0, 2, 3, 1) if array.ndim == 4 else array for array in arrays]
