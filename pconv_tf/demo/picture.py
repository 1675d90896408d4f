"""The demo's picture: learned patterns, what is left of each layer, accuracy and latency."""

from __future__ import annotations

import importlib.util
import io
import json
from typing import Any

import numpy as np

KEPT = "#1f6f8b"
REMOVED = "#dfe6e9"
DENSE = "#b2bec3"
COLUMNS = 8


def check_matplotlib() -> None:
    """Raises ValueError if the picture could not be drawn, before anything is trained for it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("demo: needs the package matplotlib: pip install 'pconv-tf[plot]'")


def draw(report: Any, rows: list[dict[str, Any]]) -> bytes:
    """Draws the result as a PNG.

    Args:
        report: `pconv_tf.sparsity_report` of the pruned model.
        rows: The table's rows as dictionaries: the dense model first, the pruned file last.

    Returns:
        The file's bytes. The rows stand in it as JSON, in the text entry "Description".
    """
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    layers = [layer for layer in report.layers if layer.kind == "conv"]
    patterns = _pattern_shares(layers)
    figure = plt.figure(figsize=(10, 6.4), dpi=110, layout="constrained")
    dense, pruned = rows[0], rows[-1]
    figure.suptitle(
        f"Fashion-MNIST: {1 / pruned['weights_kept']:.1f}x fewer convolution weights, "
        f"{pruned['speedup']:.1f}x faster than XNNPACK",
        fontsize=13,
    )
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.6))
    top, bottom = halves
    _draw_patterns(top, patterns)
    left, middle, right = bottom.subplots(1, 3, width_ratios=(2.2, 1, 1))
    _draw_layers(left, layers)
    names, shown = ["dense", "pruned"], [dense, pruned]
    accuracies = [100 * row["accuracy"] for row in shown]
    _draw_bars(middle, names, accuracies, "test accuracy, %", "{:.2f}")
    _draw_bars(right, names, [row["latency_ms"] for row in shown], "latency, ms", "{:.3f}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Description": json.dumps(rows)})
    plt.close(figure)
    return buffer.getvalue()


def _pattern_shares(layers: list[Any]) -> list[tuple[np.ndarray, float]]:
    """The 3x3 patterns and their shares of the kept kernels, most frequent first."""
    counts: dict[int, int] = {}
    for layer in layers:
        for mask, count in layer.patterns.items():
            counts[mask] = counts.get(mask, 0) + count
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])[: 2 * COLUMNS]
    bits = 1 << np.arange(9)
    return [(((mask & bits) != 0).reshape(3, 3), count / total) for mask, count in ordered]


def _draw_patterns(figure: Any, patterns: list[tuple[np.ndarray, float]]) -> None:
    import matplotlib.colors

    figure.suptitle("learned 3x3 patterns and their share of the kept kernels", fontsize=10)
    lines = -(-len(patterns) // COLUMNS)
    axes = np.atleast_1d(figure.subplots(lines, min(COLUMNS, len(patterns)))).ravel()
    colours = matplotlib.colors.ListedColormap([REMOVED, KEPT])
    for axis in axes:
        axis.set_axis_off()
    for axis, (mask, share) in zip(axes, patterns, strict=False):
        axis.pcolormesh(mask[::-1], cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=2)
        axis.set_aspect("equal")
        axis.set_title(f"{100 * share:.1f} %", fontsize=9)


def _draw_layers(axis: Any, layers: list[Any]) -> None:
    positions = np.arange(len(layers))
    kept = np.array([layer.nonzero / layer.weights for layer in layers]) * 100
    axis.barh(positions, 100, color=REMOVED, label="removed")
    axis.barh(positions, kept, color=KEPT, label="kept")
    for position, share in zip(positions, kept, strict=True):
        axis.text(share + 1.5, position, f"{share:.1f} %", va="center", fontsize=8)
    axis.set_yticks(positions, [layer.name for layer in layers])
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_title("weights kept per layer, %", fontsize=10)
    axis.legend(loc="lower right", fontsize=8)
    _declutter(axis)


def _draw_bars(axis: Any, names: list[str], values: list[float], title: str, text: str) -> None:
    bars = axis.bar(names, values, color=[DENSE, KEPT][: len(names)], width=0.6)
    axis.bar_label(bars, [text.format(value) for value in values], fontsize=9)
    axis.set_ylim(0, max(values) * 1.15)
    axis.set_title(title, fontsize=10)
    axis.set_yticks([])
    _declutter(axis)


def _declutter(axis: Any) -> None:
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
