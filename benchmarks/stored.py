"""What `benchmarks.run` has measured: a file of benchmarks/results/ for each network and threads.

A file has one line for each contender, so that a diff shows what a new measurement changed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pconv_tf.files import write_atomically

FOLDER = Path(__file__).resolve().parent / "results"
# By the name of the case and the number of threads.
Entries = dict[tuple[str, int], dict[str, Any]]
_DIGITS = 6


def read_all() -> Entries:
    """All stored measurements.

    Raises:
        ValueError: A file is not one that `write` wrote.
    """
    entries = {}
    for path in sorted(FOLDER.glob("*.json")):
        try:
            entry = json.loads(path.read_text())
            entries[entry.pop("case"), entry["num_threads"]] = entry
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: expected a stored measurement, found {error!r}") from error
    return entries


def write(case: str, threads: int, entry: dict[str, Any]) -> None:
    """Stores one measurement in place of an older one of the same case and threads.

    Args:
        case: Its name in the tables.
        threads: How many.
        entry: As `asdict` of a `pconv_tf` comparison gives it, and "date".
    """
    FOLDER.mkdir(exist_ok=True)
    name = f"{re.sub('[^a-z0-9]+', '_', case)}_{threads}.json"
    write_atomically(FOLDER / name, entry_text({"case": case, **entry}))


def entry_text(entry: dict[str, Any]) -> str:
    """One measurement as JSON, a line for each contender."""
    fields = []
    for key, value in entry.items():
        if key == "contenders":
            rows = ",\n".join(f"  {_quoted(row)}" for row in value)
            fields.append(f'"contenders": [\n{rows}\n ]')
        else:
            fields.append(f"{_quoted(key)}: {_quoted(value)}")
    return "{\n " + ",\n ".join(fields) + "\n}\n"


def _quoted(value: Any) -> str:
    return json.dumps(_rounded(value))


def _rounded(value: Any) -> Any:
    """The value with as many digits as a measurement has."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
