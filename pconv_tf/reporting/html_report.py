"""A `ModelReport` as one self-contained HTML page: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pconv_tf import __version__
from pconv_tf.reporting.model_report import LayerFacts, ModelReport
from pconv_tf.reporting.svg import line_chart, pattern_grid

_STYLE = Path(__file__).with_name("report.css")
_MAX_PATTERNS = 24


def render(report: ModelReport) -> str:
    """The page."""
    sections = [
        f"<h1>{escape(report.name)}</h1>",
        _tiles(report),
        "<h2>Latency of the whole model</h2>",
        _bars(report.comparison),
        "<h2>Patterns</h2>",
        _patterns(report),
        "<h2>Layers</h2>",
        _layers(report),
    ]
    if report.residuals:
        chart = line_chart(
            report.residuals, x_title="epoch", y_title="relative residual", log_y=True
        )
        meaning = (
            "<p>Primal: distance of the weights from the constraints. Dual: movement of the "
            "auxiliaries. Both relative to the norm of the weights.</p>"
        )
        sections += ["<h2>ADMM residuals</h2>", meaning, chart]
    sections += ["<h2>How it was measured</h2>", _method(report)]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.name)}: pruning report</title>\n"
        f"<style>\n{_STYLE.read_text()}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _tiles(report: ModelReport) -> str:
    rows = {row["name"]: row for row in report.comparison["contenders"]}
    weights = sum(layer.dense_bytes for layer in report.layers)
    kept = sum(layer.dense_bytes * layer.kept_weights for layer in report.layers)
    macs = sum(layer.macs for layer in report.layers)
    kept_macs = sum(layer.macs * layer.kept_weights for layer in report.layers)
    base, own = rows["litert"], rows.get("pconv")
    tiles = []
    if own:
        tiles += [
            (f"{own['speedup']:.2f}x", "faster than stock LiteRT + XNNPACK"),
            (
                f"{own['latency_ms']['median']:.2f} ms",
                f"latency; dense {base['latency_ms']['median']:.2f} ms",
            ),
        ]
    tiles += [
        (f"{weights / kept:.1f}x", "fewer weights in the pruned layers"),
        (f"{kept_macs / 1e6:,.0f} M", f"multiply-accumulates in them; dense {macs / 1e6:,.0f} M"),
        (f"{report.file_bytes / 1e6:.2f} MB", f"file; dense {report.dense_bytes / 1e6:.2f} MB"),
    ]
    if report.accuracy:
        before, after = report.accuracy
        tiles.append((f"{after:g}", f"accuracy; {before:g} before pruning"))
    if own:
        tiles.append((f"{own['max_abs_diff']:.0e}", "largest difference from the dense output"))
    cells = (f'<div class="tile"><b>{value}</b><span>{text}</span></div>' for value, text in tiles)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _bars(comparison: dict[str, Any]) -> str:
    rows = comparison["contenders"]
    longest = max(row["latency_ms"]["median"] for row in rows)
    bars = []
    for row in rows:
        median = row["latency_ms"]["median"]
        own = " own" if row["name"].startswith("pconv") else ""
        title = f"{row['name']} {row['version']}: min {row['latency_ms']['min']:.3f} ms, p90 "
        title += f"{row['latency_ms']['p90']:.3f} ms. {row['remark']}"
        bars.append(
            f'<div class="bar{own}" title="{escape(title)}"><span>{escape(row["name"])}</span>'
            f'<i style="width:{100 * median / longest:.1f}%"></i>'
            f"<span>{median:.2f} ms, {row['speedup']:.2f}x</span></div>"
        )
    failed = (
        f'<p class="warning">{escape(name)}: {escape(reason.splitlines()[0])}</p>'
        for name, reason in comparison["failed"].items()
    )
    return "".join((*bars, *failed))


def _patterns(report: ModelReport) -> str:
    from pconv_tf.conversion.inspection import pattern_rows

    total = sum(report.patterns.values()) or 1
    ranked = sorted(report.patterns.items(), key=lambda item: (-item[1], item[0]))
    figures = [
        f"<figure>{pattern_grid(pattern_rows(mask, (kh, kw)))}"
        f"<figcaption>{100 * count / total:.1f} %</figcaption></figure>"
        for (kh, kw, mask), count in ranked[:_MAX_PATTERNS]
    ]
    more = ""
    if len(ranked) > _MAX_PATTERNS:
        share = sum(count for _, count in ranked[_MAX_PATTERNS:]) / total
        more = f"<p>{len(ranked) - _MAX_PATTERNS} more patterns: {share:.1%} of the kernels.</p>"
    return (
        f'<p>Shares of the {total:,} kernels that are kept.</p><div class="patterns">'
        f"{''.join(figures)}</div>{more}"
    )


def _layers(report: ModelReport) -> str:
    heads = (
        *("layer", "shape", "map", "weights kept", "", "ms dense", "ms pruned", "ratio"),
        *("MMAC dense", "kept", "kB dense", "FKW", "kernels kept"),
    )
    head = "".join(f"<th>{text}</th>" for text in heads)
    # What all names begin with, as "model_1/", says nothing about any of them.
    names = [layer.name for layer in report.layers]
    shared = os.path.commonpath(names) if len(names) > 1 else ""
    skip = len(shared) + 1 if shared else 0
    body = "".join(_layer_row(layer, layer.name[skip:] or layer.name) for layer in report.layers)
    stock = report.dense_layers
    plural = "layer" if stock == 1 else "layers"
    note = f"{stock} more {plural} stayed stock operators. " if stock else ""
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div><p>{note}Layers are timed alone, converted from and to the runtime's layout each; "
        "the whole model converts only at its ends.</p>"
    )


def _layer_row(layer: LayerFacts, name: str) -> str:
    ratio = "-"
    if layer.dense_ms and layer.pruned_ms:
        ratio = f"{layer.dense_ms / layer.pruned_ms:.1f}x"
    cells = (
        escape(name),
        escape(layer.shape),
        f"{layer.output[0]}x{layer.output[1]}",
        f"{layer.kept_weights:.1%}",
        f'<span class="track"><i style="width:{100 * layer.kept_weights:.0f}%"></i></span>',
        _ms(layer.dense_ms),
        _ms(layer.pruned_ms),
        ratio,
        f"{layer.macs / 1e6:.1f}",
        f"{layer.macs * layer.kept_weights / 1e6:.1f}",
        f"{layer.dense_bytes / 1e3:.1f}",
        f"{layer.fkw_bytes / 1e3:.1f}",
        f"{layer.kept_kernels:.1%}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _method(report: ModelReport) -> str:
    result = report.comparison
    machine = result["machine"]
    subject = result["subject"]
    versions = ", ".join(f"{row['name']} {row['version']}" for row in result["contenders"])
    lines = [
        f"{_machine(machine)}, {result['num_threads']} thread(s) each, float32.",
        f"Contenders: {versions}. All run the same weights, each in a process of its own; their "
        "outputs were compared with stock LiteRT's before anything was timed. They take turns in "
        "short bursts; latencies are medians over all bursts.",
        f"pconv_tf {__version__}, input of random values (seed {result['seed']}).",
    ]
    if machine != report.machine:
        lines.append(f"Layers were timed on another machine: {_machine(report.machine)}.")
    if "network" in subject:
        fields = ", ".join(f"{key} {value}" for key, value in subject["pruning"].items())
        lines.append(f"Random weights of {subject['network']}, pruned at once: {fields}.")
    return _list(lines) + _list(result["warnings"], "warning")


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"{machine['cpu']} ({machine['instructions']}, {machine['cpus']} processors), "
        f"{machine['system']}"
    )


def _list(lines: Sequence[str] | Iterable[str], kind: str = "") -> str:
    items = "".join(f'<li class="{kind}">{escape(line)}</li>' for line in lines)
    return f"<ul>{items}</ul>" if items else ""
