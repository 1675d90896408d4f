"""How a configuration is resolved against a model, and what does not fit."""

import numpy as np
import pytest
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.config import PruningConfig
from pconv_tf.training.layers import find_kernels
from pconv_tf.training.plan import bind, make_plan


def plan(model, **fields):
    return make_plan(model, PruningConfig.from_any(fields))


def by_name(plan):
    return {layer.name: layer for layer in plan.layers}


def test_rates_by_kind_of_layer(any_keras):
    model = small_cnn(any_keras)
    layers = by_name(plan(model, connectivity_rate=3, first_layer_rate=2, pointwise_rate=5))
    assert {name: layer.constraint.rate for name, layer in layers.items()} == {
        "first": 2,
        "second": 3,
        "pointwise": 5,
    }
    assert by_name(plan(model, connectivity_rate=3))["pointwise"].constraint.rate == 3
    assert by_name(plan(model, dense_rate=4, dense_block=4))["classes"].constraint.block == 4


def test_names_win_over_expressions_and_later_over_earlier(any_keras):
    model = small_cnn(any_keras)
    layers = by_name(
        plan(
            model,
            per_layer={
                "second": {"rate": 7},
                ".*": {"rate": 2, "balance": "filter"},
                "fir.t": {"rate": 3},
                "depthwise|classes": {"rate": 1},
            },
        )
    )
    rates = {name: layer.constraint.rate for name, layer in layers.items()}
    assert rates == {"first": 3, "second": 7, "pointwise": 2}
    assert all(layer.constraint.balance == "filter" for layer in layers.values())


def test_a_later_entry_keeps_the_skip_of_an_earlier_one(any_keras):
    model = small_cnn(any_keras)
    skipping = {".*st": {"skip": True}}
    left = plan(model, per_layer=skipping | {"fir.*": {"rate": 3}})
    assert "first" not in by_name(left)
    taken_back = plan(model, per_layer=skipping | {"fir.*": {"rate": 3, "skip": False}})
    assert by_name(taken_back)["first"].constraint.rate == 3


def test_a_pattern_set_may_match_layers_without_taps_beside_others(any_keras):
    layers = by_name(plan(small_cnn(any_keras), per_layer={".*": {"pattern_set": "squares4"}}))
    assert layers["second"].pattern_spec == layers["depthwise"].pattern_spec == "squares4"
    assert layers["pointwise"].pattern_spec is None


def test_skipped_and_frozen_layers_say_why(any_keras):
    model = small_cnn(any_keras)
    model.get_layer("second").trainable = False
    config = PruningConfig.from_any({"per_layer": {"first": {"skip": True}}})
    reasons = {i.name: i.reason for i in make_plan(model, config, for_training=True).left_out}
    assert "per_layer" in reasons["first"]
    assert "frozen" in reasons["second"]
    assert "depthwise" in reasons["depthwise"]
    assert "dense_rate" in reasons["classes"]


def test_convolutions_that_read_few_channels_stay_dense(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", name="first"),
            layers.Conv2D(7, 3, padding="same", name="four"),
            layers.Conv2D(8, 1, name="seven"),
            layers.Conv2D(8, 3, groups=4, padding="same", name="grouped"),
            layers.Conv2D(8, 3, groups=8, padding="same", name="single"),
            layers.SeparableConv2D(8, 3, name="eight"),
        ]
    )
    spared = plan(model, connectivity_rate=2)
    assert list(by_name(spared)) == ["grouped", "eight/pointwise"]
    reasons = {item.name: item.reason for item in spared.left_out}
    assert reasons["first"] == "reads 3 channels, fewer than skip_thin 8"
    assert reasons["seven"] == "reads 7 channels, fewer than skip_thin 8"
    assert reasons["single"] == "reads 1 channel, fewer than skip_thin 8"
    printed = {la.name: la.note for la in pconv_tf.sparsity_report(model, {"skip_thin": 8}).layers}
    assert printed["four"] == "reads 4 channels, fewer than skip_thin 8"
    fewer = plan(model, connectivity_rate=2, skip_thin=4)
    assert list(by_name(fewer)) == ["four", "seven", "grouped", "eight/pointwise"]
    assert "first" in by_name(plan(model, connectivity_rate=2, skip_thin=0))


