"""`measure=True`: which splits are tried, how they are timed, and what becomes of the fastest."""

import json
import sys

import pytest
from pruned_models import prune

import pconv_tf
from pconv_tf.cli.main import main
from pconv_tf.conversion import convert_with_report, targets, trials
from pconv_tf.conversion.report import PCONV, LayerReport


def row(kernel, size, became=PCONV):
    return LayerReport(
        f"{kernel}x{kernel} at {size}",
        "CONV_2D",
        became,
        "",
        kernel_size=(kernel, kernel),
        out_channels=8,
        outputs=8 * size * size,
    )


ROWS = [row(3, 56), row(1, 56), row(3, 7), row(1, 7), row(3, 56, became="CONV_2D")]


def test_splits_of_a_network_of_all_kinds():
    assert trials.candidate_splits(ROWS, {2: "too small", 3: "too small"}) == {
        "as estimated": {0, 1},
        "none": set(),
        "all that gain alone": {0, 1, 2, 3},
        "only kernels larger than 1x1": {0, 2},
        "only 1x1 kernels": {1, 3},
    }  # "only maps of 14x14 and more" is "as estimated"


def test_no_split_is_tried_twice():
    assert list(trials.candidate_splits([row(3, 7)], {})) == ["as estimated", "none"]
    assert list(trials.candidate_splits([row(3, 7, became="CONV_2D")], {})) == ["as estimated"]


def test_a_race_takes_turns_and_medians():
    now, order = [0.0], []

    def runs(name, seconds):
        def run():
            order.append(name)
            # Every tenth run is disturbed.
            now[0] += seconds * (50 if len(order) % 10 == 0 else 1)

        return run

    found = trials.race({"a": runs("a", 2.0), "b": runs("b", 1.0)}, lambda: now[0])
    assert found == {"a": 2.0, "b": 1.0}
    turns = [name for place, name in enumerate(order) if order[place - 1] != name]
    assert len(turns) > 20


@pytest.fixture(scope="module")
def model():
    """A dense twin with 3x3 and 1x1 layers, on large maps and on small ones."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(7)
    layers, image = keras.layers, keras.Input((32, 32, 8), batch_size=1)
    x = layers.Conv2D(128, 3, padding="same", activation="relu", name="wide")(image)
    x = layers.Conv2D(128, 1, activation="relu", name="point")(x)
    x = layers.MaxPooling2D(4)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="deep")(x)
    pruned = prune(keras.Model(image, x), np.random.default_rng(7))
    return pconv_tf.convert_dense(pruned)


def became(conversion):
    return {layer.name for layer in conversion.layers if layer.became == PCONV}


@pytest.mark.parametrize(
    ("fastest", "layers"),
    [
        ("none", set()),
        ("as estimated", {"wide", "point", "deep"}),
        ("only 1x1 kernels", {"point"}),
        ("only maps of 14x14 and more", {"wide", "point"}),
    ],
)
def test_the_file_is_the_fastest_split(model, delegate, monkeypatch, fastest, layers):
    """Real interpreters run; who wins is made up, and the target is the same on every machine."""
    monkeypatch.setattr(targets, "this_machine", lambda: "avx512")

    def race(runs):
        for run in runs.values():
            run()
        return {name: 0.001 if name == fastest else 0.002 for name in runs}

    monkeypatch.setattr(trials, "race", race)
    conversion = convert_with_report(model, measure=True)
    assert became(conversion) == layers
    assert pconv_tf.convert_dense(conversion.flatbuffer)  # a whole file
    assert [trial.name for trial in conversion.trials if trial.chosen] == [fastest]
    speedups = {trial.name: trial.speedup for trial in conversion.trials}
    assert speedups["none"] == 1
    assert f"with PConv2D for: {fastest}." in conversion.remarks[-1]
    stays = {layer.name: layer.reason for layer in conversion.layers if layer.became != PCONV}
    assert set(stays.values()) <= {"slower when it was measured"}


def test_it_is_measured_for_real(model, delegate, capsys):
    conversion = convert_with_report(model, measure=True)
    chosen = min(conversion.trials, key=lambda trial: trial.milliseconds)
    assert chosen.chosen
    assert chosen.layers == len(became(conversion))
    assert all(trial.milliseconds > 0 for trial in conversion.trials)
    pconv_tf.convert(model, measure=True)
    text = capsys.readouterr().out
    assert "as estimated" in text and "chosen" in text


def test_command_line(model, delegate, tmp_path, capsys):
    source, out = tmp_path / "twin.tflite", tmp_path / "out.tflite"
    source.write_bytes(model)
    assert main(["convert", str(source), "-o", str(out), "--measure", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(trial["chosen"] for trial in found["trials"]) == 1
    assert main(["convert", str(source), "-o", str(out), "--measure"]) == 0
    assert "Measured on this machine" in capsys.readouterr().out
    assert main(["convert", str(source), "--to-dense", "--measure"]) == 2


def test_a_model_that_is_not_pruned_is_not_timed(keras, delegate):
    image = keras.Input((8, 8, 4), batch_size=1)
    conversion = convert_with_report(
        keras.Model(image, keras.layers.Conv2D(4, 3)(image)), measure=True
    )
    assert conversion.trials == []
    assert conversion.remarks[0].startswith("The model is not pruned")


class TestMistakes:
    def test_no_delegate(self, model, monkeypatch, tmp_path):
        monkeypatch.setenv("PCONV_DELEGATE", str(tmp_path / "nothing.so"))
        with pytest.raises(FileNotFoundError, match=r"measure: needs the delegate\. .*nothing\.so"):
            convert_with_report(model, measure=True)

    def test_a_damaged_delegate(self, model, monkeypatch, tmp_path):
        (tmp_path / "damaged.so").write_bytes(b"nothing")
        monkeypatch.setenv("PCONV_DELEGATE", str(tmp_path / "damaged.so"))
        with pytest.raises(ValueError, match=r"damaged\.so: cannot be loaded"):
            convert_with_report(model, measure=True)

    def test_no_interpreter(self, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
        with pytest.raises(ValueError, match=r"measure: needs LiteRT .*pip install ai-edge-litert"):
            convert_with_report(model, measure=True)

    def test_a_free_size(self, keras, delegate):
        import numpy as np

        image = keras.Input((None, None, 16), name="image")
        free = keras.Model(image, keras.layers.Conv2D(16, 3, padding="same")(image))
        free = prune(free, np.random.default_rng(7))
        with pytest.raises(ValueError, match=r"measure: input .* has a free size.*--input_shape"):
            convert_with_report(free, measure=True)
        assert convert_with_report(free, measure=True, input_shapes=(1, 16, 16, 16)).trials

    @pytest.mark.parametrize("other", [{"force": True}, {"target": "neon"}])
    def test_two_ways_to_decide(self, model, other):
        with pytest.raises(ValueError, match=f"measure and {next(iter(other))}: only one"):
            convert_with_report(model, measure=True, **other)

    def test_a_file_that_litert_refuses(self, delegate):
        with pytest.raises(ValueError, match="tflite"):
            trials.time_splits({"none": b"nothing"}, {"none": frozenset()}, delegate)
