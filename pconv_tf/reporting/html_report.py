"""A `ModelReport` as one self-contained HTML page: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pconv_tf import __version__, tables
from pconv_tf.conversion.inspection import pattern_rows
from pconv_tf.reporting.model_report import LayerFacts, ModelReport
from pconv_tf.reporting.pattern_grid import pattern_grid

_STYLE = Path(__file__).with_name("report.css")
_MAX_PATTERNS = 24


def render(report: ModelReport) -> str:
    """The page."""
    sections = [
        f"<h1>{escape(report.name)}</h1>",
        _warnings(report),
        _tiles(report),
        "<h2>Latency of the whole model</h2>",
        _bars(report.comparison),
        "<h2>Patterns</h2>",
        _patterns(report),
        "<h2>Layers</h2>",
        _layers(report),
    ]
    if report.residuals:
        from pconv_tf.reporting.charts import line_charts

        chart = line_charts(
            {"": report.residuals},
            x_title="epoch, as the log counts",
            y_title="relative residual",
            log_y=True,
            whole_x=True,
        )
        meaning = (
            "<p>Primal: distance of the weights from the constraints. Dual: movement of the "
            "auxiliaries. Both relative to the norm of the weights.</p>"
        )
        sections += ["<h2>ADMM residuals</h2>", meaning, f'<div class="chart">{chart}</div>']
    sections += ["<h2>How it was measured</h2>", _method(report)]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.name)}: pruning report</title>\n"
        f"<style>\n{_STYLE.read_text()}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _warnings(report: ModelReport) -> str:
    """What to know before any number is believed."""
    pruned = [layer for layer in report.layers if layer.pruned]
    slower = [layer.name for layer in pruned if layer.slower]
    lines = [
        *(
            f"{row['name']} is slower than the dense model: {tables.ratio(row['speedup'])}."
            for row in report.comparison["contenders"]
            if row["name"] == "pconv" and row["speedup"] < 1
        ),
        *report.comparison["warnings"],
    ]
    if slower:
        lines.append(
            f"{len(slower)} of {len(pruned)} pruned layers take longer than dense, each timed "
            f"alone: {', '.join(slower)}."
        )
    return _list(lines, "warning")


def _tiles(report: ModelReport) -> str:
    rows = {row["name"]: row for row in report.comparison["contenders"]}
    pruned = [layer for layer in report.layers if layer.pruned]
    weights = sum(layer.dense_bytes for layer in pruned)
    kept = sum(layer.dense_bytes * layer.kept_weights for layer in pruned)
    macs = sum(layer.macs for layer in pruned)
    kept_macs = sum(layer.macs * layer.kept_weights for layer in pruned)
    base, own = rows["litert"], rows.get("pconv")
    tiles = []
    if own:
        tiles += [
            (tables.ratio(own["speedup"]), "as fast as stock LiteRT + XNNPACK"),
            (
                f"{tables.milliseconds(own['latency_ms']['median'])} ms",
                f"latency; dense {tables.milliseconds(base['latency_ms']['median'])} ms",
            ),
        ]
    tiles += [
        (f"{weights / kept:.1f}x", f"fewer weights in the {len(pruned)} pruned layers"),
        (
            f"{tables.amount(kept_macs / 1e6)} M",
            f"multiply-accumulates in them; dense {tables.amount(macs / 1e6)} M",
        ),
        (tables.size(report.file_bytes), f"file; dense {tables.size(report.dense_bytes)}"),
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
        least, p90 = (tables.milliseconds(row["latency_ms"][key]) for key in ("min", "p90"))
        title = f"{row['name']} {row['version']}: min {least} ms, p90 {p90} ms. {row['remark']}"
        bars.append(
            f'<div class="bar{own}" title="{escape(title)}"><span>{escape(row["name"])}</span>'
            f'<i style="width:{100 * median / longest:.1f}%"></i>'
            f"<span>{tables.milliseconds(median)} ms, {tables.ratio(row['speedup'])}</span></div>"
        )
    failed = (
        f'<p class="warning">{escape(name)}: {escape(reason.splitlines()[0])}</p>'
        for name, reason in comparison["failed"].items()
    )
    return "".join((*bars, *failed))


def _patterns(report: ModelReport) -> str:
    total = sum(report.patterns.values()) or 1
    ranked = sorted(report.patterns.items(), key=lambda item: (-item[1], item[0]))
    figures = [
        f"<figure>{pattern_grid(pattern_rows(mask, (kh, kw)))}"
        f"<figcaption>{tables.share(count / total)}</figcaption></figure>"
        for (kh, kw, mask), count in ranked[:_MAX_PATTERNS]
    ]
    more = ""
    if len(ranked) > _MAX_PATTERNS:
        share = sum(count for _, count in ranked[_MAX_PATTERNS:]) / total
        rest = f"{len(ranked) - _MAX_PATTERNS} more patterns: {tables.share(share)} of the kernels."
        more = f"<p>{rest}</p>"
    return (
        f'<p>Shares of the {total:,} kernels that are kept.</p><div class="patterns">'
        f"{''.join(figures)}</div>{more}"
    )


def _layers(report: ModelReport) -> str:
    # What matters most stands first: a phone shows the first five columns.
    heads = (
        *("layer", "ms dense", "ms pruned", "ratio", "", "kept", "shape", "map"),
        *("MMAC dense", "kept", "kB dense", "FKW", "kernels kept"),
    )
    head = "".join(f"<th>{text}</th>" for text in heads)
    times = [ms for layer in report.layers for ms in (layer.dense_ms, layer.pruned_ms) if ms]
    longest = max(times, default=1.0)
    body = "".join(_layer_row(layer, longest) for layer in report.layers)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div><p>Bars: milliseconds dense (grey) and pruned (blue). Layers are timed alone, "
        "converted from and to the runtime's layout each; the whole model converts only at its "
        "ends.</p>"
    )


def _layer_row(layer: LayerFacts, longest: float) -> str:
    ratio = "-"
    if layer.dense_ms and layer.pruned_ms:
        ratio = tables.ratio(layer.dense_ms / layer.pruned_ms)
    if layer.slower:
        ratio += '<small class="warning">slower</small>'
    reason = f"<small>stock: {escape(layer.reason)}</small>" if layer.reason else ""
    kept_macs = tables.amount(layer.macs * layer.kept_weights / 1e6) if layer.pruned else "-"
    cells = (
        escape(layer.name) + reason,
        tables.milliseconds(layer.dense_ms),
        tables.milliseconds(layer.pruned_ms),
        ratio,
        _bar(layer.dense_ms, longest, "dense") + _bar(layer.pruned_ms, longest, "own"),
        tables.share(layer.kept_weights),
        escape(layer.shape),
        f"{layer.output[0]}x{layer.output[1]}",
        tables.amount(layer.macs / 1e6),
        kept_macs,
        tables.kilobytes(layer.dense_bytes),
        tables.kilobytes(layer.fkw_bytes) if layer.pruned else "-",
        tables.share(layer.kept_kernels) if layer.pruned else "-",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _bar(ms: float | None, longest: float, kind: str) -> str:
    return f'<i class="{kind}" style="width:{100 * ms / longest:.0f}%"></i>' if ms else ""


def _method(report: ModelReport) -> str:
    result = report.comparison
    machine = result["machine"]
    subject = result["subject"]
    versions = ", ".join(f"{row['name']} {row['version']}" for row in result["contenders"])
    commit = f", commit {report.commit}" if report.commit else ""
    lines = [
        f"{_machine(machine)}, {result['num_threads']} thread(s) each, float32.",
        f"Contenders: {versions}. All run the same weights, each in a process of its own; their "
        "outputs were compared with stock LiteRT's before anything was timed. They take turns in "
        "short bursts; latencies are medians over all bursts.",
        f"Made on {report.date} by pconv-tf report of pconv_tf {__version__}{commit}; input of "
        f"random values (seed {result['seed']}).",
    ]
    if machine != report.machine:
        lines.append(f"Layers were timed on another machine: {_machine(report.machine)}.")
    if "network" in subject:
        fields = ", ".join(f"{key} {value}" for key, value in subject["pruning"].items())
        lines.append(f"Random weights of {subject['network']}, pruned at once: {fields}.")
    return _list(lines)


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"{machine['cpu']} ({machine['instructions']}, {machine['cpus']} processors), "
        f"{machine['system']}"
    )


def _list(lines: Sequence[str] | Iterable[str], kind: str = "") -> str:
    items = "".join(f'<li class="{kind}">{escape(line)}</li>' for line in lines)
    return f"<ul>{items}</ul>" if items else ""
