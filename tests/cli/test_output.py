"""Tables and JSON as the terminal and a pipe see them."""

import io
import json

import pytest

from pconv_tf.cli import output


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _table(monkeypatch, stream):
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "80")
    reason = "kept dense: the cost model expects no gain at a density of 0.9"
    rows = [[f"block_{n}/conv2d[{n}]", 1.25, reason] for n in range(3)]
    output.print_table(["layer", "ms", "why"], rows, title="layers", text_columns=["why"])
    return stream.getvalue()


def test_a_piped_table_has_one_line_a_row_and_no_colours(monkeypatch):
    text = _table(monkeypatch, io.StringIO())
    assert "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) == 1 + 2 + 3
    assert "block_2/conv2d[2]" in lines[-1] and "density of 0.9" in lines[-1]


def test_a_table_on_a_terminal_fits_80_columns_and_cuts_nothing(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    long = "x" * 200
    stream = _Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "80")
    output.print_table(["name", "value"], [[long, 1]])
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("x") == 200


def test_json_refuses_what_json_cannot_hold(capsys):
    output.print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
    with pytest.raises(ValueError, match="JSON"):
        output.print_json({"a": float("nan")})


def test_progress_is_silent_without_a_terminal(capsys):
    with output.progress("converting", total=2) as bar:
        bar.advance(0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000_000, "2.50 GB")]
)
def test_human_bytes(count, text):
    assert output.human_bytes(count) == text
