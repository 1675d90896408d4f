"""`pconv-tf benchmark` as a user runs it."""

import json
import re

import pytest

from pconv_tf.cli.main import main

QUICK = ["--num_runs=3", "--min_secs=0", "--warmup_min_secs=0"]


def test_summary(dense_tflite, capfd):
    assert main(["benchmark", f"--graph={dense_tflite}", "--enable_op_profiling", *QUICK]) == 0
    out = capfd.readouterr().out
    assert re.search(r"Inference \(ms\): count=3 first=[\d.]+ curr=[\d.]+ min=[\d.]+", out)
    assert re.search(
        r"Inference timings in us: Init: \d+, First inference: \d+, Warmup \(avg\)", out
    )
    assert re.search(r"Memory footprint delta .* init=[\d.]+ overall=[\d.]+", out)
    assert "CONV_2D" in out and "sum (the model runs them joined)" in out


def test_json_is_all_that_is_printed(dense_tflite, capfd):
    flags = ["--json", "--use_xnnpack=false", "--num_threads=2"]
    assert main(["benchmark", f"--graph={dense_tflite}", *flags, *QUICK]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["use_xnnpack"] is False and result["num_threads"] == 2
    assert result["inference"]["count"] == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--graph=nothing.tflite"], "nothing.tflite: no such file"),
        (["--num_runs=0"], "num_runs: received 0"),
        (["--external_delegate_options=backend"], "expected key:value"),
        (["--input_layer=a"], "input_layer names 1 inputs, input_layer_shape has 0"),
        (["--input_layer=a", "--input_layer_shape=1,x"], "expected sizes such as"),
    ],
)
def test_mistakes_are_one_error(dense_tflite, capfd, flags, message):
    assert main(["benchmark", f"--graph={dense_tflite}", *flags]) == 2
    err = capfd.readouterr().err
    assert err.startswith("pconv-tf: error: ") and message in err and "Traceback" not in err


def test_a_bad_boolean_is_a_usage_error(dense_tflite, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["benchmark", f"--graph={dense_tflite}", "--use_xnnpack=maybe"])
    assert exit_info.value.code == 2
    assert "expected true or false" in capsys.readouterr().err
