"""Small charts as SVG text, coloured by the style sheet of the page they stand in.

Colours are `currentColor` and the classes `c0`, `c1`, ...; standing alone, a chart brings its own
style, for light and dark backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = (
    "<style>svg{color:#333;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#ddd}}"
    ".c0{--c:#1f77b4}.c1{--c:#d9730d}.c2{--c:#2a9d5c}.c3{--c:#c0392b}.c4{--c:#8e5bb5}"
    ".c5{--c:#8c6d4f}.c6{--c:#d4589b}</style>"
)


def pattern_grid(rows: Sequence[str], cell: int = 14) -> str:
    """A pattern: rows of "X" (kept tap) and "." (pruned tap) as a grid of squares."""
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


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_title: str,
    y_title: str,
    log_y: bool = False,
    mark_y: float | None = None,
    standalone: bool = False,
) -> str:
    """Lines with axes and a legend.

    Args:
        series: Points by name; values that are not finite, or not positive on a logarithmic axis,
            are left out.
        x_title: Under the horizontal axis.
        y_title: Above the vertical axis.
        log_y: Logarithmic vertical axis.
        mark_y: Height of a dashed horizontal line.
        standalone: Bring the style along.
    """
    width, height, left, top, bottom = 640, 340, 56, 26, 42
    legend_rows = math.ceil(len(series) / 3)
    total = height + 18 * legend_rows
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log_y)]
        for name, points in series.items()
    }
    every = [point for points in kept.values() for point in points]
    if not every:
        raise ValueError("a chart without points")
    xs, ys = [x for x, _ in every], [y for _, y in every]
    if mark_y is not None:
        ys.append(mark_y)
    low_x, high_x = min(xs), max(xs)
    scale = math.log10 if log_y else float
    low_y, high_y = scale(min(ys)), scale(max(ys))
    if not log_y:
        low_y = min(0.0, low_y)

    def px(x: float) -> float:
        return left + (x - low_x) / ((high_x - low_x) or 1) * (width - left - 12)

    def py(y: float) -> float:
        span = (high_y - low_y) or 1
        return height - bottom - (scale(y) - low_y) / span * (height - bottom - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {total}" '
        f'role="img" aria-label="{escape(y_title)} over {escape(x_title)}" fill="currentColor">',
        _STYLE if standalone else "",
        f'<text x="4" y="14">{escape(y_title)}</text>',
        f'<text x="{(left + width) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(x_title)}</text>",
    ]
    for x in _ticks(low_x, high_x):
        parts.append(
            f'<text x="{px(x):.1f}" y="{height - bottom + 16}" text-anchor="middle">{x:g}</text>'
        )
    for y in _log_ticks(low_y, high_y) if log_y else _ticks(low_y, high_y):
        parts.append(
            f'<line x1="{left}" x2="{width - 12}" y1="{py(y):.1f}" y2="{py(y):.1f}" '
            'stroke="currentColor" stroke-opacity=".15"/>'
            f'<text x="{left - 6}" y="{py(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
        )
    if mark_y is not None:
        parts.append(
            f'<line x1="{left}" x2="{width - 12}" y1="{py(mark_y):.1f}" y2="{py(mark_y):.1f}" '
            'stroke="currentColor" stroke-dasharray="5 4"/>'
        )
    for number, (name, points) in enumerate(kept.items()):
        colour = f"c{number % 7}"
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        dash = "" if number < 7 else ' stroke-dasharray="2 3"'
        parts.append(
            f'<polyline class="{colour}" points="{path}" fill="none" stroke="var(--c)" '
            f'stroke-width="2"{dash}/>'
        )
        x, y = 8 + number % 3 * 212, height + 12 + number // 3 * 18
        parts.append(
            f'<line class="{colour}" x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}" '
            f'stroke="var(--c)" stroke-width="3"{dash}/>'
            f'<text x="{x + 24}" y="{y}">{escape(name)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    raw = ((high - low) or 1) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between the powers `low` and `high` of ten; only powers if they are many."""
    mantissas = (1, 2, 5) if high - low < 3 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    return [
        mantissa * 10.0**power
        for power in powers
        for mantissa in mantissas
        if low - 1e-9 <= math.log10(mantissa * 10.0**power) <= high + 1e-9
    ]
