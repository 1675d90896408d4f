"""Finds out which releases the package works with, and writes docs/compatibility.md.

    python tests/compatibility/matrix.py [--only=TEXT] [--render]

Every row is an environment of its own in the cache folder: an interpreter found on PATH as
pythonX.Y, the releases that the row names, and whatever pip takes for the rest. In it runs
check_runtime.py, or check_training.py. Results are kept in results.json; rows that are not run
stay as they are. --only runs the rows whose text holds TEXT, --render none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pconv_tf
from pconv_tf.cache_folder import cache_folder, locked

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "compatibility.md"
FILE = ROOT / "zoo" / "fashion_mnist_vgg16_quarter_8x.tflite"
# What the package needs besides the runtime (pyproject.toml).
BASE = ("absl-py", "flatbuffers", "numpy", "pyyaml", "rich")
LIMIT_S = 900


@dataclass(frozen=True)
class Row:
    """An environment: an interpreter, the releases it is about, and what is run in it."""

    check: str
    python: str
    packages: tuple[str, ...]

    @property
    def key(self) -> str:
        return " ".join((self.check, self.python, *self.packages))


TFLITE_RUNTIME = Row("tflite-runtime", "3.11", ("tflite-runtime==2.14.0", "numpy<2"))


def rows() -> list[Row]:
    """All rows, in the page's order."""
    litert = ("2.0.2", "2.0.3", "2.1.0", "2.1.6", "2.2.0", "2.3.0")
    newest = (f"ai-edge-litert=={litert[-1]}",)
    training = (
        ("2.18.1", "3.5.0"),
        ("2.19.1", "3.8.0"),
        ("2.20.0", "3.12.4"),
        ("2.21.0", "3.15.1"),
    )
    return [
        *(Row("litert", "3.11", (f"ai-edge-litert=={release}",)) for release in litert),
        Row("litert", "3.11", ("ai-edge-litert-nightly",)),
        *(Row("litert", python, newest) for python in ("3.10", "3.12", "3.13", "3.14")),
        TFLITE_RUNTIME,
        *(
            Row("training", "3.11", (f"tensorflow=={tf}", f"keras=={keras}", *newest))
            for tf, keras in training
        ),
        Row("training", "3.10", ("tensorflow==2.18.1", "keras==3.5.0", *newest)),
        Row("training", "3.12", ("tensorflow==2.21.0", "keras==3.15.1", *newest)),
        Row("training", "3.13", ("tensorflow==2.21.0", "keras==3.15.1", *newest)),
    ]


def environment(row: Row) -> Path | str:
    """The Python of the row's environment, made if it is not there; or why there is none."""
    interpreter = shutil.which(f"python{row.python}")
    if interpreter is None or _call([interpreter, "--version"]).returncode:
        return "not tried: no such interpreter"
    environments = cache_folder("compatibility")
    folder = environments / hashlib.sha256(row.key.encode()).hexdigest()[:12]
    with locked(environments):
        if not (folder / ".complete").is_file():
            error = _make(row, interpreter, folder)
            if error is not None:
                return f"cannot be installed: {error}"
    return folder / "bin" / "python"


def _make(row: Row, interpreter: str, folder: Path) -> str | None:
    shutil.rmtree(folder, ignore_errors=True)
    _call([interpreter, "-m", "venv", str(folder)])
    base = () if row.check == "tflite-runtime" else BASE
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    installed = _call([*pip, "--disable-pip-version-check", *base, *row.packages])
    if installed.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        return _last_line(installed.stderr)
    (folder / ".complete").touch()
    return None


def run(row: Row) -> str:
    """Runs the row's check in its environment: "passed", or why not."""
    python = environment(row)
    if isinstance(python, str):
        return python
    if row.check == "training":
        checked = _call([str(python), str(HERE / "check_training.py")])
        shutil.rmtree(python.parents[1])  # more than two gigabytes
    else:
        inputs, expected = example()
        delegate = pconv_tf.delegate_path()
        arguments = [row.check, delegate, str(FILE), str(inputs), str(expected)]
        checked = _call([str(python), str(HERE / "check_runtime.py"), *arguments])
    if checked.returncode:
        return f"failed: {_last_line(checked.stderr)}"
    remarks = [line for line in checked.stdout.splitlines() if not line.endswith(": passed")]
    return "; ".join(["passed", *remarks])


def _call(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PCONV_DELEGATE": pconv_tf.delegate_path(),
        "CUDA_VISIBLE_DEVICES": "",
    }
    if "pip" in command or "venv" in command:
        del environment["PYTHONPATH"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"ran longer than {LIMIT_S} s")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]


def example() -> tuple[Path, Path]:
    """An input of the converted file, and its output here."""
    folder = cache_folder("compatibility", "example")
    interpreter = pconv_tf.Interpreter(str(FILE))
    shape = interpreter.get_input_details()[0]["shape"]
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", interpreter(x))
    return folder / "x.npy", folder / "y.npy"


def page(results: dict[str, str]) -> str:
    """The text of docs/compatibility.md."""
    lines = [
        "# Compatibility",
        "",
        "`make compatibility` makes an environment for every row, runs a check in it, and writes",
        f"this page. {results['machine']}; rows that say so could not be tried there.",
        "",
    ]
    for title, check, text in SECTIONS:
        lines += [f"## {title}", "", *text, "", "| Python | packages | result |", "|---|---|---|"]
        for row in rows():
            if row.check in check:
                packages = ", ".join(name.replace("==", " ") for name in row.packages)
                result = results.get(row.key, "not tried")
                lines.append(f"| {row.python} | {packages} | {result} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


SECTIONS = (
    (
        "Running and converting",
        ("litert", "tflite-runtime"),
        (
            "A file of `zoo/` runs with the delegate by the Interpreter API and, where LiteRT has",
            "what it needs, by CompiledModel; its dense twin is converted and run. The package is",
            "not made for tflite-runtime: that loads the delegate's library and runs the file.",
        ),
    ),
    (
        "Training",
        ("training",),
        (
            "A small Keras model is pruned by `PConvCallback` while it trains, converted, and run",
            "with the delegate in LiteRT and in `tf.lite`.",
        ),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", default="", help="run the rows that hold this text")
    parser.add_argument("--render", action="store_true", help="write the page only")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if not args.render:
        for row in rows():
            if args.only in row.key:
                results[row.key] = run(row)
                print(f"{row.key}: {results[row.key]}", flush=True)
                glibc = " ".join(platform.libc_ver())
                results["machine"] = f"{platform.system()} {platform.machine()}, {glibc}"
                RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    PAGE.write_text(page(results))
    bad = [key for key, result in results.items() if result.startswith("failed")]
    sys.exit(f"failed: {'; '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
