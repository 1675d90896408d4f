"""The op's attributes, as kept in a FlexBuffer map in the operator's custom options."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pconv_tf.fkw.layer import MAX_STEP, FkwLayer
from pconv_tf.fkw.validate import check_header, check_patterns

CUSTOM_CODE = "PConv2D"
VERSION = 3
INT8_VERSION = 2  # brought layers with int8 activations
STEPS_VERSION = 3  # stores `index` as steps from channel to channel
_INT32_MAX = 2**31 - 1
_READ_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    struct.error,
)
_KEYS = {
    *("version", "padding", "pads", "activation", "patterns", "filter_block"),
    *("kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w"),
    *("in_channels", "out_channels"),
}


class Padding(enum.IntEnum):
    """Padding, numbered as in TFLite's schema."""

    SAME = 0
    VALID = 1


class Activation(enum.IntEnum):
    """Fused activation functions that the op runs, numbered as in TFLite's schema."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


@dataclass(frozen=True)
class ConvOptions:
    """All attributes of a PConv2D op.

    Attributes:
        kernel_size: (kh, kw).
        in_channels: I.
        out_channels: O.
        filter_block: consecutive filters that share kernels and patterns.
        patterns: bit masks, all with the same number of bits.
        strides: (vertical, horizontal) step.
        dilations: (vertical, horizontal) distance between taps.
        padding: TFLite's SAME or VALID.
        pads: explicit zero padding (top, bottom, left, right); only with VALID.
        activation: fused activation function.
        version: of the format; the lowest one that has what the layer needs.
    """

    kernel_size: tuple[int, int]
    in_channels: int
    out_channels: int
    filter_block: int
    patterns: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: Padding = Padding.VALID
    pads: tuple[int, int, int, int] | None = None
    activation: Activation = Activation.NONE
    version: int = 1

    @classmethod
    def of(cls, layer: FkwLayer, **attributes: Any) -> ConvOptions:
        """The options of `layer`, with strides, dilations, padding, pads, activation, version."""
        return cls(
            layer.kernel_size,
            layer.in_channels,
            layer.out_channels,
            layer.filter_block,
            layer.patterns,
            **attributes,
        )

    def validate(self) -> None:
        """Checks every attribute.

        Raises:
            ValueError: begins with the name of the attribute.
        """
        check_header(self.kernel_size, self.in_channels, self.out_channels, self.filter_block)
        check_patterns(self.patterns, self.kernel_size)
        for name, values in (("strides", self.strides), ("dilations", self.dilations)):
            if min(values) < 1 or max(values) > MAX_STEP:
                raise ValueError(f"{name}: expected 1..{MAX_STEP}, found {values}")
        if self.pads is None:
            return
        if min(self.pads) < 0 or max(self.pads) > MAX_STEP:
            raise ValueError(f"pads: expected 0..{MAX_STEP}, found {self.pads}")
        if self.padding != Padding.VALID:
            raise ValueError(f"pads: go with padding VALID only, found {self.padding.name}")

    def to_bytes(self) -> bytes:
        """The FlexBuffer map, the same bytes for the same options."""
        from flatbuffers import flexbuffers

        values: dict[str, Any] = {
            "version": self.version,
            "kernel_h": self.kernel_size[0], "kernel_w": self.kernel_size[1],
            "stride_h": self.strides[0], "stride_w": self.strides[1],
            "dilation_h": self.dilations[0], "dilation_w": self.dilations[1],
            "padding": int(self.padding),
            "activation": int(self.activation),
            "in_channels": self.in_channels, "out_channels": self.out_channels,
            "filter_block": self.filter_block,
            "patterns": list(self.patterns),
        }  # fmt: skip
        if self.pads is not None:
            values["pads"] = list(self.pads)
        return bytes(flexbuffers.Dumps(values))

    @classmethod
    def from_bytes(cls, data: bytes) -> ConvOptions:
        """Reads and checks a FlexBuffer map.

        Raises:
            ValueError: if the bytes are no map, a key is missing, a value is of the wrong type or
                out of range, or the version is newer than this reader.
        """
        values = _read_map(data)
        version = _integer(values, "version", 1, _INT32_MAX)
        if version > VERSION:
            raise ValueError(
                f"version: the file has FKW version {version}, this reader supports"
                f" up to {VERSION}; a newer pconv_tf is needed"
            )

        def pair(prefix: str) -> tuple[int, int]:
            return (_integer(values, f"{prefix}_h", 1, _INT32_MAX),
                    _integer(values, f"{prefix}_w", 1, _INT32_MAX))  # fmt: skip

        unknown = sorted(set(values) - _KEYS)
        if unknown:
            raise ValueError(f"{unknown[0]}: unknown to FKW version {version}")
        pads = _integers(values, "pads", _INT32_MAX) if "pads" in values else None
        if pads is not None and len(pads) != 4:
            raise ValueError(f"pads: expected 4 values, found {len(pads)}")
        options = cls(
            kernel_size=pair("kernel"),
            in_channels=_integer(values, "in_channels", 1, _INT32_MAX),
            out_channels=_integer(values, "out_channels", 1, _INT32_MAX),
            filter_block=_integer(values, "filter_block", 1, _INT32_MAX),
            patterns=_integers(values, "patterns", 2**63 - 1),
            strides=pair("stride"),
            dilations=pair("dilation"),
            padding=Padding(_integer(values, "padding", 0, max(Padding))),
            pads=None if pads is None else (pads[0], pads[1], pads[2], pads[3]),
            activation=Activation(_integer(values, "activation", 0, max(Activation))),
            version=version,
        )
        options.validate()
        return options


def _read_map(data: bytes) -> dict[str, Any]:
    from flatbuffers import flexbuffers

    try:
        root = _guarded(lambda: flexbuffers.GetRoot(bytearray(data)))
        if not root.IsMap:
            raise ValueError("custom options: expected a FlexBuffer map, found another type")
        return _guarded(lambda: root.Value)
    except RecursionError:
        raise ValueError("custom options: damaged FlexBuffer") from None


def _guarded(read: Callable[[], Any]) -> Any:
    """`read()`; whatever the FlexBuffer reader throws at damaged bytes becomes a ValueError."""
    try:
        return read()
    except _READ_ERRORS as error:
        raise ValueError(f"custom options: damaged FlexBuffer ({error})") from None


def _integer(values: dict[str, Any], key: str, low: int, high: int) -> int:
    if key not in values:
        raise ValueError(f"{key}: missing from the custom options")
    return _checked(values[key], key, low, high)


def _integers(values: dict[str, Any], key: str, high: int) -> tuple[int, ...]:
    if key not in values:
        raise ValueError(f"{key}: missing from the custom options")
    if not isinstance(values[key], list):
        raise ValueError(f"{key}: expected a vector of integers, found {values[key]!r:.60}")
    return tuple(_checked(value, key, 0, high) for value in values[key])


def _checked(value: Any, key: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key}: expected an integer, found {value!r:.60}")
    if not low <= value <= high:
        raise ValueError(f"{key}: expected {low}..{high}, found {value}")
    return value
