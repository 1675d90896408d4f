"""The published weights of DemosaicNet for Bayer mosaics (Gharbi et al. 2016), and its input."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_MAGIC = 0x1950A86A20F9469CFC6C  # Of a checkpoint in the older format.


def load_weights(model: Any, path: Path) -> None:
    """Loads the wheel's `bayer.pth`.

    Raises:
        ValueError: The file is not such a checkpoint.
    """
    state = read_checkpoint(path)
    for layer in model.layers:
        if not layer.weights:
            continue
        prefix = {
            "residual_predictor": "",
            "upsampler": "",
            "post_conv": "fullres_processor.",
            "output": "fullres_processor.",
        }.get(layer.name, "main_processor.")
        weight = state[f"{prefix}{layer.name}.weight"]
        bias = state[f"{prefix}{layer.name}.bias"]
        if layer.name == "upsampler":
            layer.set_weights([_ungrouped(weight), bias])
        else:
            layer.set_weights([weight.transpose(2, 3, 1, 0), bias])


def mosaic_of(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Keeps of every pixel [..., H, W, 3] the colour that a sensor sees: rows G R, then B G."""
    mosaic = np.zeros_like(images)
    mosaic[..., 0::2, 1::2, 0] = images[..., 0::2, 1::2, 0]
    mosaic[..., 0::2, 0::2, 1] = images[..., 0::2, 0::2, 1]
    mosaic[..., 1::2, 1::2, 1] = images[..., 1::2, 1::2, 1]
    mosaic[..., 1::2, 0::2, 2] = images[..., 1::2, 0::2, 2]
    return mosaic


def read_checkpoint(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Reads a state dict in PyTorch's older file format, without PyTorch and without running code.

    Raises:
        ValueError: The file is not such a checkpoint, or asks for anything but float tensors.
    """
    with path.open("rb") as file:
        try:
            if _TensorUnpickler(file).load() != _MAGIC:
                raise ValueError(f"{path}: not a PyTorch checkpoint of the older format")
            for _ in range(2):  # Protocol version, machine.
                _TensorUnpickler(file).load()
            unpickler = _TensorUnpickler(file)
            state = unpickler.load()
            keys = _TensorUnpickler(file).load()
            for key in keys:
                count = int.from_bytes(file.read(8), "little")
                data = np.frombuffer(file.read(4 * count), "<f4")
                unpickler.storages[key].append(data)
        except (pickle.UnpicklingError, EOFError, KeyError) as error:
            raise ValueError(f"{path}: not a PyTorch checkpoint: {error}") from error
    return {name: tensor.array() for name, tensor in state.items()}


class _Tensor:
    def __init__(self, storage: list[Any], offset: int, size: tuple[int, ...]) -> None:
        self._storage, self._offset, self._size = storage, offset, size

    def array(self) -> npt.NDArray[np.float32]:
        count = int(np.prod(self._size))
        return self._storage[0][self._offset : self._offset + count].reshape(self._size)


class _TensorUnpickler(pickle.Unpickler):
    """Knows ordered dictionaries and float tensors, nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, list[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, *_: _Tensor(storage, offset, size)
        if (module, name) in (("torch", "FloatStorage"), ("torch.cuda", "FloatStorage")):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a float tensor")

    def persistent_load(self, pid: Any) -> Any:
        return self.storages.setdefault(pid[2], [])


def _ungrouped(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[12, 1, 2, 2] of a transposed convolution in three groups as a kernel [2, 2, 3, 12]."""
    kernel = np.zeros((2, 2, 3, 12), np.float32)
    for channel in range(12):
        kernel[:, :, channel // 4, channel] = weight[channel, 0]
    return kernel
