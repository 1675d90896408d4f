"""docs/delegate.md lists the options as the delegate itself does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pconv_tf

PAGE = Path(__file__).parents[2] / "docs" / "delegate.md"


def test_options_table_is_the_delegates():
    with pytest.raises(ValueError) as error:
        pconv_tf.load_delegate({"no_such_option": 1})
    from_delegate = re.findall(r"^  (\w+) \((.*); default (.*?)\): (.*)$", str(error.value), re.M)
    assert len(from_delegate) >= 8
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE.read_text(), re.M)
    rows = [(key, accepted.replace("\\|", "|"), *rest) for key, accepted, *rest in rows]
    assert rows == from_delegate
