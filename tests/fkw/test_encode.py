import numpy as np
import pytest

from pconv_tf.fkw import cast_weights, decode, dequantize, encode, infer_groups, validate


@pytest.mark.parametrize("trial", range(60))
def test_round_trip_is_exact(rng, random_weights, trial):
    rng = np.random.default_rng([trial, rng.integers(1 << 30)])
    kernel = tuple(int(k) for k in rng.integers(1, 8, 2))
    groups, block = int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 4, 8, 16]))
    filters, channels = int(rng.integers(1, 40)) * groups, int(rng.integers(1, 30))
    block = block if groups == 1 else 1
    weights = random_weights(
        filters, channels, kernel, block=block, taps=int(rng.integers(1, 9)), density=rng.random()
    )
    if trial % 3 == 1:
        weights = weights.astype(np.float16)
    scale = None
    if trial % 3 == 2:
        weights, scale = np.rint(weights * 127).astype(np.int8), np.ones(filters, np.float32)
    layer = encode(weights, groups=groups, scale=scale)
    validate(layer)
    decoded = decode(layer, groups=groups)
    assert decoded.dtype == weights.dtype
    assert np.array_equal(decoded, weights)


@pytest.mark.parametrize("block", [1, 4, 8, 16])
@pytest.mark.parametrize("filters", [1, 7, 16, 37])
def test_every_block_can_store_any_weights(random_weights, filters, block):
    weights = random_weights(filters, 9)
    layer = encode(weights, filter_block=block)
    validate(layer)
    assert layer.filter_block == block
    assert np.array_equal(decode(layer), weights)


@pytest.mark.parametrize(("filters", "block"), [(32, 16), (40, 16), (24, 8), (20, 4), (18, 1)])
def test_shared_masks_are_found(random_weights, filters, block):
    assert encode(random_weights(filters, 30, block=block)).filter_block == block


