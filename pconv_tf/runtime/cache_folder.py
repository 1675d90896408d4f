"""Where files live that can be made again: networks by name, environments of peers."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """A folder below PCONV_CACHE_DIR, else below the user's cache folder; made if missing."""
    root = os.environ.get("PCONV_CACHE_DIR")
    if not root:
        root = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "pconv_tf")  # noqa: PTH118
    folder = Path(root).expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
