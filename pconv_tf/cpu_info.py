"""What Linux says about this machine's processor."""

from __future__ import annotations

from pathlib import Path


def cpu_info() -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def features_of(info: dict[str, str]) -> set[str]:
    """The instruction sets in such an entry, by the names that Linux gives them."""
    return set(info.get("flags", info.get("Features", "")).split())
