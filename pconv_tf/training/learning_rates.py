"""A learning rate that knows the phases of pruning."""

from __future__ import annotations

import math
from collections.abc import Callable

from pconv_tf.config import ConfigLike, PruningConfig


def phase_schedule(
    config: ConfigLike,
    *,
    admm: float = 0.02,
    retrain: float = 0.1,
    warmup: int = 2,
    epochs: int | None = None,
) -> Callable[..., float]:
    """Learning rates by epoch: steady until the hard prune, then a cycle of its own; every round.

    Retraining wins back more at a rate as high as that of the first training than at its last, low
    one ("Comparing Rewinding and Fine-tuning", Renda, Frankle and Carbin, arXiv 2003.02389): it
    rises over `warmup` epochs and falls to 0 along a cosine.

    For `keras.callbacks.LearningRateScheduler`, of Keras 3 or tf_keras:

        rates = phase_schedule(config, admm=0.02, retrain=0.1)
        model.fit(..., epochs=config.total_epochs, callbacks=[
            pconv_tf.PConvCallback(config), keras.callbacks.LearningRateScheduler(rates)])

    Args:
        config: Gives the epochs of the phases.
        admm: Learning rate until the hard prune.
        retrain: Highest learning rate of retraining.
        warmup: Epochs of retraining in which the rate rises.
        epochs: Epochs of the whole `fit`; None means `config.total_epochs`.

    Returns:
        From an epoch (0 the first) to its learning rate. Epochs beyond the last keep its rate.

    Raises:
        ValueError: A rate is not above 0, or `warmup` or `epochs` leaves no epoch for the fall.
    """
    settings = PruningConfig.from_any(config)
    for name, rate in (("admm", admm), ("retrain", retrain)):
        if not 0 < rate < math.inf:
            raise ValueError(f"{name}: expected a learning rate above 0. Received: {rate!r}")
    length = (settings.total_epochs if epochs is None else epochs) - settings.pruned_epochs
    shortest = length if settings.rounds == 1 else min(length, settings.retrain_epochs)
    if not 0 <= warmup < max(shortest, 1):
        raise ValueError(
            f"warmup: retraining has {shortest} epochs, so between 0 and {max(shortest - 1, 0)} of "
            f"them can raise the rate. Received: {warmup!r}"
        )

    def rate_of(epoch: int, rate: float | None = None) -> float:
        del rate  # Keras hands over the present one.
        number, in_round = settings.round_of(epoch)
        since = in_round - (settings.round_epochs - settings.retrain_epochs)
        if since < 0:
            return admm
        span = length if number + 1 == settings.rounds else settings.retrain_epochs
        since = min(since, span - 1)
        if since < warmup:
            return retrain * (since + 1) / (warmup + 1)
        return retrain * (1 + math.cos(math.pi * (since - warmup) / (span - warmup))) / 2

    return rate_of
