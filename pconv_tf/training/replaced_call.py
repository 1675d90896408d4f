"""Another `call` on one layer, for some time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_call(layer: Any, call: Callable[..., Any]) -> Callable[[], None]:
    """Makes `call` what the layer computes, on this one object; returns what undoes it.

    It is put past the layer's own `__setattr__`, which would track what it is given. Whatever a
    model of the user put there is brought back.
    """
    before = vars(layer).get("call")
    vars(layer)["call"] = call

    def undo() -> None:
        if before is None:
            vars(layer).pop("call", None)
        else:
            vars(layer)["call"] = before

    return undo
