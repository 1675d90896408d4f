"""Fashion-MNIST: from Debian's package dataset-fashion-mnist, else downloaded by Keras."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
IMAGE_SHAPE = (28, 28, 1)
NUM_CLASSES = 10


@dataclass(frozen=True)
class Split:
    """Images [N, 28, 28, 1] float32 in 0..1 and labels [N] uint8."""

    images: np.ndarray
    labels: np.ndarray


def load(folder: Path = DEBIAN_FOLDER) -> tuple[Split, Split]:
    """Returns the training and the test split (60,000 and 10,000 images).

    Raises:
        ValueError: A file of `folder` is not what its name says.
        OSError: There is no such folder, and the download failed.
    """
    if folder.is_dir():
        return _split(folder, "train"), _split(folder, "t10k")
    import keras

    try:
        train, test = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises whatever its downloader raises
        raise OSError(
            f"Fashion-MNIST is not in {folder} and could not be downloaded ({error}); "
            "on Debian or Ubuntu: apt-get install dataset-fashion-mnist"
        ) from error
    return _as_split(*train), _as_split(*test)


def _split(folder: Path, prefix: str) -> Split:
    images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", dimensions=3)
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", dimensions=1)
    return _as_split(images, labels)


def _as_split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(images[..., np.newaxis].astype(np.float32) / 255, labels.astype(np.uint8))


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads an IDX file of bytes: magic 0, 0, 8, rank; big-endian sizes; data."""
    with gzip.open(path) as file:
        data = file.read()
    header = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]) or len(data) < header:
        raise ValueError(
            f"{path}: expected an IDX file of unsigned bytes with {dimensions} dimensions, "
            f"found magic bytes {data[:4].hex(' ')}"
        )
    shape = tuple(int(n) for n in np.frombuffer(data, ">i4", dimensions, offset=4))
    if len(data) - header != np.prod(shape):
        raise ValueError(
            f"{path}: expected {np.prod(shape)} bytes of data for shape {shape}, "
            f"found {len(data) - header}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
