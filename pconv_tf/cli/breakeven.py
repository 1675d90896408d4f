"""Measures from which sparsity a pruned layer is faster than XNNPACK's dense one.

Times chains of 3x3 and 1x1 convolutions, dense in stock LiteRT and pruned with
the delegate, over channels, map sizes and sparsities, and compares the gain
with what the converter's cost model expects. Takes about three minutes. With
--cost_model it fits a cost model to what it measured and writes it; the one
in use is pconv_tf/conversion/cost_model.json.

  pconv-tf breakeven
  pconv-tf breakeven --markdown --plot=docs/breakeven.svg > docs/breakeven.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pconv_tf import tables
from pconv_tf.cli import output

if TYPE_CHECKING:
    from pconv_tf.measuring.break_even import BreakEven, Point


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf breakeven`."""
    parser.add_argument("--kernels", default="3,1", metavar="K,K", help="kernel sizes (3,1)")
    parser.add_argument(
        "--filter_blocks", default="1,16", metavar="B,B", help="filters sharing masks (1,16)"
    )
    parser.add_argument("--num_threads", type=int, default=1, metavar="N", help="threads (1)")
    parser.add_argument("--external_delegate_path", metavar="LIB", help="default: this project's")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights (0)")
    parser.add_argument(
        "--cost_model", metavar="FILE.json", help="fit a cost model to the result, write it"
    )
    parser.add_argument("--plot", metavar="FILE.svg", help="also draw the curves")
    form = parser.add_mutually_exclusive_group()
    output.add_json_argument(form)
    form.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf breakeven`."""
    from pconv_tf.conversion.cost_model import costs_text
    from pconv_tf.files import write_atomically
    from pconv_tf.measuring.break_even import measure_breakeven
    from pconv_tf.measuring.checkout import checkout_commit

    if args.plot:
        import matplotlib  # noqa: F401 - that it is missing is told before minutes of measuring

    with output.progress("starting", total=1) as bar:
        result = measure_breakeven(
            kernels=_integers("kernels", args.kernels),
            filter_blocks=_integers("filter_blocks", args.filter_blocks),
            num_threads=args.num_threads,
            external_delegate_path=args.external_delegate_path,
            seed=args.seed,
            fit=args.cost_model is not None,
            progress=lambda text, done, total: bar.update(
                bar.task_ids[0], description=text, completed=done, total=total
            ),
        )
    if args.cost_model:
        text = costs_text(result.costs, _conditions(result), checkout_commit())
        write_atomically(args.cost_model, text)
    if args.plot:
        write_atomically(args.plot, plot(result))
    if args.json:
        output.print_json(result)
    elif args.markdown:
        print(_markdown(result, args.plot), end="")
    else:
        print(_conditions(result))
        print()
        tables.print_table(_COLUMNS, _rows(result))
        print(_error(result))
    return 0


def plot(result: BreakEven) -> str:
    """The gain over sparsity as SVG: a chart for each kernel and block, a line for each layer."""
    from pconv_tf.reporting.charts import line_charts

    charts: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for c in result.curves:
        title = f"{c.kernel}x{c.kernel}, masks shared by {c.filter_block}"
        name = f"{c.channels} channels, {c.size}x{c.size}"
        points = [(100 * point.sparsity, point.gain) for point in c.points]
        charts.setdefault(title, {})[name] = points
    return line_charts(
        charts,
        x_title="per cent of weights pruned",
        y_title="times faster than XNNPACK",
        log_y=True,
        mark_y=1,
    )


def _integers(flag: str, text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{flag}: received {text!r}, expected numbers such as 3,1") from None


_COLUMNS = ("layer", "map", "block", "dense ms", "break-even", "model", "gain at 1/4", "at 1/8")


def _rows(result: BreakEven) -> list[tuple[str, ...]]:
    return [
        (
            f"{curve.kernel}x{curve.kernel} {curve.channels}->{curve.channels}",
            f"{curve.size}x{curve.size}",
            str(curve.filter_block),
            tables.milliseconds(curve.points[0].dense_ms),
            _sparsity(curve.break_even, curve.points[0].sparsity),
            _sparsity(curve.expected_break_even, curve.points[0].sparsity),
            _gain(curve.points, 0.75),
            _gain(curve.points, 0.875),
        )
        for curve in result.curves
    ]


def _sparsity(value: float | None, lowest: float) -> str:
    if value is None:
        return "none"
    return f"<= {value:.0%}" if value <= lowest else f"{value:.0%}"


def _gain(points: Sequence[Point], sparsity: float) -> str:
    nearest = min(points, key=lambda point: abs(point.sparsity - sparsity))
    return f"{nearest.gain:.1f}x"


def _conditions(result: BreakEven) -> str:
    machine = result.machine
    return (
        f"{machine.cpu} ({machine.instructions}), {result.num_threads} thread(s), float32. "
        "Break-even: per cent of weights pruned from which the layer is faster than XNNPACK."
    )


def _error(result: BreakEven) -> str:
    return (
        f"The cost model's gain misses the measured one by {result.model_error - 1:.0%} on average."
    )


def _markdown(result: BreakEven, picture: str | None) -> str:
    from pathlib import Path

    lines = [
        "# Break-even sparsity",
        "",
        f"{_conditions(result)} Written by `pconv-tf breakeven --markdown`.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|{'---:|' * (len(_COLUMNS) - 1)}",
        *(f"| {' | '.join(row)} |" for row in _rows(result)),
        "",
        "*model*: break-even by the converter's cost model (`pconv_tf/conversion/cost_model.py`). "
        "*gain at 1/4*: at the measured point nearest to a quarter of the weights. "
        + _error(result),
    ]
    if picture:
        lines += ["", f"![gain over sparsity]({Path(picture).name})"]
    return "\n".join(lines) + "\n"
