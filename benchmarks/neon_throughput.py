"""How near the NEON kernels come to the cores' limits, by llvm-mca's models of ARM cores.

    python -m benchmarks.neon_throughput

Compiles the register blocks of delegate/cpu/kernels for ARM64, takes the inner loop of each of the
126 patterns of 4 of 9 taps (one kernel times one block of output vectors) and asks llvm-mca for
its cycles when the data is in L1. Then the same for the int8 kernels' loops over records with SDOT
(delegate/cpu/int8/dots.inl), one for each kind of row and number of vectors. LLVM's model of
cortex-a76 is that of Cortex-A57, which starts one 128-bit FMLA a cycle and has no SDOT;
neoverse-n1, the server version of the same core, has a model of its own with two. Needs Debian's
g++-aarch64-linux-gnu and llvm-19.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FMLA_PER_CYCLE = {"cortex-a76": 1, "neoverse-n1": 2}
# Arithmetic, source, options (isa_copts in third_party/copts.bzl).
FLOAT16 = ["-march=armv8.2-a+fp16", "-fno-schedule-insns"]
SOURCES: tuple[tuple[str, str, list[str]], ...] = (
    ("float32", "pattern_2x7.cc", []),
    ("float32", "pattern_3x7.cc", []),
    ("float16", "float16_pattern_2x7.cc", FLOAT16),
    ("float16", "float16_pattern_3x7.cc", FLOAT16),
    ("float16", "float16_pattern_4x7.cc", FLOAT16),
)


SDOT = "-march=armv8.2-a+dotprod"
SDOT_PER_CYCLE = {"neoverse-n1": 2, "neoverse-n2": 2, "neoverse-v2": 4}
MACS = 16  # of an SDOT


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.neon_throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--compiler", default="aarch64-linux-gnu-g++")
    parser.add_argument("--llvm_mca", default="llvm-mca-19")
    args = parser.parse_args()

    regions = {
        (arithmetic, mask, block): body
        for arithmetic, source, options in SOURCES
        for (mask, block), body in inner_loops(args.compiler, source, options).items()
    }
    print(
        "| model | arithmetic, block | patterns | FMLA | loads | lowest | median "
        "| patterns >= 85 % |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for cpu, peak in FMLA_PER_CYCLE.items():
        kinds = {(arithmetic, block) for arithmetic, _, block in regions}
        for arithmetic, block in sorted(kinds, key=lambda kind: (kind[0] != "float32", kind[1])):
            bodies = [
                body
                for (found, _, size), body in regions.items()
                if (found, size) == (arithmetic, block)
            ]
            shares = [
                body.count("fmla") / peak / cycles(args.llvm_mca, cpu, body) for body in bodies
            ]
            print(
                f"| {cpu} | {arithmetic} {block} | {len(bodies)} | {bodies[0].count('fmla')} "
                f"| {statistics.median(loads(body) for body in bodies):.0f} "
                f"| {min(shares):.1%} | {statistics.median(shares):.1%} "
                f"| {sum(share >= 0.85 for share in shares)} |"
            )
    print("\n| model | rows | vectors | loads | cycles a record | MACs a cycle | of all SDOT |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for cpu, peak in SDOT_PER_CYCLE.items():
        for (rows, vectors), body in sorted(record_loops(args.compiler).items(), reverse=True):
            found = cycles(args.llvm_mca, cpu, body)
            print(
                f"| {cpu} | {rows} | {vectors} | {loads(body)} | {found:.2f} "
                f"| {vectors * MACS / found:.1f} | {vectors / peak / found:.0%} |"
            )


def record_loops(compiler: str, *, fewest: int = 4) -> dict[tuple[str, int], str]:
    """Instructions of the loops over records, by kind of row and vectors, `fewest` and more."""
    text = assembly_of(compiler, "int8/dots_sdot.cc", [SDOT])
    bodies = {}
    # What lies between a label and the branch to it, without another label or branch.
    for match in re.finditer(
        r"^(\.L\d+):\n((?:\t(?!b[. ]|cb|tbn?z).*\n)+)\tb\S*\t\1\n", text, re.M
    ):
        body = match[2]
        vectors = body.count("sdot")
        if vectors >= fewest and re.search(r"\bldrh\b", body):
            bodies["windows" if "tbl" in body else "quads", vectors] = body
    return bodies


def inner_loops(compiler: str, source: str, options: list[str]) -> dict[tuple[str, str], str]:
    """Instructions of each inner loop, by (mask, block); the closing branch is left out."""
    text = assembly_of(compiler, f"kernels/{source}", options)
    marked = re.findall(
        r"# LLVM-MCA-BEGIN mask(\d+)_(\d+x\d+)\n(.*?)# LLVM-MCA-END", text, re.DOTALL
    )
    return {
        (mask, block): "".join(
            f"{line}\n"
            for line in body.splitlines()
            if re.match(r"\s*[a-z]", line) and not re.match(r"\s*(b|cb|tb)", line)
        )
        for mask, block, body in marked
    }


def assembly_of(compiler: str, source: str, options: list[str]) -> str:
    """Of a file in delegate/cpu."""
    with tempfile.TemporaryDirectory() as folder:
        assembly = Path(folder, "kernels.s")
        command = [compiler, "-std=c++17", "-O3", "-fPIC", "-DPCONV_MCA_MARKERS", f"-I{ROOT}"]
        path = ROOT / "delegate/cpu" / source
        subprocess.run([*command, *options, "-S", "-o", assembly, path], check=True)
        return assembly.read_text()


def loads(body: str) -> int:
    """Vector registers loaded."""
    return 2 * len(re.findall(r"\bldp\s+q", body)) + len(re.findall(r"\bldr\s+q", body))


def cycles(llvm_mca: str, cpu: str, body: str) -> float:
    """Cycles of one iteration."""
    iterations = 100
    result = subprocess.run(
        [llvm_mca, "-mtriple=aarch64-linux-gnu", f"-mcpu={cpu}", f"-iterations={iterations}"],
        input=body,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Total Cycles:\s+(\d+)", result.stdout)
    assert found is not None, result.stdout
    return int(found[1]) / iterations


if __name__ == "__main__":
    main()
