"""Fits network_costs.json, the cost of whole networks, to the measurements of `benchmarks.models`.

The time of a network is linear in what is in it: operators, multiply-accumulates by kind of layer,
borders. The coefficients are fitted to the least times, which hold least of what others on the
machine take, by their relative errors; each is drawn a little towards a rough figure, so that one
that no network tells much about stays near it. Measurements count less the more they spread, and
networks that no coefficients describe do not bend them for the others (Huber 1964).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pconv_tf.conversion.model_estimate import Parts
from pconv_tf.conversion.targets import COSTS_FILE
from pconv_tf.files import write_atomically

# Rough figures of a core with AVX-512, in nanoseconds, from profiles of single operators.
PRIOR: dict[str, dict[str, float]] = {
    "xnnpack": {
        "operator": 100,
        "layer": 150,
        "weight": 0.2,
        "spatial": 0.0175,
        "pointwise": 0.0175,
        "depthwise": 0.04,
        "fully_connected": 0.05,
        "exp": 0.3,
        "tanh": 0.5,
        "unary": 0.3,
        "plain": 0.4,
    },
    "delegate": {
        "operator": 250,
        "layer": 1000,
        "weight": 0.2,
        "spatial": 0.02,
        "pointwise": 0.02,
        "depthwise": 0.05,
        "fully_connected": 0.05,
        "exp": 0.5,
        "tanh": 0.6,
        "unary": 0.25,
        "plain": 0.25,
        "border": 500,
        "border_value": 0.7,
    },
    "pruned": {"spatial": 0.012, "pointwise": 0.013, "depthwise": 0.03, "fully_connected": 0.02},
}
# How much slower it is elsewhere: vectors of AVX2 hold half as much; its kernels of pruned layers
# were timed on a core that has both.
SLOWER: dict[str, dict[str, float]] = {
    "avx2": {
        "xnnpack.exp": 2,
        "xnnpack.tanh": 2,
        "delegate.exp": 2,
        "delegate.tanh": 2,
        "pruned.spatial": 1.46,
        "pruned.pointwise": 1.75,
    },
}
_PULL = 0.2  # weight of a coefficient's relative distance beside a network's relative error
_FACTOR = 4.0  # largest distance
_QUIET_SPREAD = 0.1  # of measurements that count whole
_SMALL_ERROR = 0.1  # a relative error; larger ones count in proportion, not by their square
_ROUNDS = 20
_DIGITS = 3


def fit(measured: Sequence[Mapping[str, Any]], target: str) -> None:
    """Fits the figures of a target to measurements with one thread, and stores them.

    Args:
        measured: by its machine.
        target: its name; if it was an estimate, it becomes a measured one.
    """
    rows: list[Parts] = []
    times: list[float] = []
    spreads: list[float] = []
    for entry in measured:
        for contender in entry["contenders"]:
            parts = entry["subject"]["parts"].get(contender["name"])
            if parts is not None:
                rows.append(parts)
                times.append(contender["latency_ms"]["min"] * 1e6)
                spreads.append(contender["spread"])
    stored = json.loads(COSTS_FILE.read_text())
    figures: dict[str, dict[str, float]] = {engine: {} for engine in PRIOR}
    for name, value in fit_costs(rows, times, prior_of(target), spreads).items():
        engine, part = name.split(".")
        figures[engine][part] = float(f"{value:.{_DIGITS}g}")
    machine, date = measured[0]["machine"], max(entry["date"] for entry in measured)
    stored[target] = {
        "title": stored[target]["title"],
        "source": f"measured: {len(measured)} networks, {machine['cpu']}, {date}",
        "nanoseconds": figures,
    }
    write_atomically(COSTS_FILE, costs_text(stored))


def prior_of(target: str) -> dict[str, float]:
    """The rough figures of a target, by "engine.part"."""
    slower = SLOWER.get(target, {})
    names = {f"{engine}.{part}": v for engine, parts in PRIOR.items() for part, v in parts.items()}
    return {name: value * slower.get(name, 1.0) for name, value in names.items()}


def fit_costs(
    rows: Sequence[Parts],
    times: Sequence[float],
    prior: Mapping[str, float],
    spreads: Sequence[float] | None = None,
) -> dict[str, float]:
    """Coefficients with the least relative errors and distances from rough ones.

    Args:
        rows: what is in each network.
        times: nanoseconds that each took.
        prior: rough coefficients.
        spreads: how far each time varied, relative to itself; None: not at all.
    """
    names = list(prior)
    scale = np.array([prior[name] for name in names])
    amounts = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    # Relative: a row is a network's time in parts of itself, a column a coefficient of 1 at first.
    relative = amounts * scale / np.asarray(times)[:, None]
    trust = 1 / np.hypot(1, np.asarray(spreads or [0.0] * len(times)) / _QUIET_SPREAD)
    found = np.ones(len(names))
    weights = trust
    for _ in range(_ROUNDS):
        found = _weighted_fit(relative, weights)
        errors = np.abs(relative @ found - 1)
        weights = trust * np.sqrt(_SMALL_ERROR / np.maximum(errors, _SMALL_ERROR))
    return dict(zip(names, (found * scale).tolist(), strict=True))


def _weighted_fit(relative: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients within their bounds, relative to the rough ones, of the least squares."""
    count = relative.shape[1]
    matrix = np.vstack([relative * weights[:, None], _PULL * np.eye(count)])
    wanted = np.concatenate([weights, np.full(count, _PULL)])
    free = np.ones(count, bool)
    found = np.ones(count)
    for _ in range(count):
        rest = wanted - matrix[:, ~free] @ found[~free]
        found[free] = np.linalg.lstsq(matrix[:, free], rest, rcond=None)[0]
        outside = free & ((found < 1 / _FACTOR) | (found > _FACTOR))
        if not outside.any():
            break
        found = np.clip(found, 1 / _FACTOR, _FACTOR)
        free &= ~outside
    return found


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