@pytest.mark.parametrize(
    "wish", [{"rate": 1}, {"rate": 2}, {"pattern_set": "squares4"}, {"skip": False}]
)
def test_a_thin_layer_that_is_asked_for_is_pruned(any_keras, wish):
    model = small_cnn(any_keras)
    assert "first" in by_name(plan(model, per_layer={"first": wish}))
    assert "first" not in by_name(plan(model, per_layer={"first": {"balance": "filter"}}))
    assert "first" in by_name(plan(model, first_layer_rate=2))


def test_every_kind_of_container_is_searched(any_keras):
    layers = any_keras.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.convs = [layers.Conv2D(8, 3, padding="same", name="conv") for _ in range(2)]

        def call(self, x):
            for conv in self.convs:
                x = conv(x)
            return x

    class Net(any_keras.Model):
        def __init__(self):
            super().__init__()
            inputs = layers.Input((8, 8, 4))
            outputs = layers.Conv2D(8, 3, padding="same", name="conv")(inputs)
            self.nested = any_keras.Model(inputs, outputs, name="nested")
            self.block = Block(name="block")
            self.separable = layers.SeparableConv2D(8, 3, name="separable")

        def call(self, x):
            return self.separable(self.block(self.nested(x)))

    model = Net()
    model(np.zeros((1, 8, 8, 4), np.float32))
    kernels, _ = find_kernels(model)
    names = [kernel.name for kernel in kernels]
    assert names[0] == "nested/conv"
    assert "separable/depthwise" in names and "separable/pointwise" in names
    assert len(names) == 5
    pconv_tf.prune_one_shot(model, {"connectivity_rate": 2})
    assert pconv_tf.sparsity_report(model).nonzero < pconv_tf.sparsity_report(model).weights / 2


def test_shared_layers_are_pruned_once(any_keras):
    layers = any_keras.layers
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    inputs = layers.Input((8, 8, 8))
    model = any_keras.Model(inputs, shared(shared(inputs)))
    assert [kernel.name for kernel in find_kernels(model)[0]] == ["shared"]


def test_grouped_convolution(any_keras):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [layers.Input((8, 8, 8)), layers.Conv2D(16, 3, groups=4, name="grouped")]
    )
    kernel = find_kernels(model)[0][0]
    assert kernel.shape == (3, 3, 2, 16) and kernel.groups == 4
    pconv_tf.prune_one_shot(model, {"first_layer_rate": 2, "filter_block": 4})
    mask = kernel.read() != 0
    blocks = mask.reshape(3, 3, 2, 4, 4)
    assert mask.mean() == pytest.approx(4 / 9 / 2)
    assert (blocks == blocks[..., :1]).all()
    with pytest.raises(ValueError, match="layer grouped: filter_block 8 does not divide the 4"):
        plan(model, filter_block=8)


def test_depthwise_takes_patterns_only(any_keras):
    model = small_cnn(any_keras)
    pconv_tf.prune_one_shot(model, {"depthwise_patterns": True, "pattern_set": "pconv4"})
    kernel = next(k for k in find_kernels(model)[0] if k.name == "depthwise")
    assert ((kernel.read() != 0).sum(axis=(0, 1)) == 4).all()
    with pytest.raises(ValueError, match=r"layer depthwise: .*allowed rate: 1\. Received: 2"):
        plan(model, per_layer={"depthwise": {"rate": 2}})


def test_other_kernel_sizes(any_keras, rng):
    layers = any_keras.layers
    model = any_keras.Sequential(
        [
            layers.Input((16, 16, 8)),
            layers.Conv2D(8, 5, name="five"),
            layers.Conv2D(8, (1, 7), padding="same", name="row"),
            layers.Conv2D(8, 3, name="three"),
        ]
    )
    config = {"kernel_entries": {"3x3": 4, "5x5": 10, "1x7": 3}, "first_layer_rate": 2}
    pconv_tf.prune_one_shot(model, config | {"connectivity_rate": 1, "pattern_set": "natural6"})
    taps = {
        kernel.name: set((kernel.read() != 0).sum(axis=(0, 1)).ravel().tolist()) - {0}
        for kernel in find_kernels(model)[0]
    }
    assert taps == {"five": {10}, "row": {3}, "three": {4}}
    reasons = {i.name: i.reason for i in plan(model, connectivity_rate=1).left_out}
    assert "no pattern applies to 5x5" in reasons["five"]


