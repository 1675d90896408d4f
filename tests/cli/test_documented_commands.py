"""Every `pconv-tf` command in README.md and docs/ is one that the program accepts."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from pconv_tf.cli import main as cli
from pconv_tf.comparing.networks import network
from pconv_tf.comparing.subjects import check_subject

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(text):
    """Whole commands: lines of shell blocks, continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("pconv-tf "):
                yield line.strip()


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


@pytest.mark.parametrize("line", _cases(_mentions))
def test_a_command_in_running_text_has_the_flags(line):
    _parse(line, complete=False)


def test_the_pages_are_searched():
    """So that the tests above are not empty."""
    assert sum(len(list(_blocks(page.read_text()))) for page in PAGES) >= 10
    assert sum(len(_mentions(page.read_text())) for page in PAGES) >= 30
