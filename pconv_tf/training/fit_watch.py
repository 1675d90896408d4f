"""Noticing that a model begins a new `fit`, without being one of its callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def on_next_fit(model: Any, act: Callable[[], None]) -> Callable[[], None]:
    """Calls `act` once when a later `fit` of `model` begins, before it makes its train step.

    A `fit` that Ctrl-C or an exception breaks off calls no callback's `on_train_end`, so whatever
    was attached for its time can only go when the model is used again. Every `fit` begins by asking
    the model for its train step, as `train_on_batch` does; that question is listened to on this one
    object.

    Args:
        model: A Keras 3 or tf_keras model inside whose `fit` this is called.
        act: What to do; the listening has ended by then.

    Returns:
        A function that ends the listening.
    """
    before, original = vars(model).get("make_train_function"), model.make_train_function
    listening = True

    def ask(force: bool = False) -> Any:
        # Within a `fit` only a step that is made anew is asked for.
        if listening and not force:
            stop()
            act()
        return original(force=force)

    def stop() -> None:
        nonlocal listening
        listening = False
        # Another listener that came later brings this one back when it ends; deaf, it is harmless.
        if vars(model).get("make_train_function") is not ask:
            return
        if before is None:
            del vars(model)["make_train_function"]
        else:
            vars(model)["make_train_function"] = before

    # Past the model's own __setattr__, which would track what it is given.
    vars(model)["make_train_function"] = ask
    return stop
