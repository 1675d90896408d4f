"""JSON and progress as the terminal and a pipe see them."""

import json
import subprocess
import sys

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


def test_messages_name_the_level_and_come_to_standard_error():
    code = (
        "from absl import logging; import pconv_tf; from pconv_tf.cli import output;"
        "logging.info('as a library'); logging.set_verbosity(logging.WARNING);"
        "output.set_up_messages(); output.note('wrote 100%'); logging.warning('noisy');"
        "logging.debug('never')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    assert run.stderr == "wrote 100%\npconv-tf: warning: noisy\n"
