"""What ADMM holds beside the model: at most four copies of the pruned weights, at any moment."""

import tracemalloc

import numpy as np
import pytest

import pconv_tf
from pconv_tf.config import PruningConfig
from pconv_tf.training.plan import bind

CONFIG = {
    "pattern_set": "pconv4",
    "connectivity_rate": 2.0,
    "first_layer_rate": 2.0,
    "rho": [0.1],
    "epochs_per_stage": 3,
}


def many_layers(keras, size=3):
    """Many equal layers, so that what is made for one layer at a time hardly counts."""
    layers = keras.layers
    convs = [layers.Conv2D(32, size, padding="same", name=f"conv{i}") for i in range(24)]
    model = keras.Sequential([layers.Input((4, 4, 32)), *convs])
    return model, sum(int(np.prod(conv.kernel.shape)) for conv in convs) * 4


def begun(model, config, folder=None):
    callback = pconv_tf.PConvCallback(config, checkpoint_dir=folder, log_layers=True)
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def bytes_held(pruner):
    arrays = [
        np.asarray(variable)
        for attachment in pruner._attached.values()
        for variable in (attachment.target, attachment.mask)
    ]
    for admm in pruner._admm.values():
        for splitting in admm.splittings.values():
            support = splitting.support
            arrays += [splitting.point, support.pattern, support.kept]
    return sum(array.nbytes for array in arrays if array is not None)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["update", "logs", "checkpoint"])
def test_four_extra_copies_at_most(any_keras, rng, tmp_path, moment):
    model, pruned = many_layers(any_keras)
    model.compile(any_keras.optimizers.Adam(1e-3), "mse")
    images = rng.normal(size=(2, 4, 4, 32)).astype(np.float32)
    model.fit(images, images, verbose=0)  # The optimizer's own copies are no part of this.

    folder = tmp_path if moment == "checkpoint" else None
    tracemalloc.start()
    try:
        callback = begun(model, CONFIG, folder)
        # TensorFlow takes over the arrays that are assigned to a variable, and tracemalloc then
        # counts them as alive. After one update all are of that kind, so the next adds nothing.
        callback._pruner.update(1)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        if moment == "update":
            callback._pruner.update(2)
        elif moment == "logs":
            callback._pruner.values(by_layer=True)
        else:
            callback._write_checkpoint(callback._pruner, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = bytes_held(callback._pruner)
    callback._pruner.detach()
    copies = (peak - before + held) / pruned
    print(f"{copies:.2f} copies, {held / pruned:.2f} of them all the time")
    assert 3 < copies <= 4
    if moment == "checkpoint":
        assert (tmp_path / "pconv_checkpoint.npz").stat().st_size > 5 * pruned


@pytest.mark.parametrize("size", [3, 5], ids=["counted", "refined"])
def test_mining_takes_no_more(any_keras, size):
    """At rate 1, where every kernel votes."""
    model, pruned = many_layers(any_keras, size)
    config = CONFIG | {
        "pattern_set": "natural8",
        "kernel_entries": {f"{size}x{size}": 4},
        "connectivity_rate": 1.0,
        "first_layer_rate": 1.0,
        "warmup_epochs": 1,
    }
    pruner = begun(model, config)._pruner
    tracemalloc.start()
    try:
        plan = bind(pruner.plan, PruningConfig.from_any(config))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = bytes_held(pruner)
    pruner.detach()
    copies = (peak + held) / pruned
    print(f"{copies:.2f} copies, {held / pruned:.2f} of them all the time")
    assert len(plan.layers) == 24 and len(plan.layers[0].constraint.patterns) == 8
    assert 2 < copies <= 4
