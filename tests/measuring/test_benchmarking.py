"""`benchmark` on real files in the real runtimes."""

import dataclasses
import json
import math

import numpy as np
import pytest

from pconv_tf import benchmark, delegate_path
from pconv_tf.measuring.inputs import random_inputs
from pconv_tf.measuring.single_ops import split_ops
from pconv_tf.measuring.timing import Timing, percentile

QUICK = {"num_runs": 3, "min_secs": 0.0, "warmup_min_secs": 0.0}


@pytest.mark.parametrize("runtime", ["litert", "tf"])
@pytest.mark.parametrize("use_xnnpack", [True, False])
def test_measures_a_stock_file(dense_tflite, runtime, use_xnnpack):
    result = benchmark(dense_tflite, runtime=runtime, use_xnnpack=use_xnnpack, **QUICK)
    assert result.inference.count == 3 and result.warmup.count == 1
    assert 0 < result.inference.min <= result.inference.median <= result.inference.max
    assert result.init_ms > 0
    assert result.overall_mb >= 0
    assert result.delegate is None
    assert result.graph_bytes == dense_tflite.stat().st_size
    assert [tensor["shape"] for tensor in result.inputs] == [[1, 16, 16, 3]]
    json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_limits_are_kept(dense_tflite):
    by_time = benchmark(dense_tflite, num_runs=1, min_secs=0.05, warmup_min_secs=0.0)
    assert by_time.inference.count > 1
    capped = benchmark(
        dense_tflite, num_runs=10**9, min_secs=0.0, max_secs=0.1, warmup_min_secs=0.0
    )
    assert capped.inference.count < 10**9
    delayed = benchmark(dense_tflite, run_delay=0.01, **QUICK)
    assert delayed.inference.count == 3


def test_input_can_be_resized(dense_tflite):
    from pconv_tf.runtime.session import Session

    name = Session(str(dense_tflite), 1, {}).inputs[0]["name"]
    result = benchmark(dense_tflite, input_shapes={name: [2, 16, 16, 3]}, **QUICK)
    assert result.inputs[0]["shape"] == [2, 16, 16, 3]
    with pytest.raises(ValueError, match=rf"no input named 'nothing', inputs: {name}"):
        benchmark(dense_tflite, input_shapes={"nothing": [1]}, **QUICK)


@pytest.mark.parametrize(
    ("limit", "value"),
    [("num_threads", 0), ("num_runs", 0), ("min_secs", -1), ("max_secs", 0.5), ("warmup_runs", -1)],
)
def test_limits_out_of_range_are_named(dense_tflite, limit, value):
    with pytest.raises(ValueError, match=f"{limit}: received {value}, expected at least"):
        benchmark(dense_tflite, **{limit: value})


def test_bad_files_are_named(tmp_path, dense_tflite):
    with pytest.raises(FileNotFoundError, match=r"nothing\.tflite: no such file"):
        benchmark(tmp_path / "nothing.tflite")
    (tmp_path / "text.tflite").write_text("this is no model at all")
    with pytest.raises(ValueError, match=r"text\.tflite: not a \.tflite file"):
        benchmark(tmp_path / "text.tflite")
    (tmp_path / "cut.tflite").write_bytes(dense_tflite.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut\.tflite"):
        benchmark(tmp_path / "cut.tflite")


def test_a_delegate_that_cannot_be_loaded_is_named(tmp_path, dense_tflite):
    with pytest.raises(FileNotFoundError, match=r"lib\.so: no such file"):
        benchmark(dense_tflite, external_delegate_path=str(tmp_path / "lib.so"))
    (tmp_path / "lib.so").write_text("no library")
    with pytest.raises(ValueError, match=r"lib\.so"):
        benchmark(dense_tflite, external_delegate_path=str(tmp_path / "lib.so"))


def test_profile_times_every_operator(dense_tflite):
    result = benchmark(dense_tflite, enable_op_profiling=True, **QUICK)
    ops = [op.op for op in result.ops]
    assert ops.count("CONV_2D") == 3 and {"ADD", "FULLY_CONNECTED"} <= set(ops)
    assert all(op.ms is not None and op.ms > 0 and not op.inside for op in result.ops)


def test_single_ops_chained_give_the_whole_models_output(dense_tflite, tmp_path):
    """Every cut-out operator computes what it did in its place."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    whole = Interpreter(
        model_path=str(dense_tflite),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    whole.allocate_tensors()
    (image,) = random_inputs(whole.get_input_details(), seed=3)
    whole.set_tensor(whole.get_input_details()[0]["index"], image)
    whole.invoke()
    values = {d["name"]: whole.get_tensor(d["index"]) for d in whole.get_tensor_details()}
    checked = 0
    for single in split_ops(dense_tflite.read_bytes()):
        alone = Interpreter(model_content=single.model)
        alone.allocate_tensors()
        for detail in alone.get_input_details():
            alone.set_tensor(detail["index"], values[detail["name"]])
        alone.invoke()
        (out,) = alone.get_output_details()
        np.testing.assert_allclose(
            alone.get_tensor(out["index"]), values[out["name"]], rtol=1e-5, atol=1e-5
        )
        checked += 1
    assert checked >= 6


def test_statistics():
    timing = Timing.of([3.0, 1.0, 2.0, 10.0])
    assert (timing.count, timing.first, timing.last) == (4, 3.0, 10.0)
    assert (timing.min, timing.max, timing.mean, timing.median) == (1.0, 10.0, 4.0, 2.5)
    assert math.isclose(timing.std, np.std([3, 1, 2, 10]))
    assert math.isclose(timing.p90, np.percentile([3, 1, 2, 10], 90))
    assert percentile([5.0], 90) == 5.0


def test_random_inputs_follow_the_dtype():
    details = [
        {"name": "a", "shape": np.array([2, 3]), "dtype": np.float32},
        {"name": "b", "shape": np.array([4]), "dtype": np.int8},
        {"name": "c", "shape": np.array([4]), "dtype": np.bool_},
    ]
    a, b, c = random_inputs(details, seed=1)
    assert (a.shape, a.dtype, b.dtype, c.dtype) == ((2, 3), np.float32, np.int8, np.bool_)
    np.testing.assert_array_equal(a, random_inputs(details, seed=1)[0])
    with pytest.raises(ValueError, match="'s'"):
        random_inputs([{"name": "s", "shape": [1], "dtype": np.bytes_}], seed=1)


def test_a_pruned_file_gets_the_delegate(pruned_tflite, delegate):
    result = benchmark(pruned_tflite, enable_op_profiling=True, **QUICK)
    assert result.delegate == delegate_path()
    assert sum(op.op.startswith("PConv2D") for op in result.ops) >= 3
    assert all(op.inside and op.ms is not None for op in result.ops)
    # Rows of steps only, not of what the delegate prints below them.
    assert not any(op.op.startswith(("total", "memory")) for op in result.ops)


def test_without_the_delegate_the_runtimes_error_says_what_to_do(pruned_tflite):
    with pytest.raises(ValueError, match=r"unresolved custom op: PConv2D[^$]*need the delegate"):
        benchmark(pruned_tflite, external_delegate_path="none", **QUICK)


def test_a_wrong_option_lists_what_is_accepted(pruned_tflite, delegate):
    options = {"backend": "tpu"}
    with pytest.raises(ValueError, match=r"(?s)small_pconv\.tflite.*accepted: auto\|cpu"):
        benchmark(pruned_tflite, external_delegate_options=options, **QUICK)
