"""Everything a pruning run needs to go on after an interruption, in one file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.config import PruningConfig
from pconv_tf.files import replacing

FILE_NAME = "pconv_checkpoint.npz"
_VERSION = 2

State = dict[str, npt.NDArray[Any]]
StateItems = Iterable[tuple[str, npt.NDArray[Any]]]


def fingerprint(config: PruningConfig) -> str:
    """A text that is equal for configurations that prune alike."""
    fields = config.to_dict()
    if config.schedule is not None and not isinstance(config.schedule, dict):
        has_settings = hasattr(config.schedule, "get_config")
        settings = config.schedule.get_config() if has_settings else {}
        fields["schedule"] = [type(config.schedule).__name__, settings]
    return json.dumps(fields, sort_keys=True, default=str)


def write(folder: Path, config: PruningConfig, counters: dict[str, int], state: StateItems) -> None:
    """Replaces the folder's checkpoint; a reader sees the old one or the new one, never a part.

    Args:
        folder: Where the checkpoint lives; made if missing.
        config: What is being pruned, checked on reading.
        counters: Whole numbers that place the run in its schedule.
        state: Names and arrays; only one array is held at a time.
    """
    header = {"version": _VERSION, "config": fingerprint(config), "counters": counters}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FILE_NAME) as file, zipfile.ZipFile(file, "w") as archive:
        _add(archive, "header", np.array(json.dumps(header)))
        for name, array in state:
            _add(archive, name, array)


def _add(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    """Adds one array to what becomes an .npz file."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def read(folder: Path, config: PruningConfig) -> tuple[dict[str, int], State] | None:
    """The folder's checkpoint as (counters, state), or None if it has none.

    Raises:
        ValueError: The file is damaged, of another version, or belongs to another configuration.
    """
    path = folder / FILE_NAME
    return _load(path, config) if path.is_file() else None


def next_epoch(folder: Path, config: PruningConfig) -> int:
    """The epoch at which training goes on from the folder's checkpoint, 0 if it has none.

    Raises:
        ValueError: As `read`.
    """
    path = folder / FILE_NAME
    return _load(path, config, with_state=False)[0]["next_epoch"] if path.is_file() else 0


def _load(
    path: Path, config: PruningConfig, *, with_state: bool = True
) -> tuple[dict[str, int], State]:
    """The counters and, if wanted, the arrays of the state."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            names = [name for name in arrays.files if name != "header"]
            state = {name: arrays[name] for name in names} if with_state else {}
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
