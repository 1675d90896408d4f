"""Messages of the command line."""

import subprocess
import sys


def test_messages_name_the_level_and_come_to_standard_error():
    code = (
        "from absl import logging; import pconv_tf; from pconv_tf.cli import messages, output;"
        "logging.info('as a library'); logging.set_verbosity(logging.WARNING);"
        "messages.set_up(); output.note('wrote 100%'); logging.warning('noisy');"
        "logging.debug('never')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    assert run.stderr == "wrote 100%\npconv-tf: warning: noisy\n"
