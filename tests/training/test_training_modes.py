"""Every way of training that Keras offers ends with the same guarantees."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data
from zeros_watch import assert_zeros_hold, zeros_watch

import pconv_tf
from pconv_tf.training import KeepZeros

SHORT = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "rho": [0.1],
    "epochs_per_stage": 2,
    "retrain_epochs": 1,
}


def assert_pruned(callback):
    assert callback.phase == "retrain"
    assert_zeros_hold(callback)
    for layer in callback.plan.layers:
        assert layer.kernel.read()[callback.masks[layer.name]].all()


def fit_and_watch(keras, model, data, config):
    """Trains with the zeros checked after every batch of retraining."""
    callback = pconv_tf.PConvCallback(config)
    watch = zeros_watch(keras, callback)
    model.fit(*data, epochs=4, batch_size=16, callbacks=[callback, watch], verbose=0)
    assert watch.checks >= 4
    assert_pruned(callback)
    return callback


def run_alone(code):
    """Runs code in a process of its own, since importing tfmot changes what `tf.keras` means."""
    environment = dict(os.environ)
    environment.pop("TF_USE_LEGACY_KERAS", None)
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "options",
    [
        {"steps_per_execution": 3},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param({"run_eagerly": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_compile_options(any_keras, rng, options):
    model = compiled(any_keras, small_cnn(any_keras), **options)
    fit_and_watch(any_keras, model, small_data(rng, samples=80), SHORT)


@pytest.mark.parametrize("per_execution", [pytest.param(1, marks=pytest.mark.slow), 2, 5])
def test_step_updates_count_training_steps(any_keras, rng, per_execution):
    """Five steps an epoch and an update every four, however many steps an execution has."""
    model = compiled(any_keras, small_cnn(any_keras), steps_per_execution=per_execution)
    callback = pconv_tf.PConvCallback(SHORT | {"update_every": "4 steps", "epochs_per_stage": 4})
    steps = []

    class Spy(any_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(callback._last_update_step)

    data = small_data(rng, samples=80)
    model.fit(*data, epochs=5, batch_size=16, callbacks=[callback, Spy()], verbose=0)
    expected = {1: [4, 8, 12, 16, 20], 2: [4, 9, 14, 19], 5: [5, 10, 15, 20]}[per_execution]
    assert sorted(set(steps) - {0}) == expected
    assert_pruned(callback)


@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"]
)
def test_mixed_precision(any_keras, rng, policy):
    mixed = any_keras.mixed_precision
    mixed.set_global_policy(policy)
    try:
        fit_and_watch(any_keras, compiled(any_keras, small_cnn(any_keras)), small_data(rng), SHORT)
    finally:
        mixed.set_global_policy("float32")


def test_subclassed_model_with_nested_parts(any_keras, rng):
    layers = any_keras.layers

    class Net(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.stem = layers.Conv2D(8, 3, padding="same")
            self.body = any_keras.Sequential([layers.Conv2D(8, 3), layers.Conv2D(8, 3)])
            self.head = [layers.GlobalAveragePooling2D(), layers.Dense(4)]

        def call(self, x):
            return self.head[1](self.head[0](self.body(self.stem(x))))

    model = compiled(any_keras, Net())
    model(np.zeros((1, 8, 8, 3), np.float32))
    callback = fit_and_watch(any_keras, model, small_data(rng), SHORT)
    assert len(callback.masks) == 3


@pytest.mark.slow
def test_custom_training_loop(any_keras, rng):
    import tensorflow as tf

    model = small_cnn(any_keras)
    optimizer = any_keras.optimizers.Adam(1e-2)
    loss_of = any_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = tf.data.Dataset.from_tensor_slices(small_data(rng)).batch(16)
    callback = pconv_tf.PConvCallback(SHORT | {"update_every": "3 steps"})

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True)) + callback.penalty()
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    callback.set_model(model)
    callback.on_train_begin()
    losses = []
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        for batch, (x, y) in enumerate(data):
            losses.append(float(step(x, y)))
            if callback.phase == "retrain":
                assert_zeros_hold(callback)
            callback.on_train_batch_end(batch)
        logs = {}
        callback.on_epoch_end(epoch, logs)
        assert "pconv_primal" in logs
    callback.on_train_end()
    assert_pruned(callback)
    assert callback._last_update_step == 6
    assert losses[-1] < losses[4]  # The penalty is gone once the weights are pruned.


def test_custom_updates_with_masks_applied_by_hand(keras3, rng):
    import tensorflow as tf

    model = small_cnn(keras3)
    loss_of = keras3.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = small_data(rng, samples=16)
    callback = pconv_tf.PConvCallback(SHORT)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True)) + sum(model.losses)
        variables = [variable.value for variable in model.trainable_variables]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.01 * gradient)
        callback.apply_masks()
        if callback.phase == "retrain":
            assert_zeros_hold(callback)
        callback.on_train_batch_end(0)
        callback.on_epoch_end(epoch)
    callback.on_train_end()
    assert_pruned(callback)


@pytest.mark.slow
def test_averaged_weights_are_masked_too(keras3, rng):
    """An optimizer that keeps a moving average writes it back when training ends."""
    model = small_cnn(keras3)
    optimizer = keras3.optimizers.Adam(1e-2, use_ema=True)
    model.compile(optimizer, keras3.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = pconv_tf.PConvCallback(SHORT)
    model.fit(*small_data(rng), epochs=4, batch_size=16, callbacks=[callback], verbose=0)
    assert_pruned(callback)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "suffix"),
    [(name, suffix) for name in ("keras", "tf_keras") for suffix in (".keras", ".h5")]
    + [("tf_keras", "")],  # A SavedModel, which is a folder.
)
def test_saving_and_loading_in_every_phase(framework, suffix, rng, tmp_path):
    any_keras = pytest.importorskip(framework)
    any_keras.utils.set_random_seed(7)
    model = compiled(any_keras, small_cnn(any_keras))
    callback = pconv_tf.PConvCallback(SHORT | {"warmup_epochs": 2})
    saved = {}

    class Save(any_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            path = tmp_path / f"{epoch}{suffix}"
            self.model.save(path)
            loaded = any_keras.models.load_model(path)
            for one, other in zip(self.model.weights, loaded.weights, strict=True):
                np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
            saved[logs["pconv_phase"]] = loaded

    data = small_data(rng)
    model.fit(*data, epochs=5, batch_size=16, callbacks=[callback, Save()], verbose=0)
    assert set(saved) == {0.0, 1.0, 2.0}
    sparse = pconv_tf.sparsity_report(saved[2.0])
    assert sparse.conv_compression > 2  # What a checkpoint holds is really sparse.
    # Compiled anew, since Keras 3 cannot use the optimizer that it reads from an .h5 file.
    compiled(any_keras, saved[1.0]).fit(*data, epochs=1, verbose=0)


def test_weight_checkpoints_and_csv_logs(keras3, rng, tmp_path):
    model = compiled(keras3, small_cnn(keras3))
    callback = pconv_tf.PConvCallback(SHORT)
    log, weights = tmp_path / "log.csv", tmp_path / "model.weights.h5"
    others = [
        keras3.callbacks.CSVLogger(log),
        keras3.callbacks.ModelCheckpoint(weights, save_weights_only=True),
    ]
    model.fit(*small_data(rng), epochs=3, callbacks=[callback, *others], verbose=0)
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["pconv_phase"]) for row in rows] == [1, 2, 2]
    fresh = small_cnn(keras3)
    fresh.load_weights(weights)
    np.testing.assert_array_equal(
        fresh.get_layer("second").kernel.numpy() != 0, callback.masks["second"]
    )


def test_tensorboard_shows_the_values(keras3, rng, tmp_path):
    pytest.importorskip("tensorboard")
    model = compiled(keras3, small_cnn(keras3))
    callbacks = [
        pconv_tf.PConvCallback(SHORT, log_layers=True),
        keras3.callbacks.TensorBoard(tmp_path),
    ]
    model.fit(*small_data(rng), epochs=3, callbacks=callbacks, verbose=0)
    events = b"".join(path.read_bytes() for path in tmp_path.rglob("*tfevents*"))
    assert b"epoch_pconv_primal" in events and b"epoch_pconv/second/sparsity" in events


def test_keep_zeros_in_later_training(any_keras, rng):
    model = pconv_tf.prune_one_shot(compiled(any_keras, small_cnn(any_keras)), SHORT)
    before = [np.asarray(w) != 0 for w in model.weights]
    data = small_data(rng)
    model.fit(*data, epochs=2, batch_size=16, callbacks=[KeepZeros()], verbose=0)
    for weight, mask in zip(model.weights, before, strict=True):
        if mask.ndim > 1:
            np.testing.assert_array_equal(np.asarray(weight) != 0, mask)
    model.fit(*data, epochs=1, batch_size=16, verbose=0)
    # Nothing stays attached: what has a gradient moves away from zero.
    left = np.mean(np.asarray(model.get_layer("second").kernel) == 0)
    assert left < 0.2 < 1 - 4 / 9 / 2


@pytest.mark.slow
def test_quantisation_aware_training_keeps_the_zeros():
    code = """
