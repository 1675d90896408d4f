"""What pruning adds to a training step: ResNet-20 on CIFAR-10 shapes, batch 128.

Three copies of the network, dense, in the ADMM phase and in masked retraining, take turns; the
medians of their step times are compared. The updates at the end of an ADMM epoch are timed apart
and spread over the 390 steps of an epoch. So is the projection of VGG-16's convolutions onto
patterns and connectivity. Prints JSON.

  python -m benchmarks.training_overhead [--rounds=N]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

STEPS_PER_EPOCH = 390
CONFIG = {"rho": [1e-3, 1e-2], "epochs_per_stage": 1, "connectivity_rate": 2.0}


def _compiled() -> Any:
    import keras

    from pconv_tf.comparing.published_networks import resnet20

    keras.utils.set_random_seed(0)
    model = resnet20()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    return model


def _projection_seconds(repetitions: int = 5) -> float:
    """One projection of all convolution weights of VGG-16, their patterns being known: median."""
    from pconv_tf import PruningConfig
    from pconv_tf.comparing.networks import build_network
    from pconv_tf.training.plan import bind, make_plan

    config = PruningConfig()
    plan = bind(make_plan(build_network("vgg16_conv"), config), config)
    weights = [layer.kernel.read() for layer in plan.layers]
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for layer, values in zip(plan.layers, weights, strict=True):
            layer.constraint.project(values)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="steps of each copy")
    parser.add_argument("--batch_size", type=int, default=128, metavar="N")
    args = parser.parse_args()

    import pconv_tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.batch_size, 32, 32, 3)).astype(np.float32)
    y = rng.integers(0, 10, args.batch_size)
    models = {"dense": _compiled(), "admm": _compiled(), "retrain": _compiled()}
    updates = []
    for phase in ("admm", "retrain"):
        callback = pconv_tf.PConvCallback(CONFIG)
        callback.set_model(models[phase])
        callback.on_train_begin()
        epochs = 1 if phase == "admm" else callback.config.admm_epochs
        for epoch in range(epochs):
            callback.on_epoch_begin(epoch)
            start = time.perf_counter()
            callback.on_epoch_end(epoch, {})
            updates.append(time.perf_counter() - start)
        assert callback.phase == phase
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(args.rounds + 2):
        for name, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(x, y)
            if turn >= 2:  # The first steps trace and warm up.
                times[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    update = float(np.median(updates))
    print(
        json.dumps(
            {
                "step_ms": {name: 1e3 * value for name, value in medians.items()},
                "update_ms": 1e3 * update,
                "admm_ratio": (medians["admm"] + update / STEPS_PER_EPOCH) / medians["dense"],
                "retrain_ratio": medians["retrain"] / medians["dense"],
                "vgg16_projection_ms": 1e3 * _projection_seconds(),
                "batch_size": args.batch_size,
                "rounds": args.rounds,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
