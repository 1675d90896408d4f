"""Races networks that people bring against their dense twins, and writes docs/models.md.

    python -m benchmarks.models                      # one thread: some fifteen minutes
    python -m benchmarks.models --num_threads=1,2 --filter_block=1,16 --resume  # everything
    python -m benchmarks.models --only=mobilenet     # those whose names match
    python -m benchmarks.models --fit                # fit the cost of networks, measure nothing
    python -m benchmarks.models --render             # only write the page anew

Each network is pruned at once with the default configuration, or with masks that so many
neighbouring filters share (--filter_block), which other kernels in another layout compute. Two
conversions run by the delegate beside the dense twin in stock LiteRT: that of `convert` as it is,
and that of all layers that gain alone, from which `--fit` fits network_costs.json. Outputs are
checked before anything is timed.
Every measurement goes into a file of benchmarks/results/models/.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import stored
from benchmarks.fit_models import fit
from benchmarks.model_files import twin_of
from benchmarks.model_networks import MODELS, Model
from pconv_tf import __version__
from pconv_tf.conversion.model_estimate import Parts, model_parts
from pconv_tf.files import scratch_folder, write_atomically
from pconv_tf.measuring.checkout import checkout_commit

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results" / "models"
DOCUMENT = ROOT / "docs" / "models.md"
BASELINE, DEFAULT, ALONE = "litert", "default", "alone"
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
        "--resume", action="store_true", help="leave out what this commit has measured already"
    )
    parser.add_argument("--num_runs", type=int, default=20, help="timed runs of each, at least")
    parser.add_argument("--fit", action="store_true", help="fit network_costs.json")
    parser.add_argument("--render", action="store_true", help="write the page only")
    args = parser.parse_args()
    if args.fit:
        fit([e for case, e in read_all().items() if (case.threads, case.filter_block) == (1, 1)])
    elif not args.render:
        done = read_all() if args.resume else {}
        commit = checkout_commit()
        for block, threads, model in itertools.product(args.filter_block, args.num_threads, MODELS):
            case = Case(model.name, threads, block)
            if not re.search(args.only, model.name) or done.get(case, {}).get("commit") == commit:
                continue
            store(case, {"commit": commit, **measure(model, threads, block, args.num_runs)})
    entries = read_all()
    write_atomically(DOCUMENT, document(entries))
    slower = [case for case, entry in entries.items() if speedup(entry, DEFAULT) < SLOWEST]
    for case in slower:
        print(
            f"{case.model}, {case.threads} thread(s), filter block {case.filter_block}: "
            "slower than its dense twin",
            file=sys.stderr,
        )
    return 1 if slower else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


class Case(NamedTuple):
    """What is measured at once.

    Attributes:
        model: the network's name.
        threads: of every contender.
        filter_block: so many neighbouring filters share their masks.
    """

    model: str
    threads: int
    filter_block: int


def measure(model: Model, num_threads: int, filter_block: int, num_runs: int) -> dict[str, Any]:
    """Races one network; what it returns is stored."""
    label = f"{model.name}, {num_threads} thread(s), filter block {filter_block}"
    twin = twin_of(model, filter_block)
    return race(label, twin, model.tolerance, num_threads=num_threads, num_runs=num_runs)


def race(
    label: str, twin: Path, tolerance: float, *, num_threads: int, num_runs: int
) -> dict[str, Any]:
    """Races the conversions of a dense file whose weights have been pruned.

    Args:
        label: What to call it in the line that is printed.
        twin: The file.
        tolerance: Largest difference from its output, relative to its magnitude.
        num_threads: Of every contender.
        num_runs: Timed runs of each, at least.

    Returns:
        The measurement as it is stored, without the name.
    """
    from pconv_tf.comparing.comparison import run_comparison
    from pconv_tf.measuring.contender import LITERT, Contender
    from pconv_tf.measuring.inputs import inputs_of
    from pconv_tf.runtime.delegate import delegate_path

    raced, parts, shares = conversions(twin.read_bytes())
    subject: dict[str, Any] = {"shares": shares, "parts": parts}
    with scratch_folder() as folder:
        contenders = [Contender(BASELINE, LITERT, twin)]
        for name, conversion in raced.items():
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(conversion.flatbuffer)
            subject[name] = {
                "layers": conversion.layers,
                "of": conversion.of,
                "expected": conversion.expected,
                "bytes": len(conversion.flatbuffer),
            }
            if name == ALONE and conversion.flatbuffer == raced[DEFAULT].flatbuffer:
                continue  # timed once, below shown as both
            if not conversion.layers:
                continue  # the twin's own operators
            options = {"delegate": delegate_path()}
            contenders.append(
                Contender(name, LITERT, path, options, tolerance=tolerance, version=__version__)
            )
        result = run_comparison(
            contenders,
            inputs_of(twin, 0),
            subject=subject,
            num_threads=num_threads,
            num_runs=num_runs,
        )
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    entry = {"date": today, **asdict(result)}
    rows = {row["name"]: row for row in entry["contenders"]}
    same = raced[ALONE].flatbuffer == raced[DEFAULT].flatbuffer
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


@dataclass(frozen=True)
class Raced:
    """A conversion that is raced.

    Attributes:
        flatbuffer: the file.
        layers: how many are a PConv2D.
        of: how many convolutions the network has.
        expected: how many times faster it is expected to be; None if no layer is a PConv2D.
    """

    flatbuffer: bytes
    layers: int
    of: int
    expected: float | None


def conversions(twin: bytes) -> tuple[dict[str, Raced], dict[str, Parts], str]:
    """The conversions that are raced, what is in those that are fitted, and where the time goes."""
    from pconv_tf.conversion.converter import by_estimate, convert_by, convert_with_report
    from pconv_tf.conversion.model_choice import ModelChoice
    from pconv_tf.conversion.report import PCONV
    from pconv_tf.conversion.targets import target

    parts, shares = {}, ""

    def choose(layers: Any, divisions: Any) -> ModelChoice:
        nonlocal shares
        wanted = {place for place, layer in enumerate(layers) if layer.became == PCONV}
        parts[BASELINE] = model_parts(layers, divisions, set())
        parts[ALONE] = model_parts(layers, divisions, wanted)
        shares = _shares(parts[BASELINE], target(None).xnnpack)
        return by_estimate(target(None), force=True)(layers, divisions)

    made = {DEFAULT: convert_with_report(twin), ALONE: convert_by(twin, choose)}
    raced = {
        name: Raced(
            conversion.flatbuffer,
            sum(layer.became == PCONV for layer in conversion.layers),
            len(conversion.layers),
            conversion.expected_gain,
        )
        for name, conversion in made.items()
    }
    return raced, parts, shares


def _shares(parts: Parts, costs: Mapping[str, float]) -> str:
    """What the dense network's expected time goes to: '81 % 3x3, 12 % 1x1'."""
    titles = {
        "operator": "operators",
        "spatial": "3x3 and larger",
        "pointwise": "1x1",
        "depthwise": "depthwise",
        "fully_connected": "fully connected",
        "layer": "starting convolutions",
        "weight": "weights",
        "exp": "sigmoid and softmax",
        "tanh": "tanh",
        "unary": "other activations",
        "plain": "sums, pools and the like",
    }
    times = {part: parts.get(f"xnnpack.{part}", 0.0) * costs[part] for part in titles}
    whole = sum(times.values())
    parts_in_order = sorted(times, key=lambda part: -times[part])
    return ", ".join(
        f"{times[part] / whole:.0%} {titles[part]}"
        for part in parts_in_order
        if times[part] > 0.1 * whole
    )


