"""Reading PyTorch's older checkpoints: tensors come out right, and nothing else comes out."""

import collections
import os
import pickle
import sys
import types

import numpy as np
import pytest

from experiments.demosaicnet import read_checkpoint

_MAGIC = 0x1950A86A20F9469CFC6C


class _Tensor:
    def __init__(self, key, offset, size):
        self._arguments = (_Reference(key), offset, size)

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self._arguments


class _Reference:
    def __init__(self, key):
        self.key = key


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, _Reference):
            return ("storage", sys.modules["torch"].FloatStorage, value.key, "cpu", 4)
        return None


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a checkpoint as PyTorch did: magic, version, machine, state, keys, storages."""
    # The file names these two; without PyTorch they need stand-ins to be named.
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*arguments):
        del arguments

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(state, storages, magic=_MAGIC):
        path = tmp_path / "net.pth"
        with path.open("wb") as file:
            for value in (magic, 1001, {"little_endian": True}, state, list(storages)):
                _Pickler(file, protocol=2).dump(value)
            for values in storages.values():
                file.write(len(values).to_bytes(8, "little") + np.float32(values).tobytes())
        return path

    return write


def test_tensors_are_read(write):
    state = collections.OrderedDict(a=_Tensor("k", 0, (2, 2)), b=_Tensor("k", 1, (3,)))
    found = read_checkpoint(write(state, {"k": [1.0, 2.0, 3.0, 4.0]}))
    np.testing.assert_array_equal(found["a"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(found["b"], [2, 3, 4])


class _Harmful:
    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_a_foreign_class_is_refused_and_not_run(write, tmp_path):
    victim = tmp_path / "made"
    path = write(collections.OrderedDict(a=_Harmful(victim)), {})
    with pytest.raises(ValueError, match=r"net\.pth: .*mkdir is no part of a float tensor"):
        read_checkpoint(path)
    assert not victim.exists()


def test_another_file_is_refused(write, tmp_path):
    with pytest.raises(ValueError, match="older format"):
        read_checkpoint(write({}, {}, magic=7))
    other = tmp_path / "other.pth"
    other.write_bytes(b"no pickle at all")
    with pytest.raises(ValueError, match=r"other\.pth: not a PyTorch checkpoint"):
        read_checkpoint(other)
