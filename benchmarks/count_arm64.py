"""What networks execute on ARM64, counted under qemu: instructions, multiply-adds, cache misses.

    python -m benchmarks.count_arm64 .../aarch64/libpconv_delegate.so

`make count-arm64` builds that library first. Each network runs with free masks and with masks
shared by 16 filters, beside its dense twin on XNNPACK, in LiteRT's own wheel for ARM64, with one
thread and after a run that warms up. arm64_counter.cc counts, and models a Cortex-A76's caches;
repeated counts differ by 0.02 %. An emulator knows no time: the cycles are what the counted
instructions take at least (`Core`), without cache misses and without waiting for results.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pconv_tf.cache_folder import cache_folder
from pconv_tf.comparing.network_files import network_files

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = "vgg16_cifar,mobilenet_v2,resnet50"


@dataclass(frozen=True)
class Core:
    """What a core does in a cycle at most.

    Attributes:
        instructions: Of any kind.
        simd: Instructions on 128-bit vectors.
        loads: Of vector registers, 128 bits each.
    """

    instructions: int
    simd: int
    loads: float

    def cycles(self, counts: Mapping[str, int]) -> float:
        """The least cycles for `counts`, the names and numbers of arm64_counter.cc."""
        simd = counts["fmla"] + counts["half_fmla"] + counts["other_simd"]
        return max(
            counts["instructions"] / self.instructions,
            simd / self.simd,
            counts["loads"] / self.loads,
        )


# Arm's software optimization guides of both cores.
CORES = {"A76": Core(4, 2, 2), "A55": Core(2, 1, 0.5)}
COLUMNS = (
    "network",
    "masks",
    "instructions",
    "FMLA",
    "instructions per FMLA",
    "vector loads per FMLA",
    "stack accesses",
    "L1 misses",
    "L2 misses",
    *(f"{name} cycles" for name in CORES),
)


def main() -> None:
    """Prints the table, a row as soon as it is counted."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.count_arm64",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("library", type=Path, help="the delegate, built for ARM64")
    parser.add_argument("--networks", default=NETWORKS, help="names, separated by commas")
    parser.add_argument("--qemu", default="qemu-aarch64", help="one that takes plugins")
    options = parser.parse_args()
    root = Path(os.environ.get("PCONV_AARCH64_ROOT") or cache_folder("aarch64_root"))
    site = cache_folder("aarch64_site")
    subprocess.run([ROOT / "scripts" / "aarch64_root.sh", root], check=True)
    if not (site / "ai_edge_litert").is_dir():
        subprocess.run(
            [ROOT / "scripts" / "aarch64_site.sh", site, "ai-edge-litert", "numpy"],
            check=True,
            env={**os.environ, "PYTHON": sys.executable},
        )
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---|---|" + "---:|" * (len(COLUMNS) - 2), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        plugin = build_counter(Path(folder))
        emulator = Emulator(options.qemu, plugin, root, site)
        for name in options.networks.split(","):
            free, shared = (network_files(name, {"filter_block": block}) for block in (1, 16))
            dense = emulator.count(free.dense, None)
            print(row(name, "dense, XNNPACK", dense, dense), flush=True)
            for masks, model in (("free", free.pconv), ("shared by 16", shared.pconv)):
                print(row(name, masks, emulator.count(model, options.library), dense), flush=True)


def build_counter(folder: Path) -> Path:
    """Compiles the plugin."""
    plugin = folder / "arm64_counter.so"
    source = ROOT / "benchmarks" / "arm64_counter.cc"
    subprocess.run(
        ["g++", "-std=c++17", "-O2", "-fPIC", "-shared", "-o", plugin, source], check=True
    )
    return plugin


@dataclass(frozen=True)
class Emulator:
    """A Python for ARM64 under qemu.

    Attributes:
        qemu: The emulator's command.
        plugin: What counts.
        root: An ARM64 Debian (scripts/aarch64_root.sh).
        site: Its Python packages (scripts/aarch64_site.sh).
    """

    qemu: str
    plugin: Path
    root: Path
    site: Path

    def count(self, model: Path, library: Path | None) -> dict[str, int]:
        """What one inference of `model` executes, by the delegate `library` or by XNNPACK.

        Raises:
            subprocess.CalledProcessError: The emulated process failed.
            RuntimeError: It ended without counting.
        """
        out = self.plugin.with_suffix(".txt")
        out.unlink(missing_ok=True)
        command = [
            *(self.qemu, "-cpu", "cortex-a76", "-plugin", f"{self.plugin},out={out}"),
            *("-L", self.root, "-E", f"PYTHONPATH={self.site}"),
            *("-E", f"PYTHONHOME={self.root / 'usr'}", self.root / "usr/bin/python3.11"),
            *(ROOT / "benchmarks" / "counted_run.py", model.resolve()),
            library.resolve() if library else "-",
        ]
        subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
        if not out.is_file():
            raise RuntimeError(f"{self.qemu} counted nothing; does it take plugins?")
        return parse_counts(out.read_text())


def parse_counts(line: str) -> dict[str, int]:
    """The counts that arm64_counter.cc wrote."""
    return {name: int(value) for name, value in (part.split("=") for part in line.split())}


def row(network: str, masks: str, counts: Mapping[str, int], dense: Mapping[str, int]) -> str:
    """A row of the table, in millions; instructions and cycles also as dense ones over them."""
    fmla = counts["fmla"] + counts["half_fmla"]

    def against(value: float, stock: float) -> str:
        text = f"{value / 1e6:.1f}"
        return text if counts is dense else f"{text} ({stock / value:.2f}x)"

    cells = [
        network,
        masks,
        against(counts["instructions"], dense["instructions"]),
        f"{fmla / 1e6:.1f}",
        f"{counts['instructions'] / fmla:.2f}",
        f"{counts['loads'] / fmla:.2f}",
        f"{counts['stack'] / 1e6:.1f}",
        f"{counts['l1_misses'] / 1e6:.2f}",
        f"{counts['l2_misses'] / 1e6:.2f}",
        *(against(core.cycles(counts), core.cycles(dense)) for core in CORES.values()),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
