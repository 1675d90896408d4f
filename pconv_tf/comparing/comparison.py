"""Times contenders against each other, fairly: interleaved, each in a process of its own.

Machines drift: clocks change, neighbours come and go. Contenders therefore take turns in short
bursts, so that whatever happens hits all of them, and ratios are formed within a round before they
are summarised as a spread.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pconv_tf.measuring.contender import Contender, ContenderError, ContenderProcess, Start
from pconv_tf.measuring.machine import Machine, OtherLoad, cpus_to_pin, describe_machine
from pconv_tf.measuring.timing import percentile

_BURST_MS = 500.0  # a burst lasts about this long ...
_MIN_BURST, _MAX_BURST = 3, 50  # ... within these numbers of runs
_MIN_ROUNDS = 5
_SLOW_MS = 1000.0  # so slow that neither warm-up nor more than one run a turn pays
_MAX_SECONDS = 60.0  # a contender that has run for longer gets no more turns
_NOISY_SPREAD = 0.10
_NOISY_LOAD = 0.05


@dataclass(frozen=True)
class Latency:
    """Milliseconds of all timed runs."""

    median: float
    min: float
    p90: float


@dataclass(frozen=True)
class Result:
    """One contender's row.

    Attributes:
        name, version, num_threads: What ran.
        latency_ms: Of all its timed runs.
        speedup: Baseline's median latency over its own; 1 for the baseline.
        speedup_range: 10th and 90th percentile of the speedup over rounds.
        max_abs_diff: Largest absolute difference from the baseline's output.
        relative_diff: The same over the largest magnitude in the baseline's output.
        runs: Number of timed runs.
        spread: 10th to 90th percentile of its bursts' medians, relative to its median.
        load_ms: Time to load the model, whose runtime is loaded already.
        remark: What is special about it.
        start: Its start, medians over fresh processes; None if that was not measured.
    """

    name: str
    version: str
    num_threads: int
    latency_ms: Latency
    speedup: float
    speedup_range: tuple[float, float]
    max_abs_diff: float
    relative_diff: float
    runs: int
    spread: float
    load_ms: float
    remark: str = ""
    start: Start | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` measured.

    Attributes:
        subject: The network and how it was pruned, or the files.
        machine: What it ran on.
        num_threads: Threads of every contender.
        pinned_cpus: Processors the contenders were pinned to, None if not pinned.
        contenders: The baseline first.
        failed: Reasons by name for contenders that could not run or gave wrong output.
        other_load: Fraction of the machine's processor time that others took; None if unknown.
        warnings: Why the figures may not be trusted, if so.
        seed: Of the random input.
        num_starts: Fresh processes of every contender in which its start was measured.
    """

    subject: dict[str, Any]
    machine: Machine
    num_threads: int
    pinned_cpus: list[int] | None
    contenders: tuple[Result, ...]
    failed: dict[str, str] = field(default_factory=dict)
    other_load: float | None = None
    warnings: tuple[str, ...] = ()
    seed: int = 0
    num_starts: int = 0

    def __getitem__(self, name: str) -> Result:
        """The row of the contender called `name`."""
        for result in self.contenders:
            if result.name == name:
                return result
        raise KeyError(name)


