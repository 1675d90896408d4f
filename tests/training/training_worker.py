"""Trains one small model in one process and writes masks and weights; run by test_scale.py.

Usage: training_worker.py FRAMEWORK DEVICES OUTPUT [CHECKPOINT_DIR [KILL_IN_EPOCH]]

FRAMEWORK is keras or tf_keras; DEVICES is one, mirrored (two logical CPUs), workers (this process
is one of those in TF_CONFIG) or jax_parallel (two virtual devices). The initial weights and the
data of every step are the same in all of them, so the results must be, too.
"""

import importlib
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
framework, devices, output = sys.argv[1:4]
checkpoint_dir = sys.argv[4] if len(sys.argv) > 4 else None
kill_in_epoch = int(sys.argv[5]) if len(sys.argv) > 5 else None
if devices == "jax_parallel":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import contextlib  # noqa: E402

import numpy as np  # noqa: E402
from zeros_watch import zeros_watch  # noqa: E402

import pconv_tf  # noqa: E402

BATCH, SAMPLES, EPOCHS = 16, 96, 5
CONFIG = {
    "pattern_set": "natural4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "warmup_epochs": 1,
    "rho": [0.05, 0.5],
    "epochs_per_stage": 1,
    "retrain_epochs": 2,
}


def make_data():
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 4, SAMPLES)
    images = rng.normal(size=(SAMPLES, 8, 8, 3)).astype(np.float32)
    images[np.arange(SAMPLES), labels, labels] += 4
    return images, labels


def make_strategy():
    if devices not in ("mirrored", "workers"):
        return None
    import tensorflow as tf

    if devices == "workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, logical)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def make_dataset(images, labels):
    """For several workers, each one's half of every batch, in order."""
    if devices != "workers":
        return {"x": images, "y": labels, "batch_size": BATCH}
    import tensorflow as tf

    worker = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    half = BATCH // 2
    own = np.arange(SAMPLES).reshape(-1, 2, half)[:, worker].ravel()
    # Keras cuts a batch in two, since it takes it for the global one.
    data = tf.data.Dataset.from_tensor_slices((images[own], labels[own])).batch(BATCH)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return {"x": data.repeat().with_options(options), "steps_per_epoch": SAMPLES // BATCH}


def make_model(keras):
    rng = np.random.default_rng(5)
    layers = keras.layers
    # No batch normalisation: its statistics are each replica's own.
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, activation="relu", name="first"),
            layers.Conv2D(16, 3, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, name="classes"),
        ]
    )
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
            layer.set_weights([rng.normal(scale=scale, size=kernel.shape), bias])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    return model


strategy = make_strategy()
keras = importlib.import_module(framework)
if devices == "jax_parallel":
    import jax

    assert len(jax.devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel())
with strategy.scope() if strategy else contextlib.nullcontext():
    model = make_model(keras)


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if callback._epochs_done == kill_in_epoch and batch == 2:
            os._exit(9)


callback = pconv_tf.PConvCallback(CONFIG, checkpoint_dir=checkpoint_dir)
watch = zeros_watch(keras, callback)
callbacks = [callback, watch] if kill_in_epoch is None else [callback, watch, Kill()]
history = model.fit(
    **make_dataset(*make_data()), epochs=EPOCHS, shuffle=False, callbacks=callbacks, verbose=0
)
assert watch.checks
result = {f"mask_{name}": mask for name, mask in callback.masks.items()}
result |= {f"weight_{layer.name}": layer.kernel.read() for layer in callback.plan.layers}
result["primal"] = np.array(history.history.get("pconv_primal", []))
if devices == "mirrored":
    for layer in callback.plan.layers:
        variable = layer.kernel.variable
        replicas = getattr(variable, "value", variable)
        replicas = getattr(replicas, "values", getattr(variable, "values", None))
        first, second = (np.asarray(replica) for replica in replicas)
        np.testing.assert_array_equal(first, second)
np.savez(output, **result)
