"""The registered operation in a real TFLite, without a delegate."""

from pathlib import Path

import pytest
from registered_operation import check_in_tflite

LIBRARY = Path(__file__).parents[2] / "bazel-bin" / "examples" / "app" / "libregister_pconv.so"


@pytest.mark.slow
def test_a_converted_file_runs_in_tflite_by_the_registered_operation(delegate):
    assert LIBRARY.is_file(), "run `bazel build //examples/app:libregister_pconv.so`"
    check_in_tflite(LIBRARY)
