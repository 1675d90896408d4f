"""Everything a pruning run needs to go on after an interruption, in one file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.config import PruningConfig
from pconv_tf.files import write_atomically

FILE_NAME = "pconv_checkpoint.npz"
_VERSION = 1

State = dict[str, npt.NDArray[Any]]


def fingerprint(config: PruningConfig) -> str:
    """A text that is equal for configurations that prune alike."""
    fields = config.to_dict()
    if config.schedule is not None and not isinstance(config.schedule, dict):
        has_settings = hasattr(config.schedule, "get_config")
        settings = config.schedule.get_config() if has_settings else {}
        fields["schedule"] = [type(config.schedule).__name__, settings]
    return json.dumps(fields, sort_keys=True, default=str)


def write(folder: Path, config: PruningConfig, counters: dict[str, int], state: State) -> None:
    """Replaces the folder's checkpoint; a reader sees the old one or the new one, never a part.

    Args:
        folder: Where the checkpoint lives; made if missing.
        config: What is being pruned, checked on reading.
        counters: Whole numbers that place the run in its schedule.
        state: Arrays by name.
    """
    header = {"version": _VERSION, "config": fingerprint(config), "counters": counters}
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array(json.dumps(header)), **state)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE_NAME, buffer.getvalue())


def read(folder: Path, config: PruningConfig) -> tuple[dict[str, int], State] | None:
    """The folder's checkpoint as (counters, state), or None if it has none.

    Raises:
        ValueError: The file is damaged, of another version, or belongs to another configuration.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {name: arrays[name] for name in arrays.files}
        header = json.loads(str(state.pop("header")))
        version, text, counters = header["version"], header["config"], header["counters"]
    except Exception as error:
        raise ValueError(f"{path}: not a readable pruning checkpoint: {error}") from error
    if version != _VERSION:
        raise ValueError(f"{path}: expected version {_VERSION}. Found: {version}")
    if text != fingerprint(config):
        found, wanted = json.loads(text), json.loads(fingerprint(config))
        fields = [name for name in wanted if found.get(name) != wanted[name]]
        raise ValueError(
            f"{path}: was written for another configuration (different: {', '.join(fields)}); "
            "use the same one, or another checkpoint_dir"
        )
    return counters, state
