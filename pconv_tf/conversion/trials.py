"""`convert(measure=True)`: times candidate splits on this machine, and says which is the fastest.

A split says which layers are a PConv2D. All splits of a model are loaded at once in LiteRT, those
with a PConv2D with the delegate, and take turns in short bursts, so that whatever happens on the
machine hits all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pconv_tf import tables
from pconv_tf.conversion.model_estimate import kind_of
from pconv_tf.conversion.report import PCONV, LayerReport
from pconv_tf.files import scratch_folder

ESTIMATED = "as estimated"
NONE = "none"
COLUMNS = ("PConv2D", "layers", "ms", "speedup", "")

_LARGE_MAP = 14 * 14
_ROUNDS = 11
_BURST_SECONDS = 0.03
_MOST_RUNS = 50  # of a burst


@dataclass(frozen=True)
class Trial:
    """One split, timed.

    Attributes:
        name: which pruned layers are a PConv2D.
        layers: how many they are.
        milliseconds: median of its bursts, one thread.
        speedup: how many times faster than the split without any.
        chosen: whether the file is this one.
    """

    name: str
    layers: int
    milliseconds: float
    speedup: float
    chosen: bool


def candidate_splits(
    layers: Sequence[LayerReport], left: Mapping[int, str]
) -> dict[str, frozenset[int]]:
    """Splits worth a trial by name, as places of PConv2D layers; no two are the same.

    Args:
        layers: what becomes of every convolution, each judged alone.
        left: places of those that stay dense by the estimate over the whole model.
    """
    wanted = frozenset(place for place, layer in enumerate(layers) if layer.became == PCONV)
    splits = {
        ESTIMATED: wanted - set(left),
        NONE: frozenset[int](),
        "all that gain alone": wanted,
        "only kernels larger than 1x1": frozenset(
            place for place in wanted if layers[place].kernel_size != (1, 1)
        ),
        "only 1x1 kernels": frozenset(
            place for place in wanted if kind_of(layers[place]) == "pointwise"
        ),
        "only maps of 14x14 and more": frozenset(
            place for place in wanted if _map_size(layers[place]) >= _LARGE_MAP
        ),
    }
    distinct: dict[frozenset[int], str] = {}
    for name, places in splits.items():
        distinct.setdefault(places, name)
    return {name: places for places, name in distinct.items()}


def _map_size(layer: LayerReport) -> int:
    return layer.outputs // max(layer.out_channels or 1, 1)


def check_can_run() -> str:
    """The delegate's library.

    Raises:
        FileNotFoundError: it is not built.
        ValueError: it cannot be loaded, or LiteRT's interpreter is not installed.
    """
    from pconv_tf.runtime.delegate import delegate_path, runtime_module
    from pconv_tf.runtime.session import check_loadable

    try:
        runtime_module("litert")
    except ImportError as error:
        raise ValueError(
            f"measure: needs LiteRT to run models, pip install ai-edge-litert ({error})"
        ) from None
    try:
        path = delegate_path()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"measure: needs the delegate. {error}") from None
    check_loadable(path)
    return path


def time_splits(
    files: Mapping[str, bytes], splits: Mapping[str, frozenset[int]], delegate: str
) -> list[Trial]:
    """Runs the splits in turns, one thread each.

    Args:
        files: .tflite files by the names of the splits.
        splits: places of the PConv2D layers in each; one split has none.
        delegate: path of the delegate's library.

    Returns:
        A trial of each; the fastest is chosen.

    Raises:
        ValueError: an input has a free size, or LiteRT refuses a file.
    """
    from pconv_tf.runtime.session import Session

    with scratch_folder() as folder:
        sessions = {}
        for number, (name, flatbuffer) in enumerate(files.items()):
            path = Path(folder) / f"{number}.tflite"
            path.write_bytes(flatbuffer)
            options = {"delegate": delegate} if splits[name] else {}
            sessions[name] = Session(str(path), 1, options)
            sessions[name].set_inputs(_inputs(sessions[name].inputs))
        medians = race({name: session.run for name, session in sessions.items()})
    fastest = min(medians, key=lambda name: medians[name])
    (none,) = (name for name, places in splits.items() if not places)
    return [
        Trial(
            name, len(splits[name]), seconds * 1e3, medians[none] / seconds, chosen=name == fastest
        )
        for name, seconds in medians.items()
    ]


def race(runs: Mapping[str, Any], clock: Any = time.perf_counter) -> dict[str, float]:
    """Median seconds of one run each, of bursts in turns.

    Args:
        runs: by name, what to call.
        clock: seconds that go on.
    """

    def burst(run: Any, count: int) -> float:
        run()  # the caches were another's
        start = clock()
        for _ in range(count):
            run()
        return (clock() - start) / count

    counts = {}
    for name, run in runs.items():
        run()  # the first one may prepare
        counts[name] = max(1, min(_MOST_RUNS, int(_BURST_SECONDS / max(burst(run, 1), 1e-9))))
    bursts: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            bursts[name].append(burst(run, counts[name]))
    return {name: statistics.median(seconds) for name, seconds in bursts.items()}


def trials_text(trials: Sequence[Trial]) -> str:
    """The trials as a table."""
    rows = [
        (
            trial.name,
            trial.layers,
            tables.milliseconds(trial.milliseconds),
            tables.ratio(trial.speedup),
            "chosen" if trial.chosen else "",
        )
        for trial in trials
    ]
    return tables.table_text(COLUMNS, rows, text_columns=("",))


def _inputs(details: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
    """Random images, and zeros for integers, which may be indices."""
    rng = np.random.default_rng(0)
    arrays = []
    for detail in details:
        signature = detail.get("shape_signature", detail["shape"])
        if any(size < 0 for size in signature[1:]):
            raise ValueError(
                f"measure: input {detail['name']} has a free size, {list(signature)}; fix it by"
                " input_shapes (--input_shape)"
            )
        shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])
        if dtype.kind == "f":
            arrays.append(rng.uniform(-1, 1, shape).astype(dtype))
        else:
            arrays.append(np.zeros(shape, dtype))
    return arrays
