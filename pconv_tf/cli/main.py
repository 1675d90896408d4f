"""Entry point of `pconv-tf`: finds the subcommand, imports only that one, reports errors.

A subcommand is a module of this package with `add_arguments(parser)` and `run(args) -> int`; its
docstring is the description that `pconv-tf COMMAND --help` shows.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import traceback
from collections.abc import Collection, Sequence
from types import ModuleType

import pconv_tf
from pconv_tf.cli import messages, quiet_start

PROGRAM = "pconv-tf"

# Exit codes scripts can trust; a defect of the program itself ends in a traceback and 1.
EXIT_OK = 0
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

COMMANDS = {
    "prune": "train a Keras model to pattern and connectivity sparsity",
    "convert": "write a pruned model as .tflite with FKW weights",
    "inspect": "show what a converted .tflite holds, or verify it",
    "benchmark": "time one .tflite file in LiteRT",
    "compare": "time a pruned network against its dense twin and other runtimes",
    "report": "write one self-contained HTML page about a pruned model",
    "breakeven": "measure from which sparsity a layer is faster than XNNPACK",
    "doctor": "show what was found: versions, delegate, processor, caches",
    "demo": "train, prune, convert and compare a small network on real data",
}

# Packages that not every command needs, and the extra that brings them.
EXTRAS = {
    "keras": "train",
    "matplotlib": "plot",
    "tensorflow": "train",
    "tensorflow_model_optimization": "tfmot",
    "tf_keras": "tfmot",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `pconv-tf` with `argv` (default: the process's arguments) and returns its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    # This process is ours: TensorFlow's start-up notices would drown the output.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    quiet_start.install()
    messages.set_up()
    # TensorFlow leaves its faster training kernels off on many processors; it reads this once.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    debug = "--debug" in argv
    flags: set[str] = set()
    try:
        chosen = next((word for word in argv if not word.startswith("-")), None)
        module = _load(chosen) if chosen in COMMANDS else None
        args = _parser(chosen, module).parse_args(argv)
        flags |= set(vars(args))
        assert module is not None  # argparse refuses everything that is not a command
        code = module.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED, debug)
    except BrokenPipeError:
        # The reader of the output went away. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        message = f"error: this needs {error.name}: pip install 'pconv-tf[{extra}]'"
        return _fail(message, EXIT_USER_ERROR, debug)
    except (ValueError, OSError) as error:
        return _fail(f"error: {with_flags(str(error), flags)}", EXIT_USER_ERROR, debug)


def with_flags(message: str, names: Collection[str]) -> str:
    """An error of the Python API in the words of the command line.

    Args:
        message: As the API has it, often "num_threads: received -1, ..."; what stands before the
            colon becomes --num_threads if it names nothing but flags.
        names: Of the command's flags, as argparse stores them.
    """
    fields, colon, rest = message.partition(":")
    words = re.findall(r"[^\s,]+", fields)
    if not colon or not set(words) - {"and", "or"} or not set(words) <= {*names, "and", "or"}:
        return message
    return re.sub(r"\b(?!(?:and|or)\b)(\w+)", r"--\1", fields) + colon + rest


def _load(command: str) -> ModuleType:
    return importlib.import_module(f"pconv_tf.cli.{command}")


def _parser(chosen: str | None, module: ModuleType | None) -> argparse.ArgumentParser:
    """The whole command line; only the chosen subcommand gets its arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Pattern and connectivity pruning for Keras, run fast in TFLite.\n\ncommands:\n"
        + "\n".join(f"  {name:<11}{line}" for name, line in COMMANDS.items()),
        epilog=f"Exit codes: {EXIT_OK} done, 1 a check failed, {EXIT_USER_ERROR} wrong input, "
        f"{EXIT_INTERRUPTED} interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {pconv_tf.__version__}")
    _add_debug(parser)
    subparsers = parser.add_subparsers(
        metavar="COMMAND",
        dest="command",
        required=True,
        help=f"{PROGRAM} COMMAND --help says more",
    )
    for name, line in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            description=module.__doc__ if module and name == chosen else line,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if module and name == chosen:
            module.add_arguments(subparser)
            _add_debug(subparser)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    """Accepted before and after the command; main() looks for it before anything is parsed."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
