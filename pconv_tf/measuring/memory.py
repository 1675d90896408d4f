"""Resident memory of this process, in MB of 2**20 bytes."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_mb() -> float:
    """Resident memory now; where the system does not tell, its peak so far."""
    return _status_field("VmRSS")


def peak_resident_mb() -> float:
    """The largest resident memory since `reset_peak` (where that works) or since the start."""
    return _status_field("VmHWM")


def reset_peak() -> None:
    """Lets the peak start again from the memory resident now. Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status_field(name: str) -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
