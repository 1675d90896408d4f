"""Charts are well-formed, to scale and self-contained."""

import xml.etree.ElementTree as ET

import pytest

from pconv_tf.reporting.svg import _log_ticks, _ticks, line_chart, pattern_grid

SVG = "{http://www.w3.org/2000/svg}"


def test_pattern_grid_shows_every_tap():
    root = ET.fromstring(pattern_grid([".X.", "XX.", "..X"]))
    kinds = [rect.get("class") for rect in root.iter("rect")]
    assert kinds == ["off", "on", "off", "on", "on", "off", "off", "off", "on"]
    assert root.get("aria-label") == "pattern .X. / XX. / ..X"


@pytest.mark.parametrize("log_y", [True, False])
def test_line_chart(log_y):
    series = {"a <b>": [(0, 1), (5, 10), (10, 100)], "empty": [(0, float("nan"))]}
    root = ET.fromstring(
        line_chart(series, x_title="x", y_title="y", log_y=log_y, mark_y=1, standalone=True)
    )
    line = next(iter(root.iter(f"{SVG}polyline")))
    points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert points[0][0] < points[1][0] < points[2][0]
    first, second = points[0][1] - points[1][1], points[1][1] - points[2][1]
    assert (first == pytest.approx(second, abs=0.2)) is log_y
    assert "a <b>" in [text.text for text in root.iter(f"{SVG}text")]


def test_a_chart_without_points_is_refused():
    with pytest.raises(ValueError, match="without points"):
        line_chart({"a": []}, x_title="x", y_title="y")


def test_ticks_are_round_and_inside():
    assert _ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert _ticks(0.13, 0.9) == [0.2, 0.4, 0.6, 0.8]
    assert _ticks(3, 3) == [3]
    assert _log_ticks(-1, 1) == [0.1, 0.2, 0.5, 1, 2, 5, 10]
