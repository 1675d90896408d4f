"""Races networks that people bring against their dense twins, and writes docs/models.md.

    python -m benchmarks.models --prepare --filter_block=1,16  # makes all files, times nothing
    python -m benchmarks.models                      # one thread, filter block 1
    python -m benchmarks.models --num_threads=1,2 --filter_block=1,16 --resume  # everything
    python -m benchmarks.models --only=mobilenet     # those whose names match
    python -m benchmarks.models --fit                # fit the cost of networks, measure nothing
    python -m benchmarks.models --render             # only write the page anew

Each network is pruned at once with the default configuration, or with masks that so many
neighbouring filters share (--filter_block), which other kernels in another layout compute. Two
conversions run by the delegate beside the dense twin in stock LiteRT: that of `convert` as it is,
and that of all layers that gain alone, from which `--fit` fits network_costs.json. Outputs are
checked before anything is timed.
Every measurement goes into a file of benchmarks/results/models/, in the folder of this machine's
target (avx512, avx2, neon): `--resume`, `--only` and `--fit` are about that one, and the page has a
part for each.

Files are kept in the user's cache: once they are prepared, a network takes some ten seconds with
each number of threads. After `--fit`, `convert` may decide otherwise: `--resume` then measures only
files that are new.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import stored
from benchmarks.fit_models import fit
from benchmarks.model_files import twin_of
from benchmarks.model_networks import MODELS, Model
from benchmarks.raced_files import ALONE, BASELINE, DEFAULT, RacedFiles, digest_of, raced_files
from pconv_tf import __version__
from pconv_tf.conversion.targets import targets, this_machine
from pconv_tf.files import write_atomically
from pconv_tf.measuring.checkout import checkout_commit
from pconv_tf.runtime.delegate import delegate_path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results" / "models"
DOCUMENT = ROOT / "docs" / "models.md"
HEADER = (
    "| network | threads | PConv2D | dense ms | default | all layers | expected | spread | why |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---|",
)
SLOWEST = 0.97  # below, the default path has made a model slower than its twin


def main() -> int:
    """Runs the command line; 1 if the default path makes a network slower than its twin."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="a regex: measure networks whose names match")
    parser.add_argument(
        "--num_threads", type=_numbers, default=(1,), help="of every contender; or several: 1,2 (1)"
    )
    parser.add_argument(
        "--filter_block", type=_numbers, default=(1,), help="of pruning; or several: 1,16 (1)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out the files that have been measured with this delegate",
    )
    parser.add_argument(
        "--prepare", action="store_true", help="make the files that are raced, time nothing"
    )
    parser.add_argument("--num_runs", type=int, default=20, help="timed runs of each, at least")
    parser.add_argument("--fit", action="store_true", help="fit this target in network_costs.json")
    parser.add_argument("--render", action="store_true", help="write the page only")
    args = parser.parse_args()
    wanted = [model for model in MODELS if re.search(args.only, model.name)]
    here = this_machine()
    if args.prepare:
        for block, model in itertools.product(args.filter_block, wanted):
            start = time.monotonic()
            files_of(model, block)
            took = time.monotonic() - start
            print(f"{model.name}, filter block {block}: {took:.1f} s", file=sys.stderr, flush=True)
        return 0
    if args.fit:
        from benchmarks import real_files  # which needs this module

        found = [entry for case, entry in read_all().items() if case.target == here]
        found += [entry for entry in real_files.read_all().get(here, []) if "subject" in entry]
        measured = [entry for entry in found if entry["num_threads"] == 1]
        if not measured:
            parser.error(f"--fit: expected measurements of {here} with one thread, found none")
        fit(measured, here)
    elif not args.render:
        done = read_all() if args.resume else {}
        engine = digest_of(Path(delegate_path()).read_bytes())
        for block, threads, model in itertools.product(args.filter_block, args.num_threads, wanted):
            case = Case(here, model.name, threads, block)
            entry = None
            if case in done:
                entry = measured_before(done[case], files_of(model, block), engine)
            if entry is None:
                entry = {
                    "commit": checkout_commit(),
                    "engine": engine,
                    **measure(model, threads, block, args.num_runs),
                }
            store(case, entry)
    entries = read_all()
    write_atomically(DOCUMENT, document(entries))
    slower = [case for case, entry in entries.items() if speedup(entry, DEFAULT) < SLOWEST]
    for case in slower:
        print(
            f"{case.target}, {case.model}, {case.threads} thread(s), "
            f"filter block {case.filter_block}: slower than its dense twin",
            file=sys.stderr,
        )
    return 1 if slower else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


