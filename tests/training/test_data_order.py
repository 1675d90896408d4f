"""Batches whose order depends on the seed and the epoch alone."""

import numpy as np
import pytest

from pconv_tf.training.data_order import drawn_in, epochs_of

SAMPLES, BATCH = 50, 8


def labels_of(epochs, seed=3, first_epoch=0, samples=None):
    """The labels of each epoch, which name the samples."""
    x = np.arange(2 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 2)
    y = np.arange(SAMPLES, dtype=np.int32)
    batches = -(-(samples or SAMPLES) // BATCH)
    dataset = epochs_of(x, y, BATCH, seed, first_epoch, samples=samples)
    found = list(dataset.take(epochs * batches).as_numpy_iterator())
    for images, labels in found:
        np.testing.assert_array_equal(images, x[labels])
    labels = [labels for _, labels in found]
    return [np.concatenate(labels[i : i + batches]) for i in range(0, len(labels), batches)]


def test_every_epoch_holds_all_samples_in_another_order():
    first, second = labels_of(2)
    assert sorted(first) == sorted(second) == list(range(SAMPLES))
    assert list(first) != list(second)


def test_a_later_start_goes_on_with_the_same_batches():
    whole = labels_of(3)
    np.testing.assert_array_equal(labels_of(2, first_epoch=1), whole[1:])
    assert list(labels_of(1, seed=4)[0]) != list(whole[0])


@pytest.mark.parametrize("samples", [20, None])
def test_what_is_drawn_is_known_beforehand(samples):
    epochs = labels_of(2, samples=samples)
    np.testing.assert_array_equal(
        drawn_in(2, SAMPLES, 3, samples), np.unique(np.concatenate(epochs))
    )


def test_nobody_waits_for_a_tuning_thread():
    dataset = epochs_of(np.zeros((4, 1), np.float32), np.zeros(4, np.int32), 2, 0)
    assert dataset.options().autotune.enabled is False
