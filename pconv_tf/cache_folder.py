"""Where files live that can be made again: networks by name, environments of peers."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """A folder below PCONV_CACHE_DIR, else below the user's cache folder; made if missing."""
    chosen = os.environ.get("PCONV_CACHE_DIR")
    root = Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "pconv_tf")
    folder = root.expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Of the processes that make something in `folder`, lets one at a time do so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