class Case(NamedTuple):
    """What is measured at once.

    Attributes:
        target: that of the machine.
        model: the network's name.
        threads: of every contender.
        filter_block: so many neighbouring filters share their masks.
    """

    target: str
    model: str
    threads: int
    filter_block: int


def files_of(model: Model, filter_block: int) -> RacedFiles:
    """What is raced of a network; made if it is new."""
    return raced_files(twin_of(model, filter_block))


def measured_before(entry: dict[str, Any], files: RacedFiles, engine: str) -> dict[str, Any] | None:
    """A measurement with what is known of the files now; None if it is not one of these files.

    Args:
        entry: The measurement.
        files: What is to be measured.
        engine: The delegate's digest.
    """
    before, now = entry["subject"], files.subject
    if entry.get("engine") != engine or before.get("twin") != now["twin"] or entry["failed"]:
        return None
    rows = {before[row["name"]]["digest"]: row for row in entry["contenders"][1:]}
    contenders = [entry["contenders"][0]]
    for name in (DEFAULT, ALONE):
        if not now[name]["layers"]:
            continue
        if now[name]["digest"] not in rows:
            return None
        contenders.append({**rows[now[name]["digest"]], "name": name})
    return {**entry, "subject": now, "contenders": contenders}


def measure(model: Model, num_threads: int, filter_block: int, num_runs: int) -> dict[str, Any]:
    """Races one network; what it returns is stored."""
    label = f"{model.name}, {num_threads} thread(s), filter block {filter_block}"
    files = files_of(model, filter_block)
    return race(label, files, model.tolerance, num_threads=num_threads, num_runs=num_runs)


def race(
    label: str, files: RacedFiles, tolerance: float, *, num_threads: int, num_runs: int
) -> dict[str, Any]:
    """Races the conversions of a dense file whose weights have been pruned.

    Args:
        label: What to call it in the line that is printed.
        files: The file and its conversions.
        tolerance: Largest difference from its output, relative to its magnitude.
        num_threads: Of every contender.
        num_runs: Timed runs of each, at least.

    Returns:
        The measurement as it is stored, without the name.
    """
    from pconv_tf.comparing.comparison import run_comparison
    from pconv_tf.measuring.contender import LITERT, Contender
    from pconv_tf.measuring.inputs import inputs_of

    same = files.subject[ALONE]["digest"] == files.subject[DEFAULT]["digest"]
    contenders = [Contender(BASELINE, LITERT, files.twin)]
    for name, path in files.paths.items():
        if name == ALONE and same:
            continue  # timed once, below shown as both
        if not files.subject[name]["layers"]:
            continue  # the twin's own operators
        options = {"delegate": delegate_path()}
        contenders.append(
            Contender(name, LITERT, path, options, tolerance=tolerance, version=__version__)
        )
    result = run_comparison(
        contenders,
        inputs_of(files.twin, 0),
        subject=files.subject,
        num_threads=num_threads,
        num_runs=num_runs,
    )
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    entry = {"date": today, **asdict(result)}
    rows = {row["name"]: row for row in entry["contenders"]}
    if same and DEFAULT in rows:
        entry["contenders"] += ({**rows[DEFAULT], "name": ALONE},)
    print(
        f"{label}:",
        *(f"{row['name']} {row['speedup']:.2f}x" for row in entry["contenders"][1:]),
        *entry["failed"].items(),
        *entry["warnings"],
        file=sys.stderr,
        flush=True,
    )
    return entry


Entries = dict[Case, dict[str, Any]]


def read_all() -> Entries:
    """All stored measurements of networks that still are in the list, by target, in its order."""
    entries = {}
    for path in FOLDER.glob("*/*.json"):
        entry = json.loads(path.read_text())
        model, threads, block = entry.pop("model"), entry["num_threads"], entry.pop("filter_block")
        entries[Case(path.parent.name, model, threads, block)] = entry
    part = {target: place for place, target in enumerate(targets())}
    order = {model.name: place for place, model in enumerate(MODELS)}
    known = [case for case in entries if case.model in order]
    known.sort(key=lambda c: (part[c.target], c.filter_block, order[c.model], c.threads))
    return {case: entries[case] for case in known}


def store(case: Case, entry: dict[str, Any]) -> None:
    """Stores one measurement in place of an older one."""
    folder = FOLDER / case.target
    folder.mkdir(exist_ok=True, parents=True)
    name = re.sub("[^a-z0-9]+", "_", case.model)
    facts = {"model": case.model, "filter_block": case.filter_block}
    text = stored.entry_text({**facts, **entry})
    write_atomically(folder / f"{name}_{case.threads}_{case.filter_block}.json", text)


