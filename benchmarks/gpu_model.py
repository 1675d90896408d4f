"""What VGG-16's pruned convolutions should cost on two mobile GPUs, on paper.

    python -m benchmarks.gpu_model

No GPU was at hand: this counts what delegate/opencl/kernels/conv_groups.cl does per layer with the
tiles that delegate/opencl/tiles.cc chooses (4x4 or 4x2 pixels per work-item, 8x4 work-items for
each of 4 or 8 filters, a slice of the window in local memory) and divides by the rates below.
Arithmetic and activations are float32; connectivity 3.6, 4 of 9 taps, the squares and Ts.

Rates and where they are from:

- Adreno 640: 585 MHz, chipsandcheese.com/2024/05/01/inside-the-snapdragon-855s-igpu; 768 float32
  lanes (898.5 GFLOP/s). The same article measured 88 GB/s of local memory and 192 GB/s of texture
  cache, as noted with the lanes in github.com/azhirnov/cpu-gpu-arch, gpu/Adreno-600.md; that loads
  of global memory reach the texture cache's rate is assumed. It also measured 407e9 FMA/s and a
  little less than 30 GB/s of DRAM; peaks are used here. DRAM of the Snapdragon 855: quad-channel
  LPDDR4X-4266, en.wikichip.org/wiki/qualcomm/snapdragon_800/855; at 16 bits a channel 34.1 GB/s.
- Mali-G76 MP10: 720 MHz and 34.1 GB/s in the Kirin 980, AnandTech, "The Mate 20 & Mate 20 Pro
  Review" (2018), page 2; three engines of 8 lanes per core, AnandTech, "Arm Announces the
  Mali-G76" (2018). One load-store pipeline per core is Arm's (Mali OpenCL guide 101574); that it
  starts the loads of one warp of 8 a cycle, of local memory too, is assumed.
- Registers: Arm's guide "The Bifrost Shader Core" gives a thread 32 of 32 bits at full occupancy
  and up to 64 with fewer threads. None found for Adreno. No time depends on them here.

A window is shared by 8 filters where a device allows work-groups of 512 and by 4 else; limits of
1024 on the Adreno and 384 on the Mali are assumed.

Every lane's load counts, also where all lanes read the same weight, which a GPU may serve at once.
Latency, L2 bandwidth, occupancy and throttling are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

PATTERNS = (  # rows of the kernel, kept taps as X
    ("XX.", "XX.", "..."),
    (".XX", ".XX", "..."),
    ("...", "XX.", "XX."),
    ("...", ".XX", ".XX"),
    (".X.", "XXX", "..."),
    (".X.", "XX.", ".X."),
    ("...", "XXX", ".X."),
    (".X.", ".XX", ".X."),
)
CONNECTIVITY = 3.6
TAPS = 4
# The tiles, and the blocks in `count`, are those to which opencl/tiles_test.cc holds GpuTiles.
GROUP_W, GROUP_H = 8, 4
# (name, output channels, input channels, map, how many); the first layer keeps all its kernels.
LAYERS = (
    ("3->64 @224", 64, 3, 224, 1),
    ("64->64 @224", 64, 64, 224, 1),
    ("64->128 @112", 128, 64, 112, 1),
    ("128->128 @112", 128, 128, 112, 1),
    ("128->256 @56", 256, 128, 56, 1),
    ("256->256 @56", 256, 256, 56, 2),
    ("256->512 @28", 512, 256, 28, 1),
    ("512->512 @28", 512, 512, 28, 2),
    ("512->512 @14", 512, 512, 14, 3),
)


@dataclass(frozen=True)
class Gpu:
    """Rates of a GPU per second; accesses are of one lane to 32 bits, bytes are of DRAM."""

    name: str
    fma_per_s: float
    local_per_s: float
    global_per_s: float | None  # None: both kinds of accesses go through one pipeline
    bytes_per_s: float
    group_filters: int  # that share a window, as delegate/opencl/tiles.cc chooses


# Sources: the module's docstring.
GPUS = (
    Gpu("Adreno 640", 768 * 585e6, 88e9 / 4, 192e9 / 4, 34.1e9, 8),
    Gpu("Mali-G76 MP10", 10 * 24 * 720e6, 10 * 8 * 720e6, None, 34.1e9, 4),
)


@dataclass(frozen=True)
class Counts:
    """A layer's work: FMAs, 32-bit accesses of all work-items, DRAM bytes."""

    fma: float
    local_accesses: float
    global_accesses: float
    bytes: float
    loads_per_fma: float
    registers: int


