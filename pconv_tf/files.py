"""Files that are either complete or absent, and folders that do not outlive their process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Temporaries end so. Their process holds a lock on them: one without a lock belongs to nobody.
_SUFFIX = ".pconv_tf-part"
_WITHOUT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Writes `data` to `path` so that no reader ever sees a part of it.

    The data goes to a temporary file in the same folder and to the disk, then the file is renamed;
    whatever interrupts the write, an older file at `path` stays as it was. Text is encoded as
    UTF-8.

    Args:
        path: The file to write. Its folder must exist.
        data: The whole content.

    Returns:
        The path written.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
        OSError: The file cannot be written; the text names it.
    """
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """`write_atomically` for content that is written bit by bit.

    The new file has the permissions of the old one, else those that the process's umask leaves. A
    symbolic link stays one: what it points at is replaced. A pipe or a device is written to as it
    is. Temporaries that killed processes left in the folder are removed.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        A binary file, which takes the place of `path` unless an exception leaves the block.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
        OSError: The file cannot be written; the text names it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: folder {target.parent} does not exist")
    if target.is_fifo() or target.is_char_device():
        with _naming(path, target), target.open("wb") as file:
            yield file
        return
    _remove_abandoned(target.parent)
    with contextlib.ExitStack() as stack:
        temporary = _temporary(target.parent)
        stack.enter_context(_naming(path, temporary))
        handle = _create(temporary)
        stack.callback(temporary.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            yield file
            if target.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            file.flush()
            _sync(file.fileno())
            temporary.replace(target)
        _sync_folder(target.parent)


@contextlib.contextmanager
def scratch_folder(parent: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """A folder for the time of the block; what killed processes left beside it is removed.

    Args:
        parent: Where to make it; by default the system's folder for temporary files.

    Yields:
        The folder, readable by its owner only.

    Raises:
        OSError: It cannot be made; the text names `parent`.
    """
    place = Path(tempfile.gettempdir() if parent is None else parent)
    _remove_abandoned(place)
    with contextlib.ExitStack() as stack:
        folder = _temporary(place)
        with _naming(place, folder):
            folder.mkdir(0o700)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
            _lock(handle)
        yield folder


def _temporary(parent: Path) -> Path:
    return parent / f".{secrets.token_hex(8)}{_SUFFIX}"


def _create(path: Path) -> int:
    """A new, locked file, open for writing."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        _lock(handle)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # another process took it for abandoned before the lock was there


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks; nothing is cleaned up there
        fcntl.flock(handle, fcntl.LOCK_EX)


def _remove_abandoned(folder: Path) -> None:
    """Removes our own temporaries that no living process holds a lock on."""
    for left in folder.glob(f".*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(handle)
                if found.st_uid != os.geteuid():
                    continue
                if stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(left)
                else:
                    left.unlink()
            finally:
                os.close(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _WITHOUT_SYNC:
            raise


def _sync_folder(folder: Path) -> None:
    """Makes a rename last. It has taken place already, so a failure is no failure to write."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Gives errors of the system the name of the file that the caller knows."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or os.fspath(error.filename) == os.fspath(temporary)
        if error.errno is None or not ours:
            raise
        named = type(error)(f"cannot write {path}: {error.strerror}")
        named.errno = error.errno
        raise named from error
