import numpy as np
import pytest
from flatbuffers import flexbuffers

from pconv_tf.fkw import Activation, ConvOptions, Padding

OPTIONS = ConvOptions(
    kernel_size=(3, 5),
    in_channels=7,
    out_channels=300,
    filter_block=8,
    patterns=(0b11, 1 << 14 | 1),
    strides=(2, 1),
    dilations=(1, 3),
    padding=Padding.VALID,
    pads=(0, 1, 2, 3),
    activation=Activation.RELU6,
)


def values() -> dict:
    return flexbuffers.Loads(OPTIONS.to_bytes())


def test_round_trip():
    assert ConvOptions.from_bytes(OPTIONS.to_bytes()) == OPTIONS


def test_pads_are_left_out_without_need():
    same = ConvOptions((1, 1), 1, 1, 1, (1,), padding=Padding.SAME)
    assert "pads" not in flexbuffers.Loads(same.to_bytes())
    assert ConvOptions.from_bytes(same.to_bytes()) == same


@pytest.mark.parametrize("key", sorted(set(values()) - {"pads"}))
def test_missing_key_is_named(key):
    broken = values()
    del broken[key]
    with pytest.raises(ValueError, match=f"{key}: missing"):
        ConvOptions.from_bytes(bytes(flexbuffers.Dumps(broken)))


def test_newer_version_names_both():
    with pytest.raises(ValueError, match="has FKW version 4, this reader supports up to 3"):
        ConvOptions.from_bytes(bytes(flexbuffers.Dumps(values() | {"version": 4, "more": 1})))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise: unknown to FKW version 1"),
        ({"kernel_h": 8}, "kernel_size"),
        ({"kernel_w": "3"}, "kernel_w: expected an integer"),
        ({"stride_h": 0}, "stride_h: expected 1"),
        ({"stride_w": 65536}, "strides: expected 1..65535"),
        ({"dilation_w": -1}, "dilation_w"),
        ({"padding": 2}, "padding: expected 0..1"),
        ({"padding": 0}, "pads: go with padding VALID only"),
        ({"pads": [0, 0, 0]}, "pads: expected 4 values"),
        ({"pads": [0, 0, -1, 0]}, "pads: expected 0"),
        ({"activation": 4}, "activation: expected 0..3"),
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": 1 << 25}, "out_channels"),
        ({"filter_block": 3}, "filter_block: expected one of"),
        ({"patterns": []}, "patterns: expected 1..255"),
        ({"patterns": 3}, "patterns: expected a vector"),
        ({"patterns": [1, 3]}, "patterns: expected the same number of taps"),
        ({"patterns": [1, 1]}, "patterns: expected distinct"),
        ({"patterns": [1 << 15]}, "patterns: expected masks of 15 bits"),
    ],
)
def test_wrong_value_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        ConvOptions.from_bytes(bytes(flexbuffers.Dumps(values() | change)))


@pytest.mark.parametrize("data", [b"", b"\0", b"abc", bytes(100), bytes(flexbuffers.Dumps([1, 2]))])
def test_bytes_that_are_no_map(data):
    with pytest.raises(ValueError, match="custom options"):
        ConvOptions.from_bytes(data)


def test_damaged_bytes_never_crash():
    rng = np.random.default_rng(5)
    good = np.frombuffer(OPTIONS.to_bytes(), np.uint8)
    refused = 0
    for _ in range(2000):
        data = good[: rng.integers(1, len(good) + 1)].copy()
        data[rng.integers(0, len(data), rng.integers(1, 4))] ^= np.uint8(1 << rng.integers(0, 8))
        try:
            ConvOptions.from_bytes(data.tobytes()).validate()
        except ValueError:
            refused += 1
    assert refused > 1000
