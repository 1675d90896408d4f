"""Documented command lines of TFLite's benchmark_model, which cannot be run in tests."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_line_with_the_delegate_keeps_xnnpack_from_going_first():
    lines = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text().replace("\\\n", " ")
        lines += re.findall(r"^.*benchmark_model.*--external_delegate_path=.*$", text, re.M)
    assert len(lines) >= 4
    for line in lines:
        assert "--use_xnnpack=false" in line, line
