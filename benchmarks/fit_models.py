"""Fits network_costs.json, the cost of whole networks, to the measurements of `benchmarks.models`.

The time of a network is linear in what is in it: operators, multiply-accumulates by kind of layer,
borders. The coefficients are fitted by least squares of the relative error; each is drawn a little
towards a rough figure, so that one that no network tells much about stays near it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pconv_tf.conversion.model_estimate import Parts
from pconv_tf.conversion.targets import COSTS_FILE
from pconv_tf.files import write_atomically

# Rough figures of a core with AVX-512, in nanoseconds.
PRIOR: dict[str, dict[str, float]] = {
    "xnnpack": {
        "operator": 400,
        "layer": 500,
        "weight": 0.2,
        "spatial": 0.02,
        "pointwise": 0.02,
        "depthwise": 0.01,
        "fully_connected": 0.01,
        "exp": 0.3,
        "tanh": 0.5,
        "unary": 0.2,
        "plain": 0.2,
    },
    "delegate": {
        "operator": 800,
        "layer": 3000,
        "weight": 0.2,
        "exp": 0.5,
        "tanh": 0.6,
        "unary": 0.2,
        "plain": 0.2,
        "border": 1000,
        "border_value": 0.4,
    },
    "pruned": {"spatial": 0.01, "pointwise": 0.015, "depthwise": 0.02, "fully_connected": 0.02},
}
_PULL = 0.03  # weight of a coefficient's relative distance beside a network's relative error
_FACTOR = 10.0  # largest distance
_DIGITS = 3


def fit(measured: Sequence[Mapping[str, Any]], target: str = "avx512") -> None:
    """Fits the figures of a target to measurements with one thread, and stores them."""
    rows: list[Parts] = []
    times: list[float] = []
    for entry in measured:
        for contender in entry["contenders"]:
            parts = entry["subject"]["parts"].get(contender["name"])
            if parts is not None:
                rows.append(parts)
                times.append(contender["latency_ms"]["median"] * 1e6)
    stored = json.loads(COSTS_FILE.read_text())
    prior = {f"{engine}.{part}": v for engine, parts in PRIOR.items() for part, v in parts.items()}
    figures: dict[str, dict[str, float]] = {engine: {} for engine in PRIOR}
    for name, value in fit_costs(rows, times, prior).items():
        engine, part = name.split(".")
        figures[engine][part] = float(f"{value:.{_DIGITS}g}")
    stored[target]["nanoseconds"] = figures
    machine, date = measured[0]["machine"], max(entry["date"] for entry in measured)
    stored[target]["source"] = f"measured: {len(measured)} networks, {machine['cpu']}, {date}"
    write_atomically(COSTS_FILE, costs_text(stored))


def fit_costs(
    rows: Sequence[Parts], times: Sequence[float], prior: Mapping[str, float]
) -> dict[str, float]:
    """Coefficients with the least relative errors and distances from rough ones.

    Args:
        rows: what is in each network.
        times: nanoseconds that each took.
        prior: rough coefficients.
    """
    names = list(prior)
    scale = np.array([prior[name] for name in names])
    amounts = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    # Relative: a row is a network's time in parts of itself, a column a coefficient of 1 at first.
    relative = amounts * scale / np.asarray(times)[:, None]
    pull = _PULL * np.eye(len(names))
    matrix = np.vstack([relative, pull])
    wanted = np.concatenate([np.ones(len(times)), np.full(len(names), _PULL)])
    free = np.ones(len(names), bool)
    found = np.ones(len(names))
    for _ in names:
        rest = wanted - matrix[:, ~free] @ found[~free]
        found[free] = np.linalg.lstsq(matrix[:, free], rest, rcond=None)[0]
        outside = free & ((found < 1 / _FACTOR) | (found > _FACTOR))
        if not outside.any():
            break
        found = np.clip(found, 1 / _FACTOR, _FACTOR)
        free &= ~outside
    return dict(zip(names, (found * scale).tolist(), strict=True))


def costs_text(stored: Mapping[str, Any]) -> str:
    """The content of network_costs.json, a line for each engine."""
    targets = []
    for name, entry in stored.items():
        lines = []
        for key, value in entry.items():
            if key == "nanoseconds":
                parts = ",\n".join(f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
                lines.append(f'  "nanoseconds": {{\n{parts}\n  }}')
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        targets.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(targets) + "\n}\n"
