"""Messages of the command line: `absl.logging` on standard error, in one format."""

from __future__ import annotations

import logging as std_logging
import sys
import warnings
from pathlib import Path

from absl import logging

_PACKAGE = str(Path(__file__).parents[1])
# What Keras remarks of a file whose optimizer does not fit the weights that it trains, and of every
# .h5 file with metrics. Commands that train need neither: they begin a training of their own, and
# metrics are made by its first step.
OF_LOADED_STATE = (
    "Skipping variable loading for optimizer",
    "Error in loading the saved optimizer state",
    "Compiled the loaded model, but the compiled metrics have yet to be built",
)


class _Format(std_logging.Formatter):
    """Information as it is; what is worse names the program and the level."""

    def format(self, record: std_logging.LogRecord) -> str:
        if record.levelno <= std_logging.INFO:
            return record.getMessage()
        return f"pconv-tf: {record.levelname.lower()}: {record.getMessage()}"


def is_shown(record: std_logging.LogRecord) -> bool:
    """Information of this package; warnings and errors of all, but for remarks on loaded state.

    TensorFlow tells by the same logger which files of a SavedModel it writes.
    """
    if record.levelno > std_logging.INFO:
        return not record.getMessage().startswith(OF_LOADED_STATE)
    return record.pathname.startswith(_PACKAGE)


def set_up() -> None:
    """Lets the messages of this process come to standard error from INFO on.

    As a library the package leaves absl as it is: that shows warnings, and nothing below.
    """
    # absl's own handler wants absl's command line parsed first, and complains that it is not.
    handler = std_logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format())
    handler.addFilter(is_shown)
    warnings.filterwarnings("ignore", message=OF_LOADED_STATE[0])
    root = std_logging.getLogger()
    for other in [other for other in root.handlers if type(other) is std_logging.StreamHandler]:
        root.removeHandler(other)
    root.addHandler(handler)
    logging.set_verbosity(logging.INFO)
