"""Prunes a small Keras model while it trains, converts it, and runs it in both runtimes."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from trainable_models import compiled, small_cnn, small_data

import pconv_tf


def main() -> None:
    keras.utils.set_random_seed(7)
    images, labels = small_data(np.random.default_rng(0))
    model = compiled(keras, small_cnn(keras, filters=16))
    config = pconv_tf.PruningConfig(
        connectivity_rate=2.0, rho=(0.1,), epochs_per_stage=2, retrain_epochs=1
    )
    model.fit(
        images,
        labels,
        epochs=config.total_epochs,
        batch_size=16,
        verbose=0,
        callbacks=[pconv_tf.PConvCallback(config)],
    )
    kernel = np.asarray(model.get_layer("second").kernel)
    if np.count_nonzero(kernel) > 0.5 * kernel.size:
        sys.exit("PConvCallback: the second convolution was not pruned")
    print("PConvCallback: passed")
    converted = pconv_tf.convert(model, force=True, quiet=True)
    right = np.asarray(model(images))
    for runtime in ("litert", "tf"):
        found = pconv_tf.Interpreter(converted, runtime=runtime)(images)
        error = np.abs(found - right).max() / np.abs(right).max()
        if not error < 1e-4:
            sys.exit(f"{runtime}: the output differs by {error:.0e}")
        print(f"{runtime}: passed")


if __name__ == "__main__":
    main()
