"""Patterns as pictures."""

import xml.etree.ElementTree as ET

from pconv_tf.reporting.pattern_grid import pattern_grid


def test_pattern_grid_shows_every_tap():
    root = ET.fromstring(pattern_grid([".X.", "XX.", "..X"]))
    kinds = [rect.get("class") for rect in root.iter("rect")]
    assert kinds == ["off", "on", "off", "on", "on", "off", "off", "off", "on"]
    assert root.get("aria-label") == "pattern .X. / XX. / ..X"