@dataclass(eq=False)
class _Running:
    process: ContenderProcess
    version: str
    load_ms: float
    diff: tuple[float, float]
    burst: int = 0
    warmup: int = 0
    bursts: list[list[float]] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)

    def set_burst(self, probe_ms: float) -> None:
        slow = probe_ms > _SLOW_MS
        at_least = 1 if slow else _MIN_BURST
        self.burst = int(np.clip(round(_BURST_MS / probe_ms), at_least, _MAX_BURST))
        self.warmup = 0 if slow else max(1, self.burst // 10)

    def is_due(self) -> bool:
        return not self.bursts or sum(self.times()) < _MAX_SECONDS * 1e3

    def times(self) -> list[float]:
        return list(itertools.chain.from_iterable(self.bursts))


Progress = Callable[[str, int, int], None]


def run_comparison(
    contenders: Sequence[Contender],
    inputs: Sequence[np.ndarray],
    *,
    subject: dict[str, Any],
    num_threads: int,
    num_runs: int,
    num_starts: int = 0,
    seed: int = 0,
    failed: Mapping[str, str] | None = None,
    progress: Progress = lambda text, done, total: None,
) -> Comparison:
    """Loads and checks every contender, then times them in turns: starts, then inferences.

    Args:
        contenders: The baseline, whose output is the reference, then the others.
        inputs: What every contender is run on.
        subject: Stored in the result.
        num_threads: Threads of every contender.
        num_runs: Timed runs of each, at least, unless that takes more than a minute.
        num_starts: Fresh processes of each in which its start is measured.
        seed: Stored in the result.
        failed: Reasons for contenders that did not get this far.
        progress: Called with a text, steps done and steps in all.

    Raises:
        ValueError: The baseline does not run, or a number is out of range.
    """
    for name, value in (("num_threads", num_threads), ("num_runs", num_runs)):
        if value < 1:
            raise ValueError(f"{name}: received {value}, expected at least 1")
    if num_starts < 0:
        raise ValueError(f"num_starts: received {num_starts}, expected at least 0")
    cpus = cpus_to_pin(num_threads)
    load = OtherLoad()
    failed = dict(failed or {})
    with ExitStack() as stack:
        running: list[_Running] = []
        reference: list[np.ndarray] = []
        for number, contender in enumerate(contenders):
            progress(f"loading {contender.name}", number, len(contenders))
            process = stack.enter_context(ContenderProcess(contender, num_threads, cpus))
            try:
                info, outputs = process.load(inputs)
                reference = reference or outputs
                diff = _difference(outputs, reference, contender.tolerance)
                version = contender.version or info["version"]
                running.append(_Running(process, version, info["load_ms"], diff))
            except ContenderError as error:
                if number == 0:
                    raise ValueError(f"baseline {contender.name}: {error}") from error
                failed[contender.name] = str(error)
                process.close()
        start = partial(_start_of, inputs=inputs, num_threads=num_threads, cpus=cpus)
        _time_starts(running, start, num_starts, failed, progress)
        _time(running, num_runs, failed, progress)
    other_load = load.fraction()
    results = _results(running, num_threads)
    return Comparison(
        subject=subject,
        machine=describe_machine(),
        num_threads=num_threads,
        pinned_cpus=cpus,
        contenders=tuple(results),
        failed=failed,
        other_load=other_load,
        warnings=tuple(_warnings(results, other_load)),
        seed=seed,
        num_starts=num_starts,
    )


def _difference(
    outputs: Sequence[np.ndarray], reference: Sequence[np.ndarray], tolerance: float
) -> tuple[float, float]:
    if [out.shape for out in outputs] != [ref.shape for ref in reference]:
        raise ContenderError(
            f"output shapes {[out.shape for out in outputs]} differ from the baseline's "
            f"{[ref.shape for ref in reference]}"
        )
    absolute = relative = 0.0
    for out, ref in zip(outputs, reference, strict=True):
        magnitude = float(np.max(np.abs(ref), initial=0.0))
        if not np.isfinite(magnitude):
            raise ContenderError("the reference output is not finite: nothing can be checked")
        diff = float(np.max(np.abs(out.astype(np.float64) - ref), initial=0.0))
        absolute = max(absolute, diff)
        relative = max(relative, diff / magnitude if magnitude else diff)
    if not relative <= tolerance:  # NaN is wrong, too
        raise ContenderError(
            f"wrong output: it differs from the baseline's by {absolute:.3g}, that is "
            f"{relative:.2g} of its magnitude; {tolerance:.0e} is allowed"
        )
    return absolute, relative


def _start_of(
    contender: Contender, inputs: Sequence[np.ndarray], num_threads: int, cpus: list[int] | None
) -> Start:
    with ContenderProcess(contender, num_threads, cpus) as process:
        return process.start(inputs)


def _time_starts(
    running: list[_Running],
    start: Callable[[Contender], Start],
    num_starts: int,
    failed: dict[str, str],
    progress: Progress,
) -> None:
    for item in _turns(running, num_starts, "starting", progress):
        try:
            item.starts.append(start(item.process.contender))
        except ContenderError as error:
            _drop(item, running, failed, error)


def _turns(
    running: list[_Running], rounds: int, doing: str, progress: Progress
) -> Iterator[_Running]:
    """Every contender that still runs, round by round."""
    total = rounds * len(running)
    done = 0
    for _ in range(rounds):
        for item in list(running):
            progress(f"{doing} {item.process.contender.name}", done, total)
            done += 1
            yield item


def _drop(
    item: _Running, running: list[_Running], failed: dict[str, str], error: ContenderError
) -> None:
    """Goes on without a contender that failed; without the baseline there is no going on."""
    name = item.process.contender.name
    if item is running[0]:
        raise ValueError(f"baseline {name}: failed while it was timed: {error}") from error
    failed[name] = f"failed while it was timed: {error}"
    running.remove(item)


def _time(
    running: list[_Running], num_runs: int, failed: dict[str, str], progress: Progress
) -> None:
    def burst(item: _Running, warmup: int, runs: int) -> list[float]:
        """Times of one burst; none if the contender fails, which is its last turn then."""
        try:
            return item.process.burst(warmup=warmup, runs=runs)
        except ContenderError as error:
            _drop(item, running, failed, error)
            return []

    for item in list(running):
        if probe := burst(item, warmup=0, runs=2):
            item.set_burst(min(probe))
    rounds = max(_MIN_ROUNDS, -(-num_runs // min(item.burst for item in running)))
    total = rounds * len(running)
    for item in _turns(running, rounds, "timing", progress):
        # Caches and clocks belong to the previous contender now: warm up anew.
        if item.is_due() and (times := burst(item, item.warmup, item.burst)):
            item.bursts.append(times)
    progress("done", total, total)


def _results(running: Sequence[_Running], num_threads: int) -> list[Result]:
    base = running[0]
    base_median = statistics.median(base.times())
    base_rounds = [statistics.median(burst) for burst in base.bursts]
    results = []
    for item in running:
        times = sorted(item.times())
        median = statistics.median(times)
        rounds = [statistics.median(burst) for burst in item.bursts]
        # A slow contender has had fewer turns than the baseline.
        ratios = sorted(b / own for b, own in zip(base_rounds, rounds, strict=False))
        results.append(
            Result(
                name=item.process.contender.name,
                version=item.version,
                num_threads=num_threads,
                latency_ms=Latency(median, times[0], percentile(times, 90)),
                speedup=base_median / median,
                speedup_range=(percentile(ratios, 10), percentile(ratios, 90)),
                max_abs_diff=item.diff[0],
                relative_diff=item.diff[1],
                runs=len(times),
                spread=_spread(rounds, median),
                load_ms=item.load_ms,
                remark=item.process.contender.remark,
                start=_median_start(item.starts),
            )
        )
    return results


def _median_start(starts: Sequence[Start]) -> Start | None:
    if not starts:
        return None
    return Start(
        first_ms=statistics.median(start.first_ms for start in starts),
        again_ms=statistics.median(start.again_ms for start in starts),
        peak_mb=statistics.median(start.peak_mb for start in starts),
    )


def _spread(rounds: Sequence[float], median: float) -> float:
    ordered = sorted(rounds)
    return (percentile(ordered, 90) - percentile(ordered, 10)) / median


def _warnings(results: Sequence[Result], other_load: float | None) -> list[str]:
    warnings = []
    if other_load is not None and other_load > _NOISY_LOAD:
        warnings.append(
            f"other programs took {other_load:.0%} of the processors meanwhile: "
            "repeat on a quiet machine"
        )
    noisy = [f"{r.name} {r.spread:.0%}" for r in results if r.spread > _NOISY_SPREAD]
    if noisy:
        warnings.append(
            f"medians varied by more than {_NOISY_SPREAD:.0%} between rounds "
            f"({', '.join(noisy)}): too noisy to judge small differences"
        )
    return warnings