Entries = dict[Case, dict[str, Any]]


def read_all() -> Entries:
    """All stored measurements of networks that still are in the list, in its order."""
    entries = {}
    for path in FOLDER.glob("*.json"):
        entry = json.loads(path.read_text())
        case = Case(entry.pop("model"), entry["num_threads"], entry.pop("filter_block"))
        entries[case] = entry
    order = {model.name: place for place, model in enumerate(MODELS)}
    known = [case for case in entries if case.model in order]
    known.sort(key=lambda case: (case.filter_block, order[case.model], case.threads))
    return {case: entries[case] for case in known}


def store(case: Case, entry: dict[str, Any]) -> None:
    """Stores one measurement in place of an older one."""
    FOLDER.mkdir(exist_ok=True, parents=True)
    name = re.sub("[^a-z0-9]+", "_", case.model)
    facts = {"model": case.model, "filter_block": case.filter_block}
    text = stored.entry_text({**facts, **entry})
    write_atomically(FOLDER / f"{name}_{case.threads}_{case.filter_block}.json", text)


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
        "[cost of networks](conversion.md#the-whole-model), which is fitted to this table.",
        "- *spread* is the largest of the contenders', as in [benchmarking.md](benchmarking.md); "
        "where it exceeds 10 %, the machine was not quiet, and ratios are rough.",
        "",
        machines(entries.values()),
        "",
        commits(entries),
    ]
    for block in sorted({case.filter_block for case in entries}):
        title = "Masks of their own" if block == 1 else f"Masks that {block} filters share"
        lines += [
            "",
            f"## {title} (`filter_block` {block})",
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
    return "\n".join(lines) + "\n"


def machines(entries: Iterable[Mapping[str, Any]]) -> str:
    """What they were measured on, and when."""
    found = {
        f"{e['machine']['cpu']} ({e['machine']['instructions']}), {e['date']}" for e in entries
    }
    return "; ".join(sorted(found)) + "."


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
