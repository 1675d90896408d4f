"""docs/cpu_engine.md lists the ways to compute a convolution as the planner's table does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "delegate" / "cpu" / "planner" / "conv_algorithms.def"
PAGE = ROOT / "docs" / "cpu_engine.md"
# Where, among the texts of a row, those that the page shows stand: mark, masks, where.
SHOWN = {"CONV": (1, 3, 4), "STREAM": (0, 2, 3), "FUSION": (0, 2, 3)}


def test_page_lists_the_rows_of_the_table():
    rows = []
    text = re.sub(r"^//.*$", "", TABLE.read_text(), flags=re.M)
    for kind, name, rest in re.findall(
        r"^(CONV|STREAM|FUSION)\((\w+), (.*?)\)$", text, re.M | re.S
    ):
        texts = [ast.literal_eval(t) for t in re.findall(r'"(?:[^"\\]|\\.)*"', rest)]
        mark, masks, where = (texts[i] for i in SHOWN[kind])
        rows.append((name, mark.strip(), masks, where))
    assert len(rows) >= 15
    listed = re.findall(r"^\| (\w+) \| `(.*?)` \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.M)
    assert listed == rows
