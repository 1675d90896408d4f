"""Training data in an order that a resumed run can repeat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def epochs_of(
    x: Array,
    y: Array,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    *,
    samples: int | None = None,
) -> Any:
    """Shuffled batches, where the order of an epoch depends on nothing but the seed and the epoch.

    Keras shuffles arrays in an order that depends on how many epochs the process has seen, so a
    training that was stopped and started again would see other batches than one that was not.

    Args:
        x: Inputs [samples, ...].
        y: Labels [samples, ...].
        batch_size: Samples of a batch; the last one of an epoch may be smaller.
        seed: At least 0.
        first_epoch: The epoch that comes first.
        samples: How many of all samples an epoch draws, other ones each time; None means all.

    Returns:
        A tf.data.Dataset of (x, y) batches without an end: give `fit` its `steps_per_epoch`.
    """
    import tensorflow as tf

    def batches() -> Iterator[tuple[Array, Array]]:
        for epoch in itertools.count(first_epoch):
            order = _order(seed, epoch, len(x), samples)
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                yield x[chosen], y[chosen]

    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in (x, y))
    # There is nothing to tune, and whoever drops the data set may wait for the tuning thread's next
    # turn, up to a minute.
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_generator(batches, output_signature=signature).with_options(options)


def drawn_in(epochs: int, length: int, seed: int, samples: int | None) -> npt.NDArray[np.intp]:
    """The samples, of `length`, that `epochs_of` draws in its first epochs, in ascending order."""
    orders = [_order(seed, epoch, length, samples) for epoch in range(epochs)]
    return np.unique(np.concatenate(orders))


def _order(seed: int, epoch: int, length: int, samples: int | None) -> npt.NDArray[np.intp]:
    order: npt.NDArray[np.intp] = np.random.default_rng((seed, epoch)).permutation(length)
    return order[:samples]
