"""JSON and progress as the terminal and a pipe see them."""

import json

import pytest

from pconv_tf.cli import output


def test_json_refuses_what_json_cannot_hold(capsys):
    output.print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        output.print_json({"a": float("nan")})


def test_progress_is_silent_without_a_terminal(capsys):
    with output.progress("converting", total=2) as bar:
        bar.advance(0)
    assert capsys.readouterr() == ("", "")
