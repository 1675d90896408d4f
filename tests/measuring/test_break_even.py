"""Layer models, the crossing, and a real measurement of one layer."""

import itertools
from dataclasses import asdict

import numpy as np
import pytest

from pconv_tf.conversion.cost_model import (
    MEASURED,
    LayerCosts,
    SparseCosts,
    costs_text,
    read_costs,
    read_engine_commit,
)
from pconv_tf.measuring import break_even
from pconv_tf.measuring.break_even import Measured, crossing, fit_costs, measure_breakeven
from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel


@pytest.mark.parametrize(
    ("taps", "kept", "block"), itertools.product((1, 4, 8, 9), (0.1, 1.0), (1, 4))
)
def test_random_kernels_are_as_sparse_as_asked(taps, kept, block):
    rng = np.random.default_rng(1)
    weights = random_pruned_kernel(
        (3, 3, 20, 16), taps=taps, kept=kept, filter_block=block, rng=rng
    )
    counts = np.count_nonzero(weights, axis=(0, 1))
    assert set(np.unique(counts)) <= {0, taps}
    assert np.count_nonzero(counts) == round(kept * 20 * 16 / block) * block
    masks = (weights != 0).reshape(9, 20, 16 // block, block)
    assert (masks == masks[..., :1]).all()
    assert len(np.unique((weights != 0).reshape(9, -1), axis=1).T) <= 9


def test_a_chain_computes_its_convolutions():
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(2)
    layers = [rng.standard_normal((3, 3, i, o)).astype(np.float32) for i, o in ((2, 4), (4, 3))]
    image = rng.standard_normal((1, 5, 5, 2)).astype(np.float32)
    interpreter = Interpreter(model_content=conv_chain(layers, 5))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    out = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = image[0]
    for weights in layers:
        padded = np.pad(expected, ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        expected = np.maximum(np.einsum("yxihw,hwio->yxo", windows, weights), 0)
    np.testing.assert_allclose(out[0], expected, rtol=1e-4, atol=1e-4)


def _synthetic(kernel, channels, size, block, costs):
    """A layer timed as the cost model says, a dense multiply-accumulate taking 2 ns."""
    kept = (0.8, 0.4, 0.1)
    macs = np.array(kept) * kernel * kernel * channels
    sparse = costs.free if block == 1 else costs.shared
    mac = sparse.small_map_mac if size * size < 100 else sparse.mac
    outputs = size * size * channels * 2e-6
    dense = (kernel * kernel * channels + costs.dense_output) * outputs
    return Measured(
        kernel,
        channels,
        size,
        block,
        kept,
        (dense,) * 3,
        tuple((macs * mac + sparse.output) * outputs),
    )


def test_the_fit_finds_the_costs_that_made_the_times():
    spatial = LayerCosts(5.0, SparseCosts(1.1, 1.4, 20.0), SparseCosts(0.95, 1.2, 9.0))
    pointwise = LayerCosts(3.0, SparseCosts(1.5, 1.9, 12.0), SparseCosts(1.0, 1.1, 0.0))
    layers = [
        _synthetic(kernel, channels, size, block, costs)
        for kernel, costs in ((3, spatial), (1, pointwise))
        for channels, size in ((16, 56), (64, 28), (256, 14), (512, 7))
        for block in (1, 16)
    ]
    found = fit_costs(layers)
    for name, expected in (("spatial", spatial), ("pointwise", pointwise)):
        assert found[name].dense_output == pytest.approx(expected.dense_output)
        assert asdict(found[name].free) == pytest.approx(asdict(expected.free))
        assert asdict(found[name].shared) == pytest.approx(asdict(expected.shared), abs=1e-9)


def test_written_costs_are_read_back(tmp_path):
    path = tmp_path / "costs.json"
    path.write_text(costs_text(MEASURED, "a test", "abc1234"))
    assert read_costs(path) == MEASURED
    assert read_engine_commit(path) == "abc1234"


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.1, 0.5), (0.5, 2.0)], 0.3),
        ([(0.1, 1.5), (0.5, 2.0)], 0.1),
        ([(0.1, 0.5), (0.5, 0.9)], None),
        ([(0.1, 1.2), (0.3, 0.5), (0.5, 2.0)], 0.4),
    ],
)
def test_crossing(points, expected):
    found = crossing(points)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_measures_layers(delegate, monkeypatch):
    monkeypatch.setattr(break_even, "SPATIAL_LAYERS", ((16, 8),))
    monkeypatch.setattr(break_even, "_SPATIAL_STEPS", ((8, 1.0), (4, 1 / 8)))
    result = measure_breakeven(kernels=[3], filter_blocks=[1], external_delegate_path=delegate)
    (curve,) = result.curves
    assert [round(point.sparsity, 2) for point in curve.points] == [0.11, 0.94]
    assert all(point.dense_ms > 0 and point.pruned_ms > 0 for point in curve.points)
    assert result.model_error >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernels": [5]}, "kernels: received 5"),
        ({"filter_blocks": [2]}, "filter_blocks: received 2"),
        ({"num_threads": 0}, "num_threads: received 0"),
        ({"kernels": [3], "fit": True}, r"fit: received kernels \[3\]"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_breakeven(**arguments)
