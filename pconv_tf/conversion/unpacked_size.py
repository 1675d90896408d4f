"""How much a FlatBuffer becomes when it is unpacked, found without unpacking it.

Tables and strings of a FlatBuffer may be referred to any number of times, and each reference
becomes an object of its own: subgraphs that share their tensors make gigabytes of a few kilobytes.
"""

from __future__ import annotations

import functools
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from flatbuffers.table import Table

_BYTES_PER_TABLE = 8  # at least, in a file that shares none: its header, and the reference to it
_NO_FIELDS = ("AsNumpy", "IsNone", "Length", "HasIdentifier")


def unpacked_size(root: Any, limit: int) -> int:
    """Bytes that all tables and strings below `root` take in a file that shares none of them.

    Vectors of numbers do not count: they are unpacked as views.

    Args:
        root: a table, as the accessors of the schema read it.
        limit: ends the count, which may then be anything above.
    """
    total, tables = 0, [root]
    while tables and total <= limit:
        table = tables.pop()
        lists, others = _fields(type(table).__name__)
        for name in lists:
            item = getattr(table, name)
            for number in range(getattr(table, f"{name}Length")()):
                total += _take(item(number), tables)
                if total > limit:
                    return total
        for name in others:
            value = getattr(table, name)()
            if isinstance(value, Table):
                value = _member(table, name, value)
            total += _take(value, tables)
    return total


def _member(table: Any, field: str, value: Table) -> Any:
    """An operator's options, which are one of many tables; None for unions of mere numbers."""
    kinds = getattr(schema, field, None)
    number = getattr(table, f"{field}Type")()
    name = next((key for key, kind in vars(kinds).items() if kind == number), "") if kinds else ""
    if not hasattr(schema, name):
        return None
    member = getattr(schema, name)()
    member.Init(value.Bytes, value.Pos)
    return member


def _take(value: Any, tables: list[Any]) -> int:
    """What a field counts; a table's own fields follow."""
    if isinstance(value, bytes):
        return len(value)
    if hasattr(value, "_tab"):
        tables.append(value)
        return _BYTES_PER_TABLE
    return 0


@functools.cache
def _fields(accessor: str) -> tuple[list[str], list[str]]:
    """Names of an accessor's fields: lists of tables or strings, and all that are no vectors."""
    methods = {name for name in vars(getattr(schema, accessor)) if name[0].isupper()}
    methods -= {name for name in methods if name.startswith("GetRootAs")}
    vectors = {name.removesuffix("Length") for name in methods if name.endswith("Length")} & methods
    lists = {name for name in vectors if f"{name}AsNumpy" not in methods}
    others = {name for name in methods - vectors - {"Init"} if not name.endswith(_NO_FIELDS)}
    return sorted(lists), sorted(others)
