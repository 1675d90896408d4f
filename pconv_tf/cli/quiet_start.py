"""Keeps TensorFlow's start-up notices off the terminal.

TensorFlow writes them with its own C++ code before any of its settings is read, so only the file
descriptor can hold them back. What is not one of them is passed on.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

# absl's log lines ("E0000 00:00:17 file.cc:12] ..."), TensorFlow's own ("2026-11-29 10:00:00.1: I
# tensorflow/core/..."), and what continues them.
_NOTICE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWEF]\d{4} \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] "
    rb"|To enable the following instructions:"
)


def install() -> None:
    """Filters standard error while TensorFlow is imported, and finds its devices, later on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def filtered_stderr() -> Iterator[None]:
    """Holds back the lines of descriptor 2 that are TensorFlow's start-up notices."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        usual = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(usual, 2)
            os.close(usual)
            held.seek(0)
            rest = b"".join(line for line in held if not _NOTICE.match(line))
            if rest.strip():
                os.write(2, rest)


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the loader of `tensorflow`, and steps aside."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with filtered_stderr():
            self._loader.exec_module(module)
            module.config.list_physical_devices()  # also looks for a CUDA driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
