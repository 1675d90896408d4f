"""Keras models in files that are either complete or untouched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pconv_tf.files import replacing, scratch_folder


def save_whole(model: Any, path: Path) -> None:
    """Saves the model so that the file is either complete or untouched.

    Args:
        model: A Keras model.
        path: The file; its suffix tells Keras the format.

    Raises:
        OSError: The file cannot be written; the text names it.
    """
    with replacing(path) as file, scratch_folder(path.absolute().parent) as folder:
        model.save(folder / path.name)  # Keras writes to a name only
        with (folder / path.name).open("rb") as saved:
            shutil.copyfileobj(saved, file)
