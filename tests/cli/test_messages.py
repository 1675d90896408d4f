"""Messages of the command line."""

import logging as std_logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pconv_tf.cli import messages


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


def record(level, path, text):
    return std_logging.LogRecord("absl", level, str(path), 1, text, None, None)


def test_information_of_other_packages_is_not_shown():
    """TensorFlow logs by absl which files of a SavedModel it writes."""
    theirs = Path(np.__file__)
    assert not messages.is_shown(record(std_logging.INFO, theirs, "Writing fingerprint"))
    assert messages.is_shown(record(std_logging.WARNING, theirs, "weights are gone"))
    assert messages.is_shown(record(std_logging.INFO, Path(messages.__file__), "wrote a file"))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_remarks_on_loaded_state_are_not_shown(keras3, tmp_path, caplog, recwarn, suffix):
    """Keras makes them of an optimizer that trained fewer weights than the file has now."""
    keras = keras3
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.layers[0].trainable = False
    loss, metric = keras.losses.MeanSquaredError(), keras.metrics.MeanAbsoluteError()
    model.compile("adam", loss, metrics=[metric])
    model.fit(np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32), verbose=0)
    model.layers[0].trainable = True
    model.save(tmp_path / f"model{suffix}")
    caplog.clear()
    recwarn.clear()
    keras.models.load_model(tmp_path / f"model{suffix}")
    warned = [str(w.message) for w in recwarn if issubclass(w.category, UserWarning)]
    logged = [r for r in caplog.records if r.name == "absl"]
    assert warned or logged, "this release of Keras makes no such remark"
    assert all(text.startswith(messages.OF_LOADED_STATE) for text in warned), warned
    assert not any(messages.is_shown(r) for r in logged), logged
