"""Small charts as SVG text, coloured by the style sheet of the page they stand in.

Colours are `currentColor` and the classes `c0`, `c1`, ...; standing alone, a chart brings its own
style, for light and dark backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = (
    "<style>svg{color:#333;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#ddd}}"
    ".c0{--c:#1f77b4}.c1{--c:#d9730d}.c2{--c:#2a9d5c}.c3{--c:#c0392b}.c4{--c:#8e5bb5}"
    ".c5{--c:#8c6d4f}.c6{--c:#d4589b}</style>"
)
_COLOURS = 7
# Of a chart, in pixels: the plot with its margins, and the legend below it.
_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 26, 42
_LEGEND_COLUMNS, _LEGEND_COLUMN, _LEGEND_ROW = 3, 212, 18


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

    Raises:
        ValueError: There is no point to draw.
    """
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log_y)]
        for name, points in series.items()
    }
    plot = _Plot.around([*kept.values()], log_y=log_y, mark_y=mark_y)
    total = _HEIGHT + _LEGEND_ROW * math.ceil(len(series) / _LEGEND_COLUMNS)
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {_WIDTH} {total}" '
            f'role="img" aria-label="{escape(y_title)} over {escape(x_title)}" '
            'fill="currentColor">',
            _STYLE if standalone else "",
            *_axes(plot, x_title, y_title),
            "" if mark_y is None else _horizontal(plot.y(mark_y), 'stroke-dasharray="5 4"'),
            *(
                _line(plot, number, points) + _legend(number, name)
                for number, (name, points) in enumerate(kept.items())
            ),
            "</svg>",
        )
    )


@dataclass(frozen=True)
class _Plot:
    """The plotted ranges; vertical ones as logarithms if that axis is logarithmic."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    log_y: bool

    @staticmethod
    def around(
        lines: Sequence[Sequence[tuple[float, float]]], *, log_y: bool, mark_y: float | None
    ) -> _Plot:
        """The ranges of all points; with 0, unless the axis is logarithmic.

        Raises:
            ValueError: There are none.
        """
        xs = [x for points in lines for x, _ in points]
        ys = [y for points in lines for _, y in points]
        if not xs:
            raise ValueError("a chart without points")
        if mark_y is not None:
            ys.append(mark_y)
        if log_y:
            return _Plot(min(xs), max(xs), math.log10(min(ys)), math.log10(max(ys)), log_y)
        return _Plot(min(xs), max(xs), min(0.0, *ys), max(ys), log_y)

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.low_x) / ((self.high_x - self.low_x) or 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        level = math.log10(value) if self.log_y else float(value)
        share = (level - self.low_y) / ((self.high_y - self.low_y) or 1)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _axes(plot: _Plot, x_title: str, y_title: str) -> Iterator[str]:
    yield f'<text x="4" y="14">{escape(y_title)}</text>'
    yield (
        f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_title)}</text>"
    )
    for x in _ticks(plot.low_x, plot.high_x):
        yield (
            f'<text x="{plot.x(x):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{x:g}</text>"
        )
    for y in (_log_ticks if plot.log_y else _ticks)(plot.low_y, plot.high_y):
        at = plot.y(y)
        yield _horizontal(at, 'stroke-opacity=".15"')
        yield f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>'


def _horizontal(y: float, style: str) -> str:
    """A line over the whole width of the plot, `y` pixels from the top."""
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="currentColor" {style}/>'
    )


def _line(plot: _Plot, number: int, points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in points)
    colour, dash = _look(number)
    return (
        f'<polyline class="{colour}" points="{path}" fill="none" stroke="var(--c)" '
        f'stroke-width="2"{dash}/>'
    )


def _legend(number: int, name: str) -> str:
    """A line's entry in the rows below the plot."""
    x = 8 + number % _LEGEND_COLUMNS * _LEGEND_COLUMN
    y = _HEIGHT + 12 + number // _LEGEND_COLUMNS * _LEGEND_ROW
    colour, dash = _look(number)
    return (
        f'<line class="{colour}" x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}" '
        f'stroke="var(--c)" stroke-width="3"{dash}/>'
        f'<text x="{x + 24}" y="{y}">{escape(name)}</text>'
    )


def _look(number: int) -> tuple[str, str]:
    """Class and dashes of a line: once the colours are used up, they return dashed."""
    return f"c{number % _COLOURS}", "" if number < _COLOURS else ' stroke-dasharray="2 3"'


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
