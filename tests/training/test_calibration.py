"""Which samples a calibration takes."""

import numpy as np
import pytest

from pconv_tf.training.calibration import Calibration


def test_samples_are_taken_from_all_over_the_arrays():
    x = np.arange(1000.0)
    batches = list(Calibration(x, samples=10, batch_size=4).batches())
    assert [len(batch) for batch in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(batches), np.arange(0, 1000, 100))


def test_several_inputs_go_together():
    inputs = {"image": np.zeros((6, 2)), "length": np.arange(6)}
    batches = list(Calibration(inputs, batch_size=4).batches())
    assert [len(batch["length"]) for batch in batches] == [4, 2]
    (pair,) = Calibration([np.zeros(3), np.ones(3)]).batches()
    assert [len(array) for array in pair] == [3, 3]


def test_a_data_set_gives_its_first_batches_without_labels():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((np.arange(100.0), np.zeros(100))).batch(8)
    calibration = Calibration(data, samples=20)
    for _ in range(2):  # As often as one likes.
        batches = [np.asarray(batch) for batch in calibration.batches()]
        assert [len(batch) for batch in batches] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate(batches), np.arange(20))


@pytest.mark.parametrize("inputs", [7, None, iter([np.zeros((2, 2))])])
def test_other_objects_are_refused(inputs):
    with pytest.raises(ValueError, match="inputs: expected arrays or a data set"):
        Calibration(inputs)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"Received lengths: \[2, 3\]"):
        Calibration([np.zeros(2), np.zeros(3)])
