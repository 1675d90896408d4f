"""Files that are either complete or absent."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Writes `data` to `path` so that no reader ever sees a part of it.

    The data goes to a temporary file in the same folder, which is then renamed; whatever interrupts
    the write, an older file at `path` stays as it was. Text is encoded as UTF-8.

    Args:
        path: The file to write. Its folder must exist.
        data: The whole content.

    Returns:
        The path written.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
    """
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`write_atomically` for content that is written bit by bit.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        A binary file, which takes the place of `path` unless an exception leaves the block.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: folder {path.parent} does not exist")
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)  # mkstemp makes files that only their owner may read
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
