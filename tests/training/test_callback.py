"""The callback in `fit`, on Keras 3 and on tf_keras."""

import importlib

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data
from zeros_watch import assert_zeros_hold, zeros_watch

import pconv_tf

SHORT = {
    "pattern_set": "natural4",
    "connectivity_rate": 2.0,
    "skip_thin": 0,
    "rho": [1e-2, 1e-1],
    "epochs_per_stage": 1,
    "retrain_epochs": 1,
}


def fit(model, data, config, *, epochs=None, callbacks=(), **kwargs):
    callback = pconv_tf.PConvCallback(config)
    watch = zeros_watch(importlib.import_module(type(model).__module__.split(".")[0]), callback)
    history = model.fit(
        *data,
        epochs=epochs or callback.config.total_epochs,
        batch_size=16,
        callbacks=[callback, watch, *callbacks],
        verbose=0,
        **kwargs,
    )
    assert watch.checks > 0 or callback.phase != "retrain"
    return callback, history


def zero_share(callback, name):
    layer = next(layer for layer in callback.plan.layers if layer.name == name)
    return np.mean(layer.kernel.read() == 0)


@pytest.mark.parametrize("ready", [True, False])
def test_prunes_to_the_configured_rates(any_keras, rng, ready):
    model = compiled(any_keras, small_cnn(any_keras), ready=ready)
    callback, _ = fit(model, small_data(rng), SHORT)
    assert callback.phase == "retrain"
    assert_zeros_hold(callback)
    assert zero_share(callback, "first") == pytest.approx(5 / 9)
    assert zero_share(callback, "second") == pytest.approx(1 - 4 / 9 / 2)
    assert zero_share(callback, "pointwise") == pytest.approx(1 / 2)
    reasons = {item.name: item.reason for item in callback.plan.left_out}
    assert set(reasons) == {"depthwise", "classes"}
    for layer in callback.plan.layers[:2]:
        kernels = callback.masks[layer.name].reshape(9, -1)
        allowed = {m.tobytes() for m in layer.constraint.patterns.masks.reshape(-1, 9)}
        kept = kernels[:, kernels.any(axis=0)].T
        assert {np.ascontiguousarray(k).tobytes() for k in kept} <= allowed


