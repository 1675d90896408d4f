"""What every subcommand prints with beside tables (pconv_tf/tables.py): JSON, notes and progress.

Results go to standard output; notes and progress go to standard error, so that `--json` output and
piped tables stay clean.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
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
