"""Shows what the package finds on this machine, and runs a small model.

Text to paste into an issue; nothing leaves the machine. Exit code 1 if the
model does not run with the delegate as it should.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys

import pconv_tf
from pconv_tf.cache_folder import cache_folder
from pconv_tf.cli.output import add_json_argument, print_json
from pconv_tf.tables import print_table

# Package -> the releases that this version was tested with (docs/compatibility.md).
TESTED = {
    "ai-edge-litert": "2.0.2 to 2.3.0 (CompiledModel: 2.2.0, 2.3.0)",
    "numpy": "2.4",
    "flatbuffers": "25",
    "tensorflow": "2.18.1 to 2.21.0",
    "keras": "3.5.0 to 3.15.1",
    "tf_keras": "2.21",
    "tensorflow-model-optimization": "0.8",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf doctor`."""
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Collects the facts and prints them."""
    test = _self_test()
    facts = {"pconv_tf": pconv_tf.__version__, **_system(), **_packages(), **_delegate()}
    facts["self-test"] = test
    if args.json:
        print_json(facts)
    else:
        print_table(["what", "found"], list(facts.items()), text_columns=["found"])
    return 0 if test.startswith("passed") else 1


def _system() -> dict[str, str]:
    from pconv_tf.measuring.machine import describe_machine

    machine = describe_machine()
    return {
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": f"{platform.python_version()} ({sys.executable})",
        "processor": f"{machine.cpu} ({machine.instructions}, {machine.cpus} processors)",
        "OpenCL devices": _opencl(),
        "cache folder": str(cache_folder()),
        "settings": " ".join(
            f"{key}={value}"
            for key, value in sorted(os.environ.items())
            if key.startswith("PCONV_")
        )
        or "none",
    }


def _packages() -> dict[str, str]:
    found = {}
    for name, tested in TESTED.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        found[name] = f"{version}; tested: {tested}"
    return found


def _delegate() -> dict[str, str]:
    try:
        return {"delegate": pconv_tf.delegate_path()}
    except FileNotFoundError as error:
        return {"delegate": str(error)}


def _opencl() -> str:
    program = shutil.which("clinfo")
    if program is None:
        return "unknown: clinfo is not installed"
    listed = subprocess.run([program, "-l"], capture_output=True, text=True, check=False)
    lines = [line.strip(" `-+|") for line in listed.stdout.splitlines() if "Device" in line]
    return "; ".join(lines) or "none"


def _self_test() -> str:
    """A pruned layer through converter and delegate, against the runtime's own kernels."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from pconv_tf.conversion import convert
    from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel

    try:
        rng = np.random.default_rng(0)
        kernel = random_pruned_kernel((3, 3, 16, 16), taps=4, kept=0.3, filter_block=1, rng=rng)
        dense = conv_chain([kernel], 12)
        stock = Interpreter(model_content=dense)
        stock.allocate_tensors()
        details = stock.get_input_details()[0]
        x = rng.normal(size=details["shape"]).astype(np.float32)
        stock.set_tensor(details["index"], x)
        stock.invoke()
        expected = stock.get_tensor(stock.get_output_details()[0]["index"])
        found = pconv_tf.Interpreter(convert(dense, force=True, quiet=True))(x)
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
    except (ImportError, OSError, ValueError) as reason:
        return f"failed: {reason}"
    return f"passed, error {error:.0e}" if error < 1e-4 else f"failed: error {error:.0e}"