def window_loads(block_h: int, block_w: int) -> float:
    """Mean over PATTERNS of the distinct inputs that a kernel reads for a block of outputs."""
    total = 0
    for pattern in PATTERNS:
        taps = [(r, c) for r in range(3) for c in range(3) if pattern[r][c] == "X"]
        total += len(
            {(y + r, x + c) for r, c in taps for y in range(block_h) for x in range(block_w)}
        )
    return total / len(PATTERNS)


def count(out_channels: int, in_channels: int, size: int, group_filters: int) -> Counts:
    """Counts of one pruned 3x3 convolution of stride 1 on a map of size x size."""
    block_h, block_w = (4, 4) if size >= 28 else (4, 2)
    block = block_h * block_w
    tile_h, tile_w = GROUP_H * block_h, GROUP_W * block_w
    groups = -(-size // tile_h) * -(-size // tile_w) * -(-out_channels // group_filters)
    items = groups * GROUP_H * GROUP_W * group_filters
    kernels = in_channels / (1 if in_channels == 3 else CONNECTIVITY)  # per work-item
    fma = items * kernels * TAPS * block
    staged = groups * (tile_h + 2) * (tile_w + 2) * in_channels  # global to local memory
    local_accesses = items * kernels * window_loads(block_h, block_w) + staged
    global_accesses = items * kernels * (TAPS + 1) + staged  # weights, offset
    kept = out_channels * kernels
    moved = 4 * (size * size * (in_channels + out_channels) + kept * (TAPS + 1))
    # Sums, weights, an input, addresses and counters.
    registers = block + TAPS + 1 + 12
    loads_per_fma = (local_accesses + global_accesses) / fma
    return Counts(fma, local_accesses, global_accesses, moved, loads_per_fma, registers)


def seconds_by_bound(counts: Counts, gpu: Gpu) -> dict[str, float]:
    """What the layer would take if one of the GPU's rates were its only limit."""
    seconds = {"FMA": counts.fma / gpu.fma_per_s, "DRAM": counts.bytes / gpu.bytes_per_s}
    if gpu.global_per_s is None:
        accesses = counts.local_accesses + counts.global_accesses
        seconds["loads"] = accesses / gpu.local_per_s
    else:
        seconds["local memory"] = counts.local_accesses / gpu.local_per_s
        seconds["global loads"] = counts.global_accesses / gpu.global_per_s
    return seconds


def main() -> None:
    """Prints the table."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    print("| layer | registers | MFMA | loads per FMA | MB moved |", end="")
    print("".join(f" {gpu.name} ms | bound by |" for gpu in GPUS))
    print("|---|---:|---:|---:|---:|" + "---:|---|" * len(GPUS))
    totals = [0.0] * len(GPUS)
    for name, out_channels, in_channels, size, times in LAYERS:
        per_gpu = [count(out_channels, in_channels, size, gpu.group_filters) for gpu in GPUS]
        counts = per_gpu[0]  # but for loads they are all the same
        loads = " / ".join(f"{c.loads_per_fma:.2f}" for c in per_gpu)
        label = f"{name} (x{times})" if times > 1 else name
        row = f"| {label} | {counts.registers} | {counts.fma / 1e6:.0f} "
        row += f"| {loads} | {counts.bytes / 1e6:.1f} |"
        for i, gpu in enumerate(GPUS):
            seconds = seconds_by_bound(per_gpu[i], gpu)
            bound = max(seconds, key=lambda key: seconds[key])
            totals[i] += times * seconds[bound]
            row += f" {1e3 * seconds[bound]:.2f} | {bound} |"
        print(row)
    print("| 13 convolutions | | | | |" + "".join(f" {1e3 * t:.1f} | |" for t in totals))


if __name__ == "__main__":
    main()