def speedup(entry: dict[str, Any], name: str) -> float:
    """Of one conversion: 1 if it has the twin's operators, 0 if it failed."""
    if not entry["subject"][name]["layers"]:
        return 1.0
    rows = {row["name"]: row for row in entry["contenders"]}
    return rows[name]["speedup"] if name in rows else 0.0


def document(entries: Entries) -> str:
    """The page."""
    lines = [
        "# Models",
        "",
        "Written by `python -m benchmarks.models` from the files of "
        "[benchmarks/results/models](../benchmarks/results/models); do not edit. Networks of usual "
        "and of small sizes with random weights, pruned at once with the default configuration, "
        "raced against their dense twins in stock LiteRT with XNNPACK, float32, batch 1 "
        "([how](benchmarking.md#compare)).",
        "",
        "- *default*: the file of `pconv-tf convert`. Where it expects the network to be slower, "
        "pruned layers stay dense; a file without a PConv2D has the operators of its twin.",
        "- *all layers*: every layer that gains alone is a PConv2D, also where the network loses "
        "by it.",
        "- *expected*: of all layers, by the "
        "[cost of networks](conversion.md#the-whole-model), whose figures of a target are fitted "
        "to its rows with one thread.",
        "- *spread* is the largest of the contenders', as in [benchmarking.md](benchmarking.md); "
        "where it exceeds 10 %, the machine was not quiet, and ratios are rough.",
    ]
    for target in dict.fromkeys(case.target for case in entries):
        lines += _part({case: e for case, e in entries.items() if case.target == target})
    return "\n".join(lines) + "\n"


def _part(entries: Entries) -> list[str]:
    """What the page shows of one target."""
    lines = [*heading(next(iter(entries)).target, entries.values()), "", commits(entries)]
    for block in sorted({case.filter_block for case in entries}):
        title = "Masks of their own" if block == 1 else f"Masks that {block} filters share"
        lines += [
            "",
            f"### {title} (`filter_block` {block})",
            "",
            *HEADER,
        ]
        lines += [
            row(case.model, entry) for case, entry in entries.items() if case.filter_block == block
        ]
    failed = [
        f"- {case.model}, {case.threads} thread(s), filter block {case.filter_block}, {which}: "
        f"{why.splitlines()[0]}"
        for case, entry in entries.items()
        for which, why in entry["failed"].items()
    ]
    if failed:
        lines += ["", "Failed:", "", *failed]
    return lines


def heading(target: str, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Begins the part of a target: what they were measured on, and when."""
    found = {
        f"{e['machine']['cpu']} ({e['machine']['instructions']}), {e['date']}" for e in entries
    }
    return ["", f"## Target `{target}`", "", "; ".join(sorted(found)) + "."]


def commits(entries: Entries) -> str:
    """At which commits the rows were measured: engine, and costs that `convert` decides by."""
    names: dict[str, list[str]] = {}
    for case, entry in entries.items():
        of_commit = names.setdefault(entry.get("commit") or "", [])
        if case.model not in of_commit:
            of_commit.append(case.model)
    parts = [f"`{commit}` ({', '.join(found)})" for commit, found in names.items() if commit]
    if "" in names:
        parts.append(f"earlier ones ({', '.join(names[''])})")
    return (
        "Rows show the engine and the costs of the commit at which they were measured: "
        f"{'; '.join(parts)}."
    )


def row(name: str, entry: dict[str, Any]) -> str:
    """A line of the table that `HEADER` heads."""
    base = next(r for r in entry["contenders"] if r["name"] == BASELINE)
    facts = entry["subject"][DEFAULT]
    spread = max(r["spread"] for r in entry["contenders"])
    cells = [
        name,
        str(entry["num_threads"]),
        f"{facts['layers']} of {facts['of']}",
        f"{base['latency_ms']['median']:.3f}",
        *(_cell(entry, which) for which in (DEFAULT, ALONE)),
        _ratio(entry["subject"][ALONE]["expected"]),
        f"{spread:.0%}",
        why(entry),
    ]
    return "| " + " | ".join(cells) + " |"


def _cell(entry: dict[str, Any], which: str) -> str:
    if not entry["subject"][which]["layers"]:
        return "as twin"
    return _ratio(speedup(entry, which) or None)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def why(entry: dict[str, Any]) -> str:
    """What explains the gain, in a few words."""
    default, alone = (entry["subject"][which] for which in (DEFAULT, ALONE))
    if alone["layers"] == 0:
        return "no layer gains alone"
    if default["layers"] == 0:
        return "stays dense: the delegate would cost more than pruning saves"
    if default["layers"] < alone["layers"]:
        return f"{alone['layers'] - default['layers']} layers stay dense for the sake of the whole"
    return f"dense: {entry['subject']['shares']}"


if __name__ == "__main__":
    sys.exit(main())
