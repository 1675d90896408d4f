"""Line charts by matplotlib (the extra `plot`), as SVG that follows a page's light or dark mode."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

Series = Mapping[str, Sequence[tuple[float, float]]]

# Drawn with in place of the page's text colour, which matplotlib cannot name.
_TEXT = "#010203"
# Told apart on white and on black alike.
_COLOURS = ("#1f77b4", "#d9730d", "#2a9d5c", "#c0504d", "#8e5bb5", "#8c6d4f", "#d4589b")


def line_charts(
    charts: Mapping[str, Series],
    *,
    x_title: str,
    y_title: str,
    log_y: bool = False,
    whole_x: bool = False,
    mark_y: float | None = None,
) -> str:
    """Charts of the same axes beside one another, two in a row, each with its legend.

    Args:
        charts: Points by name of the line, by title of the chart. Values that are not finite, or
            not positive on a logarithmic axis, are left out.
        x_title: Under the horizontal axes.
        y_title: Beside the vertical axes.
        log_y: Logarithmic vertical axes.
        whole_x: Ticks of the horizontal axes are whole numbers.
        mark_y: Height of a dashed horizontal line.

    Returns:
        An `<svg>` element in which text stays text.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: There is no point to draw.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    kept = {title: _drawable(series, log_y) for title, series in charts.items()}
    if not any(points for series in kept.values() for points in series.values()):
        raise ValueError("a chart without points")
    columns = min(2, len(kept))
    rows = math.ceil(len(kept) / columns)
    # Names of elements come from this salt: the same values give the same bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "pconv_tf", "font.size": 9}):
        figure = Figure(figsize=(3.4 + 3.4 * (columns - 1), 2.9 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, (title, series) in zip(axes.flat, kept.items(), strict=False):
            _draw(place, title, series, log_y=log_y, whole_x=whole_x, mark_y=mark_y)
        for place in axes.flat[len(kept) :]:
            place.set_axis_off()
        figure.supxlabel(x_title, color=_TEXT, fontsize=9)
        figure.supylabel(y_title, color=_TEXT, fontsize=9)
        out = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    drawn = out.getvalue()
    return drawn[drawn.index("<svg") :].replace(_TEXT, "currentColor").strip()


def _drawable(series: Series, log_y: bool) -> dict[str, list[tuple[float, float]]]:
    return {
        name: [(x, y) for x, y in points if math.isfinite(y) and (y > 0 or not log_y)]
        for name, points in series.items()
    }


def _draw(
    place: Any,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    log_y: bool,
    whole_x: bool,
    mark_y: float | None,
) -> None:
    from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullFormatter

    for number, (name, points) in enumerate(series.items()):
        xs, ys = zip(*points, strict=True) if points else ((), ())
        style = ("-", "--", ":")[number // len(_COLOURS) % 3]
        place.plot(xs, ys, style, label=name, color=_COLOURS[number % len(_COLOURS)], linewidth=1.6)
    if log_y:
        place.set_yscale("log")
        place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        place.yaxis.set_major_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(9, 9)))
        place.yaxis.set_minor_formatter(NullFormatter())
    else:
        place.set_ylim(bottom=min(0, place.get_ylim()[0]))
    if whole_x:
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
    if mark_y is not None:
        place.axhline(mark_y, color=_TEXT, linestyle="--", linewidth=1)
    place.set_title(title, color=_TEXT, fontsize=9)
    place.grid(alpha=0.25)
    place.tick_params(colors=_TEXT)
    for spine in place.spines.values():
        spine.set_edgecolor(_TEXT)
    legend = place.legend(fontsize=7, frameon=False)
    for text in legend.get_texts():
        text.set_color(_TEXT)