import os
before = dict(os.environ)
import numpy as np, tf_keras, pconv_tf
from trainable_models import compiled, small_cnn, small_data
from pconv_tf.training.schedules import load_schedule
load_schedule({"class_name": "ConstantSparsity", "config":
               {"target_sparsity": 0.5, "begin_step": 0}})
assert "TF_USE_LEGACY_KERAS" not in os.environ
import tensorflow_model_optimization as tfmot
tf_keras.utils.set_random_seed(1)
data = small_data(np.random.default_rng(1))
model = compiled(tf_keras, small_cnn(tf_keras))
config = {"pattern_set": "pconv4", "connectivity_rate": 2.0, "skip_thin": 0, "rho": [0.1],
          "epochs_per_stage": 1, "retrain_epochs": 1}
callback = pconv_tf.PConvCallback(config)
model.fit(*data, epochs=2, callbacks=[callback], verbose=0)
aware = tfmot.quantization.keras.quantize_model(model)
aware = compiled(tf_keras, aware)
start = [w.numpy().copy() for w in aware.trainable_weights]
aware.fit(*data, epochs=2, callbacks=[pconv_tf.training.KeepZeros()], verbose=0)
held = 0
for weight, old in zip(aware.trainable_weights, start):
    if old.ndim == 4 and (old == 0).any():
        held += 1
        assert ((weight.numpy() != 0) == (old != 0)).all(), weight.name
        assert (weight.numpy() != old).any(), weight.name
