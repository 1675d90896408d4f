"""Noticing what a model's next `fit` does, without being one of its callbacks."""

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
        if not listening or force:
            return original(force=force)
        stop()
        below = vars(model).get("make_train_function")
        act()
        # What acting leaves to listen hears of this `fit`, too.
        above = vars(model).get("make_train_function")
        return (original if above is below or above is None else above)(force=force)

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


def after_next_first_step(model: Any, act: Callable[[], None]) -> None:
    """Calls `act` once after the first train step of a later `fit` of `model`.

    A step that is made anew in the meantime, as it is when masks or penalties are attached, ends
    the listening: `act` is for steps that know nothing of those.

    Args:
        model: A Keras 3 or tf_keras model.
        act: What to do.
    """
    before, original = vars(model).get("make_train_function"), model.make_train_function
    listening = True

    def ask(force: bool = False) -> Any:
        nonlocal listening
        made = original(force=force)
        if force or not listening:
            return made
        listening = False
        if vars(model).get("make_train_function") is ask:
            if before is None:
                del vars(model)["make_train_function"]
            else:
                vars(model)["make_train_function"] = before
        # tf_keras gives the step back for `fit` to keep, Keras 3 has kept it.
        step = model.train_function if made is None else made

        def first(*args: Any, **kwargs: Any) -> Any:
            vars(model)["train_function"] = step
            result = step(*args, **kwargs)
            act()
            return result

        vars(model)["train_function"] = first
        return first

    vars(model)["make_train_function"] = ask