def test_masks_of_the_layers_own(any_keras):
    model = small_cnn(any_keras)
    masks = [["X..", ".X.", "..X"], ["..X", ".X.", "X.."]]
    config = {
        "pattern_set": "pconv4",
        "skip_thin": 0,
        "per_layer": {"second": {"pattern_set": masks, "rate": 1}},
    }
    pconv_tf.prune_one_shot(model, config)
    report = {layer.name: layer for layer in pconv_tf.sparsity_report(model).layers}
    assert set(report["second"].patterns) <= {0b100010001, 0b001010100}
    assert all(bits.bit_count() == 4 for bits in report["first"].patterns)


@pytest.mark.parametrize("rate", [2, 5])
def test_mined_sets_are_shared_by_the_network(any_keras, rate):
    config = PruningConfig(pattern_set="natural4", connectivity_rate=rate, skip_thin=0)
    bound = bind(make_plan(small_cnn(any_keras), config), config)
    first, second = bound.layers[:2]
    assert first.constraint.patterns == second.constraint.patterns
    assert bound.layers[2].constraint.patterns is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"per_layer": {"third": {"rate": 2}}}, r"per_layer\['third'\]: matches no layer.*first"),
        ({"per_layer": {"conv_.*": {"rate": 2}}}, r"per_layer\['conv_\.\*'\]: matches no layer"),
        ({"per_layer": {"norm": {"rate": 2}}}, r"per_layer\['norm'\]: matches no layer"),
        ({"connectivity_rate": 1000}, "layer second: connectivity rate 1000 keeps none.*128"),
        (
            {"connectivity_rate": 20, "balance": "filter"},
            "layer second: .*each filter has 8.*highest rate allowed here is 16",
        ),
        (
            {"per_layer": {"second": {"pattern_set": [["X.", ".X"]]}}},
            "layer second: pattern_set has masks of 2x2, but the layer's kernel is 3x3",
        ),
        (
            {"pattern_set": [["X.", ".X"]]},
            "pattern_set: has masks of 2x2, but no layer .* has such kernels; their sizes: 3x3",
        ),
        (
            {"per_layer": {"pointwise": {"pattern_set": "natural4"}}},
            r"per_layer\['pointwise'\].pattern_set: layer pointwise has .* Received: 'natural4'",
        ),
        (
            {"dense_rate": 2, "per_layer": {"cl.*": {"pattern_set": "pconv4"}}},
            r"per_layer\['cl\.\*'\].pattern_set: layer classes has kernels of one tap",
        ),
        (
            {"pattern_set": "pconv4", "kernel_entries": {"3x3": 5}},
            r'layer second: kernel_entries\["3x3"\] is 5, but .*"pconv4" keeps 4 taps; allowed: 4',
        ),
        ({"pattern_set": "natural100"}, "natural100 asks for more patterns than the 56"),
        (
            {"per_layer": {".*": {"skip": True}}},
            "no layer can be pruned with this configuration. first: skipped",
        ),
    ],
)
def test_what_does_not_fit_names_layer_or_field(any_keras, fields, message):
    with pytest.raises(ValueError, match=message):
        pconv_tf.prune_one_shot(small_cnn(any_keras), fields)


def test_nan_weights_are_named(any_keras):
    model = small_cnn(any_keras)
    layer = model.get_layer("second")
    weights = layer.get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    layer.set_weights(weights)
    with pytest.raises(ValueError, match="layer second: 1 of 1152 weights are NaN"):
        pconv_tf.prune_one_shot(model, {})


def test_unbuilt_models_are_refused(any_keras):
    model = any_keras.Sequential([any_keras.layers.Conv2D(8, 3, name="conv")])
    with pytest.raises(ValueError, match="layer conv is not built"):
        pconv_tf.prune_one_shot(model, {})


@pytest.mark.parametrize("model", [None, 3, "model.keras", object()])
def test_other_objects_are_refused(model):
    with pytest.raises(ValueError, match="expected a built Keras 3 or tf_keras model"):
        pconv_tf.prune_one_shot(model, {})


