"""What a measurement ran on, and whether it had the machine for itself."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from pconv_tf.cpu_info import cpu_info, features_of

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Machine:
    """Description for tables: processor, processors usable by this process, system."""

    cpu: str
    cpus: int
    instructions: str
    system: str


def describe_machine() -> Machine:
    """Describes this machine."""
    info = cpu_info()
    flags = features_of(info)
    levels = ("avx512f", "avx2", "avx", "asimd")
    return Machine(
        cpu=_cpu_name(info),
        cpus=len(usable_cpus()),
        instructions=next((level for level in levels if level in flags), platform.machine()),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def _cpu_name(info: dict[str, str]) -> str:
    name = info.get("model name") or platform.processor() or platform.machine()
    # Virtual machines hide the model; these numbers tell one generation from another.
    if "cpu family" in info and "model" in info:
        return f"{name} family {info['cpu family']} model {info['model']}"
    return name


def usable_cpus() -> list[int]:
    """Numbers of the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpus_to_pin(num_threads: int) -> list[int] | None:
    """Processors for a run of `num_threads`: the last ones, as the first serves most interrupts.

    None where there are no more processors than threads, or no way to pin.
    """
    cpus = usable_cpus()
    if num_threads >= len(cpus) or not hasattr(os, "sched_setaffinity"):
        return None
    return cpus[-num_threads:]


class OtherLoad:
    """Measures the processor time that others took while this process and its children worked."""

    def __init__(self) -> None:
        self._before = _busy_seconds(), _own_seconds(), os.times().elapsed

    def fraction(self) -> float | None:
        """Others' time as a fraction of the machine's, stolen time included; None if unknown.

        Call it after the children have ended: only then their time is counted as ours.
        """
        busy, own, now = _busy_seconds(), _own_seconds(), os.times().elapsed
        if busy is None or self._before[0] is None or now == self._before[2]:
            return None
        others = (busy - self._before[0]) - (own - self._before[1])
        return max(0.0, others / ((now - self._before[2]) * (os.cpu_count() or 1)))


def _own_seconds() -> float:
    return sum(os.times()[:4])


def _busy_seconds() -> float | None:
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    # user nice system idle iowait irq softirq steal; guest time is counted in user already.
    ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS
