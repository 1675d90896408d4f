"""What every subcommand prints with: tables, JSON and progress.

Results go to standard output; notes and progress go to standard error, so that `--json` output and
piped tables stay clean. Tables fit a terminal; piped, they keep their natural width, without
colours, so that no line is cut or wrapped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

_NATURAL_WIDTH = 1000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the error to `main`, whose exit code tells it; rich would exit with 1."""
        raise BrokenPipeError


def add_json_argument(parser: argparse._ActionsContainer) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, no table")


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: standard output) that follows the module's rules."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else _NATURAL_WIDTH
    return _Console(file=stream, width=width, highlight=False, soft_wrap=False)


def note(message: str) -> None:
    """Prints a line that is not part of the result to standard error."""
    print(message, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Prints dataclasses, mappings and sequences of plain values as indented JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    # NaN is not JSON: better an error here than a file that others cannot read.
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    text_columns: Sequence[str] = (),
) -> None:
    """Prints one table.

    Args:
        columns: Headings.
        rows: Cells, as many a row as there are columns; printed with `str`.
        title: A line above the table.
        text_columns: Columns aligned left; besides the first, all others are aligned right.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        is_text = number == 0 or column in text_columns
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out = console()
    if title:
        out.print(title, markup=False)
    # Cells hold names of layers and patterns, in which brackets are no markup.
    out.print(table, markup=False)


def progress(description: str, total: int | None = None) -> Progress:
    """A progress bar with elapsed and remaining time; silent where stderr is no terminal.

    Use it as a context manager; its one task has id 0: `bar.advance(0)`.
    """
    visible = sys.stderr.isatty()
    # A descriptor of its own: libraries may be kept quiet meanwhile by redirecting the usual one.
    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w") if visible else sys.stderr
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream, highlight=False),
        transient=True,
        disable=not visible,
    )
    bar.add_task(description, total=total)
    return bar


def human_bytes(count: float) -> str:
    """1536 -> '1.5 kB' (powers of 1000, as in file sizes)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