def test_a_model_without_convolutions_is_refused(any_keras):
    model = any_keras.Sequential([any_keras.layers.Input((4,)), any_keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer can be pruned"):
        pconv_tf.prune_one_shot(model, {})


def test_too_few_epochs_are_refused(any_keras, rng):
    model = compiled(any_keras, small_cnn(any_keras))
    config = {"rho": [0.1, 1], "epochs_per_stage": 3, "warmup_epochs": 1}
    data = small_data(rng)
    with pytest.raises(ValueError, match=r"epochs: .* needs at least 7 .*Received: 6"):
        model.fit(*data, epochs=6, callbacks=[pconv_tf.PConvCallback(config)], verbose=0)
    with pytest.raises(ValueError, match="Received: 6"):
        callback = pconv_tf.PConvCallback(config)
        model.fit(*data, initial_epoch=2, epochs=8, callbacks=[callback], verbose=0)
    assert not model.losses


def test_layers_that_are_not_built_are_named(any_keras, rng):
    class Lazy(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.first = any_keras.layers.Conv2D(4, 3, name="first")
            self.late = any_keras.layers.Conv2D(4, 3, name="late")
            self.pool = any_keras.layers.GlobalAveragePooling2D()

        def call(self, x):
            return self.pool(self.first(x))

    model = compiled(any_keras, Lazy())
    model(np.zeros((1, 8, 8, 3), np.float32))
    callback = pconv_tf.PConvCallback({"rho": [1], "epochs_per_stage": 1})
    with pytest.raises(ValueError, match="layer late is not built"):
        model.fit(*small_data(rng), epochs=2, callbacks=[callback], verbose=0)


def test_layers_made_after_training_began_are_named(rng):
    import tf_keras

    class Wrapped(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = small_cnn(tf_keras)

        def call(self, x):
            return self.inner(x)

    model = compiled(tf_keras, Wrapped())
    model(np.zeros((1, 8, 8, 3), np.float32))
    callback = pconv_tf.PConvCallback({"rho": [1], "epochs_per_stage": 1})

    class Grow(tf_keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.late = tf_keras.layers.Conv2D(4, 3, name="late")
            self.model.late.build((None, 8, 8, 3))

    with pytest.raises(ValueError, match="layer late: was built after training began"):
        model.fit(*small_data(rng), epochs=2, callbacks=[callback, Grow()], verbose=0)


def test_layers_built_by_the_first_step_are_named_after_it(keras3, rng):
    layers = keras3.layers

    class Branch(layers.Layer):
        def build(self, shape):
            self.late = layers.Conv2D(3, 3, padding="same", name="late", trainable=False)
            self.late.build(shape)
            self.built = True

        def call(self, x):
            return self.late(x)

    class Net(keras3.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.branch = small_cnn(keras3), Branch()

        def call(self, x, training=False):
            return self.inner(x + self.branch(x) if training else x)

    model = compiled(keras3, Net(), run_eagerly=True)
    model(np.zeros((1, 8, 8, 3), np.float32))
    callback = pconv_tf.PConvCallback({"rho": [1], "epochs_per_stage": 1})
    batches = []

    class Count(keras3.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)

    with pytest.raises(ValueError, match="layer late: was built after training began"):
        model.fit(
            *small_data(rng), batch_size=16, epochs=2, callbacks=[Count(), callback], verbose=0
        )
    assert batches == [0]


@pytest.mark.slow
def test_a_new_callback_replaces_what_an_aborted_run_left(any_keras, rng):
    class Abort(any_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = compiled(any_keras, small_cnn(any_keras))
    data = small_data(rng)
    config = {"rho": [1], "epochs_per_stage": 1, "skip_thin": 0}
    for _ in range(2):
        callback = pconv_tf.PConvCallback(config)
        with pytest.raises(KeyboardInterrupt):
            model.fit(*data, epochs=2, callbacks=[callback, Abort()], verbose=0)
    assert len(model.losses) == 3  # One penalty for each of the pruned layers.
    model.fit(*data, epochs=2, callbacks=[pconv_tf.PConvCallback(config)], verbose=0)
    assert not model.losses