@pytest.mark.slow
def test_every_kind_of_constraint_in_one_run(any_keras, rng):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, padding="same", name="first"),
            layers.Conv2D(16, 3, groups=2, activation="relu", padding="same", name="grouped"),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.Conv2D(8, 5, activation="relu", name="five"),
            layers.Flatten(),
            layers.Dense(8, name="hidden"),
            layers.Dense(4, name="classes"),
        ]
    )
    config = SHORT | {
        "connectivity_rate": 2.0,
        "kernel_entries": {"3x3": 4, "5x5": 10},
        "depthwise_patterns": True,
        "balance": "filter",
        "dense_rate": 4.0,
        "dense_block": 4,
    }
    # TensorFlow has gradients of grouped convolutions on the CPU with XLA only.
    callback, history = fit(compiled(any_keras, model, jit_compile=True), small_data(rng), config)
    assert history.history["pconv_primal"][0] > 0 == history.history["pconv_primal"][-1]
    masks = callback.masks
    assert masks["grouped"].shape == (3, 3, 4, 16)
    taps = {"first": 4, "grouped": 4, "depthwise": 4, "five": 10}
    kept = {"first": 3, "grouped": 2, "depthwise": 1, "five": 8}  # kernels of each filter
    for name, entries in taps.items():
        kernels = masks[name].sum(axis=(0, 1))
        assert set(np.unique(kernels)) <= {0, entries}
        assert (np.count_nonzero(kernels, axis=0) == kept[name]).all()
    for name, inputs in (("hidden", 128), ("classes", 8)):
        blocks = masks[name].reshape(inputs, -1, 4)
        assert (blocks == blocks[..., :1]).all()
        assert (blocks.sum(axis=0) == inputs // 4).all()


def test_logs_hold_phase_residuals_and_sparsity(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    _, history = fit(model, small_data(rng), SHORT | {"warmup_epochs": 1})
    values = history.history
    assert values["pconv_phase"] == [1.0, 1.0, 2.0, 2.0]
    assert values["pconv_rho"] == pytest.approx([0.0, 1e-2, 1e-1, 0.0])
    for residual in (values["pconv_primal"], values["pconv_dual"]):
        assert residual[0] == 0 and min(residual[1:3]) > 0
        assert residual[3] == 0  # the masks hold
    assert values["pconv_sparsity"][0] == 0 and values["pconv_sparsity"][-1] > 0.5


def test_layer_logs_name_every_layer(keras3, rng):
    model = compiled(keras3, small_cnn(keras3))
    callback = pconv_tf.PConvCallback(SHORT, log_layers=True)
    history = model.fit(*small_data(rng), epochs=3, callbacks=[callback], verbose=0)
    shares = [history.history[f"pconv/second/pattern_{i}"][-1] for i in range(4)]
    assert sum(shares) == pytest.approx(1)
    for name in ("first", "second", "pointwise"):
        assert 0 < history.history[f"pconv/{name}/sparsity"][-1] < 1
        for residual in ("primal", "dual"):
            values = history.history[f"pconv/{name}/{residual}"]
            assert values[1] > 0 and values[2] == 0


@pytest.mark.parametrize("block", [pytest.param(1, marks=pytest.mark.slow), 8])
def test_pattern_shares_are_those_of_the_remaining_kernels(any_keras, rng, block):
    """A removed kernel suits every pattern equally badly, so it must count for none."""
    model = compiled(any_keras, small_cnn(any_keras, filters=6))
    callback = pconv_tf.PConvCallback(SHORT | {"filter_block": block}, log_layers=True)
    history = model.fit(*small_data(rng), epochs=3, callbacks=[callback], verbose=0).history
    reported = {layer.name: layer for layer in pconv_tf.sparsity_report(model).layers}
    for layer in callback.plan.layers[:2]:
        used = reported[layer.name].patterns
        bits = layer.constraint.patterns.bits
        assert set(used) <= set(bits)
        for i, mask in enumerate(bits):
            share = history[f"pconv/{layer.name}/pattern_{i}"][-1]
            assert share == pytest.approx(used.get(mask, 0) / sum(used.values()))


def test_model_is_given_back_as_it_was(any_keras, rng):
    model = small_cnn(any_keras)
    model.get_layer("second").kernel_regularizer = None
    compiled(any_keras, model)
    names = [weight.name for weight in model.weights]
    count = len(model.variables)
    fit(model, small_data(rng), SHORT)
    assert [weight.name for weight in model.weights] == names
    assert len(model.variables) == count
    assert not model.losses


def test_own_regularizers_and_constraints_stay_in_force(any_keras, rng):
    layers = any_keras.layers
    regularizer, constraint = any_keras.regularizers.L2(0.5), any_keras.constraints.MaxNorm(0.3)
    model = any_keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, kernel_regularizer=regularizer, kernel_constraint=constraint),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    compiled(any_keras, model)
    callback, _ = fit(model, small_data(rng), SHORT | {"first_layer_rate": 2})
    kernel = np.asarray(model.layers[0].kernel)
    assert (np.sqrt((kernel**2).sum(axis=0)) <= 0.3 + 1e-5).all()
    assert np.mean(kernel == 0) == pytest.approx(1 - 4 / 9 / 2)
    assert float(sum(model.losses)) == pytest.approx(0.5 * float((kernel**2).sum()), rel=1e-5)
    assert_zeros_hold(callback)


@pytest.mark.slow
def test_a_model_trained_before_is_pruned_too(any_keras, rng):
    """The train step exists already when the callback attaches."""
    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    model.fit(*data, epochs=1, verbose=0)
    # One target for ten epochs: the penalty must bring the weights there before the only update.
    config = SHORT | {"rho": [10.0], "epochs_per_stage": 10, "update_every": 10}
    config["connectivity_rate"] = 1
    callback, history = fit(model, data, config)
    assert 0 < history.history["pconv_primal"][9] < 0.2
    assert_zeros_hold(callback)


@pytest.mark.slow
def test_training_can_go_on_with_the_same_callback(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    callback, _ = fit(model, data, SHORT)
    masks = callback.masks
    before = callback.plan.layers[1].kernel.read()
    model.fit(*data, epochs=2, callbacks=[callback], verbose=0)
    assert all((masks[name] == mask).all() for name, mask in callback.masks.items())
    assert_zeros_hold(callback)
    assert (callback.plan.layers[1].kernel.read() != before).any()


def test_a_callback_belongs_to_one_model(any_keras, rng):
    data = small_data(rng)
    callback, _ = fit(compiled(any_keras, small_cnn(any_keras)), data, SHORT)
    other = compiled(any_keras, small_cnn(any_keras))
    with pytest.raises(ValueError, match="was used for another model"):
        other.fit(*data, epochs=3, callbacks=[callback], verbose=0)


@pytest.mark.slow
def test_stopping_before_the_hard_prune_is_reported(any_keras, rng, caplog):
    model = compiled(any_keras, small_cnn(any_keras))

    class Stop(any_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    callback, _ = fit(model, small_data(rng), SHORT, callbacks=[Stop()])
    assert "the model is not pruned" in caplog.text
    model.fit(*small_data(rng), epochs=2, callbacks=[callback], verbose=0)
    assert_zeros_hold(callback)


@pytest.mark.slow
def test_updates_every_few_steps(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    assert steps_of_updates(model, small_data(rng), "2 steps") == [2, 4, 6, 8]


def steps_of_updates(model, data, period):
    """The batches after which ADMM is updated: two stages of one epoch, four batches each."""
    callback = pconv_tf.PConvCallback(SHORT | {"update_every": period})
    updates = []
    original = pconv_tf.training.pruner.Pruner.update

    def counted(pruner, step):
        updates.append(callback._steps_seen)
        original(pruner, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pconv_tf.training.pruner.Pruner, "update", counted)
        model.fit(*data, epochs=3, batch_size=16, callbacks=[callback], verbose=0)
    assert_zeros_hold(callback)
    return updates


def test_steps_are_counted_from_the_start_of_a_stage(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    assert steps_of_updates(model, small_data(rng), "3 steps") == [3, 7]


@pytest.mark.slow
def test_steps_do_not_depend_on_what_the_optimizer_did_before(any_keras, rng):
    model, data = compiled(any_keras, small_cnn(any_keras)), small_data(rng)
    model.fit(*data, epochs=1, batch_size=20, verbose=0)
    assert steps_of_updates(model, data, "3 steps") == [3, 7]


@pytest.mark.slow
def test_steps_are_batches_where_gradients_accumulate(keras3, rng):
    model = small_cnn(keras3)
    optimizer = keras3.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
    model.compile(optimizer, keras3.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert steps_of_updates(model, small_data(rng), "2 steps") == [2, 4, 6, 8]


@pytest.mark.parametrize("known", [True, False])
def test_a_period_longer_than_a_stage_is_refused(any_keras, rng, known):
    """Up front, or after an epoch where only that shows how many batches there are."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(small_data(rng)).batch(16)
    data = data if known else data.filter(lambda x, y: True)
    model = compiled(any_keras, small_cnn(any_keras))
    callback = pconv_tf.PConvCallback(SHORT | {"update_every": "5 steps"})
    with pytest.raises(ValueError, match=r"update_every: .*at most 4 steps\. Received: '5 steps'"):
        model.fit(data, epochs=3, callbacks=[callback], verbose=0)
    assert callback._steps_seen == (0 if known else 4)
