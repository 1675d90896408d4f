"""Which delegate a file gets, and how options are written."""

import pytest

from pconv_tf.runtime.delegate_choice import is_converted, parse_options, resolve_delegate


def test_options_in_benchmark_models_notation():
    assert parse_options("") == {}
    assert parse_options("backend:cpu;num_threads:2;") == {"backend": "cpu", "num_threads": "2"}


@pytest.mark.parametrize("text", ["backend", "backend:", ":cpu", "cache_dir:C:/x"])
def test_a_pair_benchmark_model_would_drop_is_an_error(text):
    with pytest.raises(ValueError, match="expected key:value pairs"):
        parse_options(text)


def test_a_stock_file_gets_no_delegate_unless_one_is_named(dense_tflite):
    assert not is_converted(dense_tflite)
    assert resolve_delegate(dense_tflite, None) is None
    assert resolve_delegate(dense_tflite, "auto") is None
    assert resolve_delegate(dense_tflite, "none") is None
    assert resolve_delegate(dense_tflite, "/some/lib.so") == "/some/lib.so"