assert held == 3, held
"""
    run_alone(code)


def test_a_schedule_drives_the_connectivity_rate(keras3, rng):
    class Linear:
        begin_step = 4

        def __call__(self, step):
            return True, min(0.75, 0.75 * (step - 4) / 8)

    seen = []
    model = compiled(keras3, small_cnn(keras3))
    config = SHORT | {"schedule": Linear(), "epochs_per_stage": 4, "pointwise_rate": 2}
    callback = pconv_tf.PConvCallback(config)

    class Spy(keras3.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            admm = callback._pruner._admm.get("second")
            if admm:
                kept = admm.splittings["connectivity"].support.kept
                seen.append(1.0 if kept is None else float(kept.mean()))

    data = small_data(rng)
    model.fit(*data, epochs=5, batch_size=16, callbacks=[callback, Spy()], verbose=0)
    assert seen == pytest.approx([1.0, 1 - 0.375, 0.25])
    kernels = callback.masks["second"].any(axis=(0, 1))
    assert kernels.mean() == pytest.approx(0.25)
    assert callback.masks["pointwise"].mean() == pytest.approx(0.5)


@pytest.mark.slow
def test_tfmot_schedules_by_name():
    code = """
import os
from pconv_tf.training.schedules import load_schedule, scheduled_rate
decay = load_schedule({"class_name": "PolynomialDecay", "config": {"initial_sparsity": 0.0,
    "final_sparsity": 0.75, "begin_step": 10, "end_step": 20, "power": 1}})
assert scheduled_rate(decay, 0) == 1
assert abs(scheduled_rate(decay, 20) - 4) < 1e-6
assert 1 < scheduled_rate(decay, 15) < 4
for wrong, text in (({"class_name": "Step", "config": {}}, "among"),
                    ({"class_name": "PolynomialDecay", "config": {"end": 3}}, "does not take")):
    try:
        load_schedule(wrong)
    except ValueError as error:
        assert text in str(error), error
    else:
        raise AssertionError(wrong)
"""
    run_alone(code)


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
def test_tfmot_schedules_in_training(framework):
    """Four steps an epoch; four epochs of ADMM, at whose end the hard prune follows."""
    code = f"""
import importlib
import numpy as np, tensorflow_model_optimization as tfmot, pconv_tf
from trainable_models import compiled, small_cnn, small_data
keras = importlib.import_module({framework!r})
keras.utils.set_random_seed(1)
data = small_data(np.random.default_rng(1))
sparsity = tfmot.sparsity.keras

def train(schedule):
    model = compiled(keras, small_cnn(keras))
    config = dict(pattern_set="pconv4", rho=[0.1], epochs_per_stage=4, schedule=schedule)
    callback = pconv_tf.PConvCallback(config)
    seen = []
    class Spy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            admm = callback._pruner._admm.get("second")
            kept = admm and admm.splittings["connectivity"].support.kept
            seen.append(1.0 if kept is None else float(np.mean(kept)))
    try:
        model.fit(*data, epochs=4, batch_size=16, callbacks=[callback, Spy()], verbose=0)
    except ValueError as error:
        return callback, str(error)
    return seen[:3], float(callback.masks["second"].any(axis=(0, 1)).mean())

decay = sparsity.PolynomialDecay(0.0, 0.75, begin_step=4, end_step=12, power=1)
shares, end = train(decay)
assert np.allclose(shares, [1, 0.625, 0.25]) and end == 0.25, (shares, end)
shares, end = train(sparsity.ConstantSparsity(0.5, begin_step=8))
assert np.allclose(shares, [1, 0.5, 0.5]) and end == 0.5, (shares, end)
steep = sparsity.PolynomialDecay(0.0, 0.999, begin_step=4, end_step=12, power=1)
callback, message = train(steep)
start = "layer second: connectivity rate 1000"
assert message.startswith(start) and "keeps none of 128 kernels" in message, message
assert callback._steps_seen == 0
"""
    run_alone(code)


def test_a_schedule_out_of_range_is_refused(keras3, rng):
    model = compiled(keras3, small_cnn(keras3))
    callback = pconv_tf.PConvCallback(SHORT | {"schedule": lambda step: (True, 1.0)})
    with pytest.raises(ValueError, match=r"schedule: expected a sparsity .*Received: 1\.0"):
        model.fit(*small_data(rng), epochs=3, callbacks=[callback], verbose=0)
