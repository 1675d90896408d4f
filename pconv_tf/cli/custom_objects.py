"""Options for models with classes of the user's own, and with Python code inside."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --custom_objects and --allow_code."""
    parser.add_argument(
        "--custom_objects",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python file or module that defines layers of the model's own; may be repeated",
    )
    parser.add_argument(
        "--allow_code",
        action="store_true",
        help="run the Python code of Lambda layers; only for files that you trust",
    )


@contextlib.contextmanager
def known(args: argparse.Namespace) -> Iterator[None]:
    """Lets Keras find what --custom_objects defines, and do what --allow_code says.

    Raises:
        ValueError: a module cannot be imported.
    """
    if not args.custom_objects and not args.allow_code:
        yield
        return
    objects: dict[str, object] = {}
    for spec in args.custom_objects:
        module = _imported(spec)
        objects |= {
            name: value
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        }
    with contextlib.ExitStack() as stack:
        for keras in _families():
            stack.enter_context(keras.utils.custom_object_scope(objects))
            if args.allow_code and keras.__name__ == "keras":
                keras.config.enable_unsafe_deserialization()
            elif args.allow_code:
                keras.__internal__.enable_unsafe_deserialization()
        yield


def _families() -> list[Any]:
    """The Keras packages that are installed."""
    names = [name for name in ("keras", "tf_keras") if importlib.util.find_spec(name)]
    return [importlib.import_module(name) for name in names]


def _imported(spec: str) -> ModuleType:
    try:
        if not spec.endswith(".py"):
            return importlib.import_module(spec)
        path = Path(spec)
        if not path.is_file():
            raise ValueError(f"--custom_objects: {spec}: no such file")
        found = importlib.util.spec_from_file_location(path.stem, path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules.setdefault(path.stem, module)
        found.loader.exec_module(module)
        return module
    except ValueError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise ValueError(
            f"--custom_objects: {spec} cannot be imported: {type(error).__name__}: {error}"
        ) from error
