"""Looks at pruned weights while a model trains, when nobody has put them right afterwards."""


def assert_zeros_hold(callback):
    """Every weight outside the masks is exactly zero now."""
    assert set(callback.masks) == {layer.name for layer in callback.plan.layers}
    for layer in callback.plan.layers:
        assert not layer.kernel.read()[~callback.masks[layer.name]].any(), layer.name


def zeros_watch(keras, callback):
    """A callback that checks the zeros after every batch of retraining and counts its checks.

    When training ends, `PConvCallback` applies the masks once more, so weights looked at after
    `fit` say nothing about the training steps.
    """

    class Watch(keras.callbacks.Callback):
        checks = 0

        def on_train_batch_end(self, batch, logs=None):
            if callback.phase == "retrain":
                _ = self.model  # Brings the weights of a JAX model up to date.
                assert_zeros_hold(callback)
                self.checks += 1

    return Watch()
