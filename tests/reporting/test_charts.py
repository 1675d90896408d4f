"""Charts are well-formed, to scale, the same every time, and load nothing."""

import re
import xml.etree.ElementTree as ET

import pytest

from pconv_tf.reporting.charts import line_charts

SVG = "{http://www.w3.org/2000/svg}"
POINTS = {"a <b>": [(0, 1), (5, 10), (10, 100)], "empty": [(0, float("nan"))]}


def _draw(**kwargs):
    return line_charts({"one": POINTS, "two": {"c": [(0, 2)]}}, x_title="x", y_title="y", **kwargs)


@pytest.mark.parametrize("log_y", [True, False])
def test_lines_are_to_scale(log_y):
    root = ET.fromstring(_draw(log_y=log_y, mark_y=1))
    lines = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("clip-path")]
    (line,) = (d for d in lines if d.count("L") == 2)
    points = [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line)]
    assert points[0][0] < points[1][0] < points[2][0]
    first, second = points[0][1] - points[1][1], points[1][1] - points[2][1]
    assert first > 0 and (first == pytest.approx(second, abs=0.2)) is log_y
    texts = {"".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")}
    assert {"a <b>", "one", "two", "x", "y"} <= texts


def test_a_chart_follows_the_page_and_loads_nothing():
    drawn = _draw()
    assert "currentColor" in drawn and "#010203" not in drawn
    assert not re.search(r"https?://(?!www\.w3\.org)", drawn)
    assert drawn == _draw()


def test_whole_numbers():
    root = ET.fromstring(
        line_charts({"t": {"a": [(0, 1), (3, 2)]}}, x_title="x", y_title="y", whole_x=True)
    )
    ticks = [
        "".join(tick.itertext()).strip()
        for group in root.iter(f"{SVG}g")
        if (group.get("id") or "").startswith("xtick")
        for tick in group.iter(f"{SVG}text")
    ]
    assert ticks == ["0", "1", "2", "3"]


def test_a_chart_without_points_is_refused():
    with pytest.raises(ValueError, match="without points"):
        line_charts({"a": {"b": []}}, x_title="x", y_title="y")
