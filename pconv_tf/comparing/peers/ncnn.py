"""ncnn. Converts our .onnx file with pnnx, the converter of the same project."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ncnn
import numpy as np


class Session:
    """An .onnx file of ours, in float32."""

    def __init__(self, model: str, num_threads: int, options: Mapping[str, Any]) -> None:
        self.version = importlib.metadata.version("ncnn")
        param, weights = _convert(Path(model), self.version)
        self._net = ncnn.Net()
        settings = self._net.opt
        settings.num_threads = num_threads
        for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(settings, f"use_{reduced}", False)
        ncnn.set_omp_num_threads(num_threads)
        if self._net.load_param(str(param)) or self._net.load_model(str(weights)):
            raise ValueError(f"ncnn cannot load {param.name}")
        self._results: list[Any] = []

    def set_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Copies one array per input; the batch must be 1."""
        self._mats = []
        for name, array in zip(self._net.input_names(), arrays, strict=True):
            chw = np.ascontiguousarray(np.moveaxis(array[0], -1, 0))
            self._mats.append((name, ncnn.Mat(chw).clone()))

    def run(self) -> None:
        """Runs one inference."""
        extractor = self._net.create_extractor()  # holds the state of one inference
        for name, mat in self._mats:
            extractor.input(name, mat)
        self._results = [extractor.extract(name)[1] for name in self._net.output_names()]

    def outputs(self) -> list[np.ndarray]:
        """Copies of the outputs of the last run."""
        return [np.moveaxis(np.array(mat), 0, -1)[np.newaxis].copy() for mat in self._results]


def _convert(model: Path, version: str) -> tuple[Path, Path]:
    stem = model.with_suffix(f".{version}.ncnn")
    param, weights = Path(f"{stem}.param"), Path(f"{stem}.bin")
    if not weights.exists():
        spec = importlib.util.find_spec("pnnx")
        assert spec and spec.origin
        program = Path(spec.origin).with_name("pnnx")
        with tempfile.TemporaryDirectory(dir=model.parent) as folder:
            # pnnx leaves intermediate files beside its input.
            link = Path(folder, "model.onnx")
            link.symlink_to(model.resolve())
            made = Path(folder, "model.ncnn.param"), Path(folder, "model.ncnn.bin")
            result = subprocess.run(
                [program, link, "fp16=0"], cwd=folder, capture_output=True, text=True, check=False
            )
            if result.returncode or not all(path.exists() for path in made):
                last = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
                raise ValueError(f"pnnx refused {model}: {last}")
            made[0].replace(param)
            made[1].replace(weights)
    return param, weights
