"""Measures networks against their rivals, and writes docs/results.md and the README's table.

    python -m benchmarks.run                                     # everything: about half an hour
    python -m benchmarks.run --networks=vgg16_conv --threads=1   # measure one entry anew
    python -m benchmarks.run --render                            # only write the tables anew

Every measurement goes into a file of benchmarks/results/, from which both texts are written. One
measured anew replaces its predecessor; the others stay. The peers of `pconv-tf compare` are
included where their environments are installed (`pconv-tf compare --setup_peers=all`).
"""

from __future__ import annotations

import argparse
import datetime
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import stored
from pconv_tf.comparing.peers.catalogue import PEERS
from pconv_tf.conversion import cost_model
from pconv_tf.files import write_atomically
from pconv_tf.measuring.checkout import checkout_commit, commits_since

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "results.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

# TVM's untuned schedules are some fifty times slower than all others and would take hours.
MEASURED_PEERS = "onnxruntime,openvino,mnn,ncnn,deepsparse"


@dataclass(frozen=True)
class Case:
    """One network in one pruning: a pair of columns (1 and 2 threads) of the tables."""

    key: str
    network: str
    pruning: dict[str, Any]


CASES = (
    Case("vgg16_conv", "vgg16_conv", {}),
    Case("vgg16_conv, blocks of 16", "vgg16_conv", {"filter_block": 16}),
    Case("vgg16", "vgg16", {}),
    Case("vgg16, blocks of 16", "vgg16", {"filter_block": 16, "dense_block": 16}),
    Case("resnet50", "resnet50", {}),
    Case(
        "resnet50, 1x1 in blocks of 4",
        "resnet50",
        {"per_layer": {".*_[013]_conv": {"filter_block": 4}}},
    ),
    Case("resnet50, blocks of 16", "resnet50", {"filter_block": 16}),
    Case("mobilenet_v2", "mobilenet_v2", {}),
    Case("mobilenet_v2, blocks of 16", "mobilenet_v2", {"filter_block": 16}),
    Case("vgg16_cifar", "vgg16_cifar", {}),
    Case("vgg16_cifar, blocks of 16", "vgg16_cifar", {"filter_block": 16}),
    Case("resnet20_cifar", "resnet20_cifar", {}),
    Case("demosaicnet", "demosaicnet", {}),
)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", default="", help="names of cases, separated by ';'")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (1,2)")
    parser.add_argument("--peers", default=MEASURED_PEERS, help="peers to include (%(default)s)")
    parser.add_argument("--num_runs", type=int, default=50, help="timed runs of each, at least")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    args = parser.parse_args()

    entries = stored.read_all()
    if warning := age_warning():
        print(f"warning: {warning}", file=sys.stderr)
    if not args.render:
        wanted = [name for name in args.networks.split(";") if name]
        unknown = set(wanted) - {case.key for case in CASES}
        if unknown:
            parser.error(
                f"no case {sorted(unknown)[0]!r}; cases: {'; '.join(c.key for c in CASES)}"
            )
        for case in CASES:
            for threads in map(int, args.threads.split(",")):
                if not wanted or case.key in wanted:
                    _measure(case, threads, args.peers, args.num_runs, entries)
                    stored.write(case.key, threads, entries[case.key, threads])
    write_atomically(DOCUMENT, _document(entries))
    _insert(README, _summary(entries))
    return 0


def age_warning() -> str | None:
    """A warning if the converter's cost model was measured before the engine's last change."""
    commit = cost_model.read_engine_commit(cost_model.MEASURED_FILE)
    behind = commits_since(commit, "delegate/cpu")
    if behind == 0 or not checkout_commit():
        return None
    age = f"{behind} commits of delegate/cpu ago" if behind else "by an unknown engine"
    file = cost_model.MEASURED_FILE.relative_to(ROOT)
    return f"{file} was measured {age}; anew: pconv-tf breakeven --cost_model={file}"


def _measure(case: Case, threads: int, peers: str, num_runs: int, entries: stored.Entries) -> None:
    from pconv_tf import compare

    print(f"{case.key}, {threads} thread(s) ...", end="", flush=True, file=sys.stderr)
    result = compare(
        case.network, pruning=case.pruning, num_threads=threads, num_runs=num_runs, peers=peers
    )
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    entries[case.key, threads] = {"date": stamp, **asdict(result)}
    speedup = next((c.speedup for c in result.contenders if c.name == "pconv"), None)
    print(f" pconv {speedup and round(speedup, 2)}x", file=sys.stderr)
    for line in (*result.warnings, *(f"{n}: {why}" for n, why in result.failed.items())):
        print(f"  {line}", file=sys.stderr)


