"""Messages of the command line: `absl.logging` on standard error, in one format."""

from __future__ import annotations

import logging as std_logging
import sys

from absl import logging


class _Format(std_logging.Formatter):
    """Information as it is; what is worse names the program and the level."""

    def format(self, record: std_logging.LogRecord) -> str:
        if record.levelno <= std_logging.INFO:
            return record.getMessage()
        return f"pconv-tf: {record.levelname.lower()}: {record.getMessage()}"


def set_up() -> None:
    """Lets the messages of this process come to standard error from INFO on.

    As a library the package leaves absl as it is: that shows warnings, and nothing below.
    """
    # absl's own handler wants absl's command line parsed first, and complains that it is not.
    handler = std_logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format())
    root = std_logging.getLogger()
    for other in [other for other in root.handlers if type(other) is std_logging.StreamHandler]:
        root.removeHandler(other)
    root.addHandler(handler)
    logging.set_verbosity(logging.INFO)
