"""Statistics of repeated runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated runs, in order and summarised."""

    count: int
    first: float
    last: float
    min: float
    max: float
    mean: float
    std: float
    median: float
    p90: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Timing:
        """Summarises at least one run."""
        ordered = sorted(times_ms)
        return cls(
            count=len(ordered),
            first=times_ms[0],
            last=times_ms[-1],
            min=ordered[0],
            max=ordered[-1],
            mean=statistics.fmean(ordered),
            std=statistics.pstdev(ordered),
            median=statistics.median(ordered),
            p90=percentile(ordered, 90),
        )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of the sorted values do not exceed, interpolated."""
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