def _summary(entries: stored.Entries) -> str:
    """The README's table: one line a case and thread count."""
    lines = [
        "| network | threads | LiteRT + XNNPACK, ms | pconv, ms | ratio | fastest other, same "
        "float32 weights |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for case, threads, entry in _in_order(entries):
        rows = {row["name"]: row for row in entry["contenders"]}
        base, pconv = rows["litert"], rows.get("pconv")
        ours = _ms(pconv) if pconv else "failed"
        ratio = f"**{pconv['speedup']:.2f}x**" if pconv else "-"
        lines.append(
            f"| {case.key} | {threads} | {_ms(base)} | {ours} | {ratio} | {_best_other(rows)} |"
        )
    lines += ["", _footnote(entries)]
    return "\n".join(lines)


def _best_other(rows: dict[str, Any]) -> str:
    others = [row for name, row in rows.items() if name not in ("litert", "pconv", "openvino-bf16")]
    if not others:
        return "not measured"
    best = min(others, key=lambda row: row["latency_ms"]["median"])
    text = f"{best['name']} {_ms(best)} ms ({best['speedup']:.2f}x)"
    pconv = rows.get("pconv")
    faster = pconv and best["latency_ms"]["median"] < pconv["latency_ms"]["median"]
    return f"{text}, **faster than pconv**" if faster else text


def _footnote(entries: stored.Entries) -> str:
    machines = sorted({_machine(entry) for entry in entries.values()})
    dates = sorted({entry["date"] for entry in entries.values()})
    period = " to ".join(dict.fromkeys(dates[:1] + dates[-1:]))
    peers = _peers(*entries.values())
    return (
        f"Batch 1, float32, medians. {'; '.join(machines)}; {period}. "
        "Random weights, pruned at once; every output is checked against LiteRT's before timing. "
        "All contenders, spreads and versions: [docs/results.md](docs/results.md). "
        f"Repeat one with `pconv-tf compare --network=vgg16_conv --peers={peers}`."
    )


def _document(entries: stored.Entries) -> str:
    parts = [
        "# Measured results",
        "",
        "Written by `make bench` (`python -m benchmarks.run`) from the files of "
        "[benchmarks/results](../benchmarks/results); do not edit. How it is measured: "
        "[benchmarking.md](benchmarking.md). The first contender, stock LiteRT with XNNPACK on the "
        "dense twin, is 1.0; all run the same pruned weights. *Spread* is the 10th to 90th "
        "percentile of the medians of a contender's bursts, relative to its median. *First "
        "result*: from opening the file, in a fresh process; *again*: once more in that process.",
    ]
    for case, threads, entry in _in_order(entries):
        parts += ["", f"## {case.key}, {threads} thread{'s' if threads > 1 else ''}", ""]
        parts += _section(case, threads, entry)
    return "\n".join(parts) + "\n"


def _section(case: Case, threads: int, entry: dict[str, Any]) -> list[str]:
    subject = entry["subject"]
    pruning = ", ".join(f"{key} {value}" for key, value in subject["pruning"].items())
    size = subject["bytes"]
    lines = [
        f"{pruning}: 1/{1 / subject['conv_weights_kept']:.1f} of the convolutions' weights kept; "
        f"file {size['dense'] / 1e6:.1f} MB dense, {size['pconv'] / 1e6:.1f} MB FKW. "
        f"{_machine(entry)}, {entry['date']}.",
        "",
        "| contender | version | median ms | min | p90 | ratio | spread | max diff | |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in entry["contenders"]:
        latency = row["latency_ms"]
        name = f"**{row['name']}**" if row["name"] == "pconv" else row["name"]
        lines.append(
            f"| {name} | {row['version']} | {latency['median']:.3f} | {latency['min']:.3f} | "
            f"{latency['p90']:.3f} | {row['speedup']:.2f}x | {row['spread']:.0%} | "
            f"{row['max_abs_diff']:.0e} | {row['remark']} |"
        )
    lines += _start_table(entry)
    notes = [f"- {name}: {why.splitlines()[0]}" for name, why in entry["failed"].items()]
    notes += [f"- Note: {warning}" for warning in entry["warnings"]]
    if notes:
        lines += ["", *notes]
    return [*lines, "", f"`{_command(case, threads, entry)}`"]


def _start_table(entry: dict[str, Any]) -> list[str]:
    """Start and memory of the contenders, which measurements before these have not."""
    rows = [row for row in entry["contenders"] if row.get("start")]
    if not rows:
        return []
    base = rows[0]["start"]
    lines = [
        "",
        "| contender | first result ms | ratio | again ms | ratio | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        start = row["start"]
        name = f"**{row['name']}**" if row["name"] == "pconv" else row["name"]
        lines.append(
            f"| {name} | {start['first_ms']:.1f} | {base['first_ms'] / start['first_ms']:.2f}x | "
            f"{start['again_ms']:.1f} | {base['again_ms'] / start['again_ms']:.2f}x | "
            f"{start['peak_mb']:.1f} |"
        )
    return lines


def _command(case: Case, threads: int, entry: dict[str, Any]) -> str:
    """What measures a section again; what differs by layer has no flag."""
    if any(isinstance(value, dict) for value in case.pruning.values()):
        return f'python -m benchmarks.run "--networks={case.key}" --threads={threads}'
    flags = "".join(f" --{key}={value}" for key, value in case.pruning.items())
    flags += f" --num_threads={threads} --peers={_peers(entry)}"
    return f"pconv-tf compare --network={case.network}{flags}"


def _peers(*entries: dict[str, Any]) -> str:
    """The peers that took part, or could not, as `--peers` takes them."""
    rows = {row["name"] for entry in entries for row in entry["contenders"]}
    rows |= {name for entry in entries for name in entry["failed"]}
    took_part = (
        peer.name
        for peer in PEERS.values()
        if rows & {peer.name, *(variant.name for variant in peer.variants)}
    )
    return ",".join(took_part)


def _in_order(entries: stored.Entries) -> list[tuple[Case, int, dict[str, Any]]]:
    order = {case.key: number for number, case in enumerate(CASES)}
    keys = sorted(entries, key=lambda key: (order[key[0]], key[1]))
    return [(CASES[order[key]], threads, entries[key, threads]) for key, threads in keys]


def _machine(entry: dict[str, Any]) -> str:
    machine = entry["machine"]
    return f"{machine['cpu']} ({machine['instructions']}, {machine['cpus']} processors)"


def _ms(row: dict[str, Any]) -> str:
    median = row["latency_ms"]["median"]
    return f"{median:.1f}" if median >= 10 else f"{median:.2f}"


def _insert(path: Path, text: str) -> None:
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path}: expected the marks {BEGIN} and {END}")
    write_atomically(path, f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
