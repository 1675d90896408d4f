"""Instruction sets that models are converted for, and what networks cost there.

network_costs.json holds the figures: nanoseconds of one thread, fitted to whole networks, or for
targets that were not measured, how much slower pruned layers are there than on a measured one.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pconv_tf.cpu_info import cpu_info, features_of

COSTS_FILE = Path(__file__).with_name("network_costs.json")
KINDS = ("spatial", "pointwise", "depthwise", "fully_connected")


@dataclass(frozen=True)
class NetworkCosts:
    """What the parts of a network cost, in nanoseconds of one thread.

    Attributes:
        name: of the target.
        title: for messages.
        source: where the figures are from: "measured: ..." or "estimated: ...".
        xnnpack: of stock LiteRT: an "operator", a convolution ("layer") besides that, a "weight" of
            one, a multiply-accumulate of each of `KINDS`, and a value that an operator without
            weights makes, by `stretches.VALUE_CLASSES`.
        delegate: the same in the delegate, multiply-accumulates of dense layers; and a "border", a
            tensor that it shares with others, and each "border_value" in it.
        pruned: of a PConv2D, by `KINDS`, a multiply-accumulate of the dense layer divided by the
            gain that is expected of the layer alone.
    """

    name: str
    title: str
    source: str
    xnnpack: Mapping[str, float]
    delegate: Mapping[str, float]
    pruned: Mapping[str, float]


@cache
def targets() -> dict[str, NetworkCosts]:
    """All targets by name."""
    return read_targets(json.loads(COSTS_FILE.read_text()))


def read_targets(stored: Mapping[str, Mapping]) -> dict[str, NetworkCosts]:
    """Targets from the content of a file such as `COSTS_FILE`."""
    found = {}
    for name, entry in stored.items():
        parts = dict(stored[entry.get("of", name)]["nanoseconds"])
        slower = entry.get("slower", {})
        parts["pruned"] = {k: v * slower.get(k, 1.0) for k, v in parts["pruned"].items()}
        found[name] = NetworkCosts(name, entry["title"], entry["source"], **parts)
    return found


def target(name: str | None) -> NetworkCosts:
    """The target called `name`, or the one of this machine.

    Raises:
        ValueError: no target has that name.
    """
    found = targets()
    if name is not None and name not in found:
        raise ValueError(f"target: expected one of {tuple(found)}, found {name!r}")
    return found[this_machine() if name is None else name]


def this_machine() -> str:
    """The target that is nearest to the processor at hand."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "neon"
    return "avx512" if "avx512f" in features_of(cpu_info()) else "avx2"
