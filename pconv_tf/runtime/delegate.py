"""Finding and loading the delegate."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pconv_tf.runtime.session import RUNTIMES, check_loadable

LIBRARY = "libpconv_delegate.so"
_PACKAGE = Path(__file__).resolve().parents[1]


def delegate_path() -> str:
    """Absolute path of the delegate library.

    The first of: the environment variable PCONV_DELEGATE, the installed package, this checkout's
    bazel-bin.

    Raises:
        FileNotFoundError: The library is nowhere, or PCONV_DELEGATE names no file.
    """
    override = os.environ.get("PCONV_DELEGATE")
    if override:
        if not Path(override).is_file():
            raise FileNotFoundError(f"PCONV_DELEGATE is {override!r}: no such file")
        return str(Path(override).resolve())
    candidates = (
        _PACKAGE / "_lib" / LIBRARY,
        _PACKAGE.parent / "bazel-bin" / "delegate" / LIBRARY,
    )
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate.resolve())
    raise FileNotFoundError(
        f"{LIBRARY} is not built. Looked at {', '.join(map(str, candidates))}. Build it in a "
        f"checkout with 'make setup' or 'bazel build //delegate:{LIBRARY}', or set PCONV_DELEGATE "
        "to its path"
    )


def runtime_module(runtime: str) -> Any:
    """The module of a TFLite runtime, with its Interpreter and load_delegate.

    Args:
        runtime: "litert" (ai_edge_litert) or "tf" (tf.lite).

    Raises:
        ValueError: Another name.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime: expected one of {', '.join(RUNTIMES)}. Received: {runtime!r}")
    _, module = RUNTIMES[runtime]
    return importlib.import_module(module)


def load_delegate(options: Mapping[str, Any] | None = None, *, runtime: str = "litert") -> Any:
    """Loads the delegate for `experimental_delegates` of an interpreter of the same runtime.

    Args:
        options: The delegate's options (docs/delegate.md), e.g. {"num_threads": 2}.
        runtime: "litert" (ai_edge_litert) or "tf" (tf.lite).

    Returns:
        The runtime's delegate object.

    Raises:
        FileNotFoundError: The library is not built.
        ValueError: An option or its value is unknown, and the message lists what is accepted; or
            the library is damaged.
    """
    module = runtime_module(runtime)
    path = delegate_path()
    check_loadable(path)
    try:
        return module.load_delegate(path, dict(options or {}))
    except ValueError as error:
        # The runtime puts a line of its own before the delegate's message.
        _, _, reason = str(error).partition("\n")
        raise ValueError(f"PConv delegate: {reason or error}") from None
