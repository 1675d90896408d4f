"""What the demo's pruned network is trained on."""

import numpy as np
import pytest

from pconv_tf.demo.fashion_mnist import NUM_CLASSES
from pconv_tf.demo.training import soft_labels


def test_soft_labels_are_half_label_and_half_the_teacher_s_probabilities(rng):
    labels = rng.integers(0, NUM_CLASSES, 20, dtype=np.uint8)
    logits = rng.normal(size=(20, NUM_CLASSES)).astype(np.float32) * 50
    mixed = soft_labels(logits, labels)
    exact = np.exp(logits.astype(np.float64))
    exact /= exact.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mixed, (np.eye(NUM_CLASSES)[labels] + exact) / 2, atol=1e-6)
    assert mixed.sum(axis=1) == pytest.approx(1)
