"""Layer models, the crossing, and a real measurement of one layer."""

import itertools

import numpy as np
import pytest

from pconv_tf.runtime import breaking_even
from pconv_tf.runtime.breaking_even import crossing, measure_breakeven
from pconv_tf.runtime.layer_models import conv_model, random_pruned_kernel


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


def test_a_layer_model_computes_the_convolution():
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(2)
    weights = rng.standard_normal((3, 3, 2, 4)).astype(np.float32)
    image = rng.standard_normal((1, 5, 5, 2)).astype(np.float32)
    interpreter = Interpreter(model_content=conv_model(weights, 5))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    out = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    padded = np.pad(image[0], ((1, 1), (1, 1), (0, 0)))
    for y, x in itertools.product(range(5), range(5)):
        expected = np.einsum("hwi,hwio->o", padded[y : y + 3, x : x + 3], weights)
        np.testing.assert_allclose(out[0, y, x], np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


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
    monkeypatch.setattr(breaking_even, "SPATIAL_LAYERS", ((16, 8),))
    monkeypatch.setattr(breaking_even, "_SPATIAL_STEPS", ((8, 1.0), (4, 1 / 8)))
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
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_breakeven(**arguments)
