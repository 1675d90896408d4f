"""Every `pconv-tf` command in README.md and docs/ is one that the program accepts, and runs.

In running text it may leave something out, so that only its flags are checked. Commands of blocks
run on small files of the names that the pages use, but for those of `TOO_LONG`.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pconv_tf
from pconv_tf.cli import main as cli
from pconv_tf.comparing.networks import network
from pconv_tf.comparing.subjects import check_subject

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TOO_LONG = {
    "breakeven": "times layers for an hour",
    "--network=": "makes a large network and times it for minutes",
    "--setup_peers": "downloads other libraries",
    "--data=cifar10": "downloads CIFAR-10 and trains for hours",
}


def _blocks(text):
    """Whole commands: lines of shell blocks, continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("~/pconv/bin/")  # docs/raspberry_pi.md
            if line.startswith("pconv-tf "):
                yield line


def _mentions(text):
    """Commands in running text, which may leave out what is required."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.findall(r"`(pconv-tf [a-z][^`]*)`", prose)


def _cases(find):
    found = [(page, line) for page in PAGES for line in find(page.read_text())]
    return [pytest.param(line, id=f"{page.name}: {line}") for page, line in found]


def _parse(line, *, complete):
    words = shlex.split(re.sub(r" [|>] .*", "", line), comments=True)[1:]
    # A capital letter stands for a name or a number.
    words = [re.sub(r"=[A-Z]$", "=1", word) for word in words]
    module = cli._load(words[0])
    parser = cli._parser(words[0], module)
    if not complete:
        commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        for action in commands.choices[words[0]]._actions:
            action.required = False
            if not action.option_strings:
                action.nargs = "?"
    return parser.parse_args(words)


@pytest.mark.parametrize("line", _cases(_blocks))
def test_a_command_of_a_block_is_complete(line):
    args = _parse(line, complete=True)
    if args.command in ("compare", "report") and not getattr(args, "setup_peers", None):
        check_subject(args.network, args.graph, args.baseline)
        if args.network is not None:
            network(args.network)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files that the pages name: small networks of the same kinds."""
    import keras

    folder = tmp_path_factory.mktemp("documented")
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((224, 224, 3), name="image"),
            layers.Conv2D(32, 3, strides=8, padding="same", activation="relu", name="first"),
            layers.Conv2D(64, 3, padding="same", activation="relu", name="block1_conv1"),
            layers.Conv2D(64, 3, padding="same", activation="relu", name="block1_conv2"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    pconv_tf.convert_dense(model, output=folder / "dense.tflite")
    pconv_tf.prune_one_shot(model, pconv_tf.PruningConfig())
    model.save(folder / "model.keras")
    pconv_tf.convert(model, output=folder / "model_pconv.tflite", quiet=True)
    for name in ("model_dense.tflite", "twin.tflite"):
        pconv_tf.convert_dense(model, output=folder / name)
    np.savez(folder / "images.npz", image=rng.normal(size=(4, 224, 224, 3)).astype(np.float32))
    net = keras.Sequential([keras.Input((8, 8, 16))])
    for _ in range(2):
        net.add(layers.Conv2D(64, 3, padding="same", activation="relu"))
    net.add(layers.GlobalAveragePooling2D())
    net.add(layers.Dense(4, activation="softmax"))
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.save(folder / "net.keras")
    x, y = rng.normal(size=(64, 8, 8, 16)).astype(np.float32), rng.integers(0, 4, 64)
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (folder / "recipe.yaml").write_text("rho: [0.1]\nepochs_per_stage: 1\nretrain_epochs: 1\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [case for case in _cases(_blocks) if not any(w in case.values[0] for w in TOO_LONG)]
)
def test_a_command_of_a_block_runs(line, files, delegate):
    command = line.replace("pconv-tf", f"{shlex.quote(sys.executable)} -m pconv_tf", 1)
    run = subprocess.run(
        ["sh", "-c", command],
        cwd=files,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PCONV_DELEGATE": delegate},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.parametrize("line", _cases(_mentions))
def test_a_command_in_running_text_has_the_flags(line):
    _parse(line, complete=False)


def test_the_pages_are_searched():
    """So that the tests above are not empty."""
    assert sum(len(list(_blocks(page.read_text()))) for page in PAGES) >= 10
    assert sum(len(_mentions(page.read_text())) for page in PAGES) >= 30


def test_what_takes_too_long_is_documented():
    lines = [line for page in PAGES for line in _blocks(page.read_text())]
    for words in TOO_LONG:
        assert any(words in line for line in lines), words
