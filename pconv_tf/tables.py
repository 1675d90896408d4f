"""The one maker of tables, for the Python API and the command line, and how numbers look in them.

Tables are made to fit 80 columns with names of usual length. On a terminal they fit its width;
elsewhere they keep their natural width, without colours, so that no line is cut or wrapped.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

_NATURAL_WIDTH = 1000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the error to the caller; rich would end the process with 1."""
        raise BrokenPipeError


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    text_columns: Sequence[str] = (),
    file: TextIO | None = None,
) -> None:
    """Prints one table.

    Args:
        columns: Headings.
        rows: Cells, as many a row as there are columns; printed with `str`.
        title: A line above the table.
        text_columns: Columns aligned left; besides the first, all others are aligned right.
        file: Where to; standard output by default.
    """
    stream = file or sys.stdout
    if stream.isatty():
        _print(_Console(file=stream, highlight=False), columns, rows, title, text_columns)
        return
    out = io.StringIO()
    plain = Console(file=out, width=_NATURAL_WIDTH, highlight=False)
    _print(plain, columns, rows, title, text_columns)
    for line in out.getvalue().splitlines():
        print(line.rstrip(), file=stream)


def table_text(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: Sequence[str] = ()
) -> str:
    """The table as `print_table` writes it into a file."""
    out = io.StringIO()
    print_table(columns, rows, text_columns=text_columns, file=out)
    return out.getvalue().rstrip("\n")


def _print(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str | None,
    text_columns: Sequence[str],
) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        is_text = number == 0 or column in text_columns
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    if title:
        console.print(title, markup=False)
    # Cells hold names of layers and patterns, in which brackets are no markup.
    console.print(table, markup=False)


def size(count: float) -> str:
    """Bytes: 1536 -> '1.5 kB' (powers of 1000, as in file sizes)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def amount(value: float) -> str:
    """Three digits, or all before the point: 0.0123, 1.23, 12.3, 123, 1,234; 0 for nothing."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) < 0.995:
        return f"{value:.3g}"
    return f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"


def change(before: float, after: float) -> str:
    """Two amounts: '295->74.1'."""
    return f"{amount(before)}->{amount(after)}"


def kilobytes(before: int, after: int | None = None) -> str:
    """Bytes in a column headed kB: 294912 -> '295', 7410 -> '7.4'; with `after` '295->7.4'."""
    text = f"{before / 1e3:.1f}" if before < 9950 else f"{before / 1e3:,.0f}"
    return text if after is None else f"{text}->{kilobytes(after)}"


def layer_shape(kernel_size: tuple[int, int], in_channels: int, out_channels: int) -> str:
    """Of a convolution: '64->128 3x3'."""
    return f"{in_channels}->{out_channels} {kernel_size[0]}x{kernel_size[1]}"


def share(part: float) -> str:
    """0.1234 -> '12.3%'."""
    return f"{part:.1%}"


def milliseconds(value: float | None) -> str:
    """To a microsecond: '0.142'; '-' for None."""
    return "-" if value is None else f"{value:.3f}"


def ratio(value: float | None) -> str:
    """How many times: '2.95x'; '-' for None."""
    return "-" if value is None else f"{value:.2f}x"
