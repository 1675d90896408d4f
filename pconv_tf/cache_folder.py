"""Where files live that can be made again: networks by name, environments of peers."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """A folder below PCONV_CACHE_DIR, else below the user's cache folder; made if missing."""
    chosen = os.environ.get("PCONV_CACHE_DIR")
    root = Path(chosen or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "pconv_tf")
    folder = root.expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