def test_accidental_zeros_do_not_hide_shared_masks(rng, random_weights):
    weights = random_weights(64, 64, block=16)
    kept = np.argwhere(weights)
    weights[tuple(rng.permutation(kept)[: len(kept) // 200].T)] = 0
    layer = encode(weights)
    assert layer.filter_block == 16
    assert len(layer.patterns) <= 8
    assert np.array_equal(decode(layer), weights)


def test_blocks_stay_inside_convolution_groups(random_weights):
    weights = np.concatenate([random_weights(6, 5, block=6), random_weights(6, 5, block=6)])
    layer = encode(weights, groups=2)
    validate(layer)
    assert layer.filter_block == 1
    with pytest.raises(ValueError, match="filter_block: 4 does not divide"):
        encode(weights, groups=2, filter_block=4)


def test_filter_kernel_reorder(random_weights):
    layer = encode(random_weights(50, 20))
    lengths = np.diff(layer.offset.astype(int))
    assert (np.diff(lengths) >= 0).all()
    same = np.flatnonzero(np.diff(lengths) == 0)
    assert (np.diff(layer.reorder.astype(int))[same] > 0).all(), "the order is stable"
    patterns = layer.kernel_patterns()
    for start, end in zip(layer.offset[:-1], layer.offset[1:], strict=True):
        assert (np.diff(patterns[start:end]) >= 0).all()


def test_ragged_group_stays_last(random_weights):
    weights = random_weights(18, 10, block=4)
    weights[16:] = 0
    layer = encode(weights, filter_block=4)
    assert layer.reorder.tolist()[-2:] == [16, 17]


def test_integer_arrays_are_narrow(random_weights):
    layer = encode(random_weights(4, 300, (1, 1), taps=1, density=1.0))
    assert layer.index.dtype == np.uint16
    assert layer.offset.dtype == np.uint16
    assert layer.reorder.dtype == np.uint8


def test_wide_counts():
    layer = encode(np.ones((70, 1, 1, 1000), np.float32), filter_block=1)
    validate(layer)
    assert layer.offset.dtype == np.uint32
    assert layer.num_kernels == 70_000


def test_unstructured_sparsity_is_stored_too(rng):
    weights = rng.standard_normal((8, 3, 3, 8)).astype(np.float32)
    weights *= rng.random(weights.shape) < 0.5
    layer = encode(weights)
    validate(layer)
    assert np.array_equal(decode(layer), weights)


def test_too_many_patterns_become_one(rng):
    weights = np.zeros((40, 5, 5, 40), np.float32)
    flat = weights.reshape(40, 25, 40)
    for filter_ in flat:
        for channel in range(40):
            filter_[rng.choice(25, 5, replace=False), channel] = 1
    layer = encode(weights)
    assert len(layer.patterns) == 1
    assert np.array_equal(decode(layer), weights)


def test_given_patterns_keep_their_order(random_weights):
    weights = random_weights(6, 6, patterns=2)
    first, second = encode(weights).patterns
    layer = encode(weights, patterns=(second, first))
    assert layer.patterns == (second, first)
    assert np.array_equal(decode(layer), weights)
    with pytest.raises(ValueError, match="patterns: a kernel keeps the taps"):
        encode(weights, patterns=(first,))


def test_depthwise(random_weights):
    weights = random_weights(12, 1, density=1.0)
    layer = encode(weights, groups=12)
    validate(layer)
    assert layer.in_channels == 12
    assert infer_groups(layer) == 12
    assert np.array_equal(decode(layer, groups=12), weights)


def test_decode_refuses_wrong_groups(random_weights):
    layer = encode(random_weights(4, 6, density=1.0))
    with pytest.raises(ValueError, match="reads outside"):
        decode(layer, groups=2)
    with pytest.raises(ValueError, match="does not divide"):
        decode(layer, groups=4)


def test_same_weights_same_arrays(random_weights):
    weights = random_weights(30, 20)
    one, two = encode(weights).arrays(), encode(weights.copy(order="F")).arrays()
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


@pytest.mark.parametrize(
    ("weights", "arguments", "message"),
    [
        (np.zeros((3, 3), np.float32), {}, "weights: expected a non-empty"),
        (np.zeros((1, 8, 3, 1), np.float32), {}, "weights: kernels of up to 7x7"),
        (np.zeros((1, 3, 3, 1)), {}, "weights: expected float32"),
        (np.zeros((3, 3, 3, 1), np.float32), {"groups": 2}, "groups: 2 does not divide"),
        (np.zeros((3, 3, 3, 1), np.float32), {"filter_block": 5}, "filter_block: expected one of"),
        (np.zeros((3, 3, 3, 1), np.int8), {}, "scale: needed with int8"),
        (np.zeros((3, 3, 3, 1), np.int8), {"scale": np.ones(2)}, r"scale: expected shape \(3,\)"),
        (np.zeros((3, 3, 3, 1), np.float32), {"patterns": (3, 1)}, "patterns: expected the same"),
        (np.zeros((3, 3, 3, 1), np.float32), {"patterns": (512,)}, "patterns: expected masks of 9"),
    ],
)
def test_wrong_arguments(weights, arguments, message):
    with pytest.raises(ValueError, match=message):
        encode(weights, **arguments)


class TestPrecision:
    def test_float16_rounds_to_nearest(self, random_weights):
        weights = random_weights(8, 8)
        stored = cast_weights(encode(weights), "float16")
        validate(stored)
        assert np.array_equal(decode(stored), weights.astype(np.float16))

    def test_float16_refuses_overflow(self):
        with pytest.raises(ValueError, match="too large for float16"):
            cast_weights(encode(np.full((1, 1, 1, 1), 1e6, np.float32)), "float16")

    @pytest.mark.parametrize("block", [1, 4])
    def test_int8_is_within_half_a_step(self, random_weights, block):
        weights = random_weights(10, 8, block=block)
        weights[3] = 0
        stored = cast_weights(encode(weights, filter_block=block), "int8")
        validate(stored)
        error = np.abs(dequantize(decode(stored), stored.scale) - weights)
        assert (error <= stored.scale.reshape(-1, 1, 1, 1) * 0.5001).all()
        largest = np.abs(weights).max(axis=(1, 2, 3))
        assert np.allclose(stored.scale, np.where(largest > 0, largest / 127, 1))

    def test_unknown_type(self, random_weights):
        with pytest.raises(ValueError, match="found 'int4'"):
            cast_weights(encode(random_weights(2, 2)), "int4")
