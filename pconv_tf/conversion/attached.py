"""Files that TFLite Metadata appends to a .tflite file as a zip archive.

They are carried over as they are, packed or encrypted: nothing here unpacks them, so an archive
that would unpack to gigabytes is as good as any other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Of the zip format: the record that ends an archive, and that of an entry in its directory.
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END_MARK, _ENTRY_MARK, _LOCAL_MARK = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_DIRECTORY_FIELD = 16  # where the end record says at which byte the directory starts
_OFFSET_FIELD = 42  # where an entry of the directory says at which byte its file starts
_LARGEST_END = _END.size + 65535  # with the longest comment


@dataclass(frozen=True)
class Attached:
    """A zip archive.

    Attributes:
        archive: Its bytes, from the first file to the end.
        start: Where it began in the file it was read from.
        prefix: What has to be added to its offsets to count from the start of that file.
        entries: Where in `archive` the entries of its directory start.
        end: Where in `archive` its end record starts.
    """

    archive: bytes
    start: int
    prefix: int
    entries: list[int]
    end: int


def find(data: bytes) -> Attached | None:
    """The archive at the end of `data`, None if there is none (or none that is whole)."""
    end = data.rfind(_END_MARK, max(0, len(data) - _LARGEST_END))
    if end < 0 or end + _END.size > len(data):
        return None
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, end)
    directory = end - size
    whole = end + _END.size + comment == len(data) and disk == first_disk == 0 and here == count
    if not whole or not count or directory < offset:
        return None
    prefix, entries, starts = directory - offset, [], []
    for _ in range(count):
        if directory + _ENTRY.size > end:
            return None
        mark, *_, name, extra, note, _, _, _, local = _ENTRY.unpack_from(data, directory)
        if mark != _ENTRY_MARK or data[local + prefix : local + prefix + 4] != _LOCAL_MARK:
            return None
        entries.append(directory)
        starts.append(local + prefix)
        directory += _ENTRY.size + name + extra + note
    if directory != end or max(starts) >= entries[0]:
        return None
    start = min(starts)
    return Attached(data[start:], start, prefix, [e - start for e in entries], end - start)


def append(data: bytes, attached: Attached) -> bytes:
    """`data` with the archive behind it."""
    moved = bytearray(attached.archive)
    by = len(data) - attached.start + attached.prefix
    for place in (
        *(entry + _OFFSET_FIELD for entry in attached.entries),
        attached.end + _DIRECTORY_FIELD,
    ):
        (offset,) = struct.unpack_from("<L", moved, place)
        struct.pack_into("<L", moved, place, offset + by)
    return data + bytes(moved)
