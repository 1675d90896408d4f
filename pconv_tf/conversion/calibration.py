"""Samples that show TensorFlow's quantiser the range of every tensor of activations."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

IO_TYPES = ("float32", "int8", "uint8")
Sample = Sequence[np.ndarray] | Mapping[str, np.ndarray]
RepresentativeDataset = Callable[[], Iterable[Sample]]


class CalibrationError(ValueError):
    """The samples do not fit the model."""


@dataclass(frozen=True)
class Calibration:
    """A data set for full-integer post-training quantisation.

    Attributes:
        dataset: yields samples, each the arrays of all inputs, batch dimension included: a list in
            the order of the inputs, or a mapping from their names.
        io_type: type of the file's inputs and outputs, one of `IO_TYPES`.
    """

    dataset: RepresentativeDataset
    io_type: str = "float32"

    def samples(self) -> Iterator[Any]:
        """The samples as TensorFlow's converter takes them.

        Raises:
            CalibrationError: there are none.
        """
        empty = True
        for sample in self.dataset():
            empty = False
            yield sample
        if empty:
            raise CalibrationError("representative_dataset: yields no samples")

    def by_name(
        self, shapes: Mapping[str, tuple[int | None, ...]], names: Mapping[str, str]
    ) -> Calibration:
        """The same samples, checked and as mappings: TensorFlow sorts a model's inputs by name.

        Args:
            shapes: the shape of each input by its name, in the model's order; None is any size.
            names: what the converted model calls each input.
        """

        def samples() -> Iterator[Sample]:
            for number, sample in enumerate(self.dataset()):
                arrays = _arrays(sample, shapes, number)
                yield {names[key]: array for key, array in arrays.items()}

        return Calibration(samples, self.io_type)


def samples_of_npz(path: Path) -> RepresentativeDataset:
    """The samples of an .npz file: an array [samples, ...] for each input, by its name.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if it is no .npz file of arrays of one length.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: no .npz file of plain arrays ({error})") from None
    lengths = {key: len(array) if array.ndim else 0 for key, array in arrays.items()}
    if len(set(lengths.values())) != 1 or not min(lengths.values()):
        raise ValueError(
            f"{path}: expected arrays [samples, ...] of one length above 0, found {lengths}"
        )

    def samples() -> Iterator[Sample]:
        for number in range(next(iter(lengths.values()))):
            one = {key: array[number : number + 1] for key, array in arrays.items()}
            yield list(one.values()) if len(one) == 1 else one

    return samples


def _arrays(
    sample: Sample, shapes: Mapping[str, tuple[int | None, ...]], number: int
) -> dict[str, np.ndarray]:
    where = f"representative_dataset: sample {number}"
    if isinstance(sample, Mapping):
        if set(sample) != set(shapes):
            raise CalibrationError(
                f"{where} is for {sorted(sample)}, the inputs are {list(shapes)}"
            )
        given = {key: sample[key] for key in shapes}
    else:
        listed = [sample] if isinstance(sample, np.ndarray) else list(sample)
        if len(listed) != len(shapes):
            raise CalibrationError(f"{where} has {len(listed)} arrays, expected {len(shapes)}")
        given = dict(zip(shapes, listed, strict=True))
    arrays = {key: np.asarray(value) for key, value in given.items()}
    for key, array in arrays.items():
        expected = shapes[key]
        fits = array.ndim == len(expected) and all(
            size in (None, own) for size, own in zip(expected, array.shape, strict=True)
        )
        if not fits:
            shown = "x".join("?" if size is None else str(size) for size in expected)
            raise CalibrationError(
                f"{where}: input {key} has shape {list(array.shape)}, expected {shown}"
            )
        if array.dtype.kind == "f":
            arrays[key] = array.astype(np.float32)
            if not np.isfinite(arrays[key]).all():
                raise CalibrationError(f"{where}: input {key} has values that are not finite")
    return arrays
