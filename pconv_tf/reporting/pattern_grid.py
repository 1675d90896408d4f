"""Patterns as little pictures."""

from __future__ import annotations

from collections.abc import Sequence


def pattern_grid(rows: Sequence[str], cell: int = 14) -> str:
    """A pattern, rows of "X" (kept tap) and "." (pruned tap), as SVG: a grid of squares."""
    width, height = len(rows[0]) * cell, len(rows) * cell
    squares = "".join(
        f'<rect x="{x * cell + 0.5}" y="{y * cell + 0.5}" width="{cell - 1}" height="{cell - 1}" '
        f'class="{"on" if tap == "X" else "off"}"/>'
        for y, row in enumerate(rows)
        for x, tap in enumerate(row)
    )
    label = " / ".join(rows)
    return (
        f'<svg class="pattern" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="pattern {label}">{squares}</svg>'
    )
