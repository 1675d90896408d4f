"""TensorFlow's start-up notices stay off the terminal; everything else passes."""

import os
import subprocess
import sys

from pconv_tf.cli.quiet_start import filtered_stderr


def test_holds_back_notices_only(capfd):
    with filtered_stderr():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are ...\n")
        os.write(2, b"E0000 00:00:1764437.1 99 cuda_platform.cc:51] failed call to cuInit\n")
        os.write(2, b"2026-11-29 10:00:00.123456: I external/local_xla/cudart_stub.cc:31] no GPU\n")
        os.write(2, b"To enable the following instructions: AVX2, rebuild ...\n")
        os.write(2, b"a library's own words\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "a library's own words\nafterwards\n"


def test_tensorflow_starts_quietly():
    code = (
        "from pconv_tf.cli import quiet_start; quiet_start.install(); import tensorflow as tf;"
        "print(float(tf.constant(1.0) + 1))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("2.0\n", "")
