"""A comparison that `pconv-tf compare --json` printed, read back for a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_KEYS = ("subject", "machine", "num_threads", "contenders", "failed", "warnings", "seed")


def read_comparison(path: Path) -> dict[str, Any]:
    """Reads the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It is no such comparison, or stock LiteRT is not its first contender.
    """
    wrong = f"{path}: not what `pconv-tf compare --json` prints"
    try:
        stored = json.loads(path.read_text())
        missing = [key for key in _KEYS if key not in stored]
        if missing:
            raise ValueError(f"no {missing[0]!r}")
        first = stored["contenders"][0]["name"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{wrong}: {error}") from error
    if first != "litert":
        raise ValueError(f"{path}: its first contender is {first!r}, expected 'litert'")
    return stored


def check_is_of(
    stored: Mapping[str, Any],
    graph: Path,
    baseline: Path,
    *,
    network: str | None = None,
    pruning: Mapping[str, Any] | None = None,
) -> None:
    """Checks that a comparison was made with the given files.

    Args:
        stored: The comparison.
        graph: The converted file; files are told apart by name and size, not by folder.
        baseline: Its dense twin.
        network: The network's name, if the files are those of a network;
        pruning: then also how it was pruned.

    Raises:
        ValueError: It was made with another network, pruning or file.
    """
    subject = stored["subject"]
    if network is not None:
        expected: dict[str, Any] = {"network": network, "pruning": dict(pruning or {})}
        found = {key: subject.get(key) for key in expected}
    else:
        expected = {"graph": graph.name, "baseline": baseline.name}
        found = {key: Path(subject.get(key, "")).name for key in expected}
    expected["bytes"] = {"dense": baseline.stat().st_size, "pconv": graph.stat().st_size}
    found["bytes"] = subject["bytes"]
    for key, value in expected.items():
        if found[key] != value:
            raise ValueError(
                f"comparison: is not of these files: {key} is {found[key]!r}, expected {value!r}"
            )
