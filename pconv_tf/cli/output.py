"""What every subcommand prints with beside tables (pconv_tf/tables.py): JSON, notes and progress.

Results go to standard output; notes and progress go to standard error, so that `--json` output and
piped tables stay clean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging as std_logging
import os
import sys
from typing import Any

from absl import logging
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def add_json_argument(parser: argparse._ActionsContainer) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, no table")


class _MessageFormat(std_logging.Formatter):
    """Information as it is; what is worse names the program and the level."""

    def format(self, record: std_logging.LogRecord) -> str:
        if record.levelno <= std_logging.INFO:
            return record.getMessage()
        return f"pconv-tf: {record.levelname.lower()}: {record.getMessage()}"


def set_up_messages() -> None:
    """Lets the messages of this process, `absl.logging`, come to standard error from INFO on.

    As a library the package leaves absl as it is: that shows warnings, and nothing below.
    """
    # absl's own handler wants absl's command line parsed first, and complains that it is not.
    handler = std_logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MessageFormat())
    root = std_logging.getLogger()
    for other in [other for other in root.handlers if type(other) is std_logging.StreamHandler]:
        root.removeHandler(other)
    root.addHandler(handler)
    logging.set_verbosity(logging.INFO)


def note(message: str) -> None:
    """Says on standard error what is not part of the result."""
    logging.info("%s", message)


def print_json(value: Any) -> None:
    """Prints dataclasses, mappings and sequences of plain values as indented JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    # NaN is not JSON: better an error here than a file that others cannot read.
    print(json.dumps(value, indent=2, allow_nan=False))


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
