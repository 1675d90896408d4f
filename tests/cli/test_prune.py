"""`pconv-tf prune`."""

import json

import numpy as np
import pytest
import yaml
from trainable_models import compiled, small_cnn, small_data

import pconv_tf
from pconv_tf.cli.main import main

# Keras says so when it loads a model that was saved before its first training step.
pytestmark = pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")


@pytest.fixture
def files(keras3, rng, tmp_path):
    model = compiled(keras3, small_cnn(keras3))
    model.save(tmp_path / "net.keras")
    x, y = small_data(rng)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "recipe.yaml").write_text(
        "pattern_set: pconv4\nconnectivity_rate: 2\nrho: [0.1]\nepochs_per_stage: 1\n"
        "retrain_epochs: 1\n"
    )
    return tmp_path


def arguments(files, *more, model="net.keras"):
    return ["prune", f"--model={files / model}", f"--config={files / 'recipe.yaml'}", *more]


def test_trains_and_saves(files, capfd):
    out = files / "pruned.keras"
    more = [f"--data={files / 'data.npz'}", f"--output={out}", "--json", "--batch_size=16"]
    assert main(arguments(files, *more)) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["conv_compression"] > 2
    assert set(result["before"]) == set(result["after"]) >= {"accuracy", "loss"}
    import keras

    report = pconv_tf.sparsity_report(keras.models.load_model(out))
    assert report.nonzero == result["nonzero"]
    assert [p.name for p in files.glob(".pconv*")] == []


def test_a_run_that_was_stopped_ends_with_the_same_weights(files, capfd, monkeypatch):
    def prune(name, folder):
        out = files / f"{name}.keras"
        more = [f"--data={files / 'data.npz'}", f"--output={out}", f"--checkpoint_dir={folder}"]
        status = main(arguments(files, *more, "--batch_size=24", "--seed=3"))
        return status, out

    import keras

    from pconv_tf.training.pruner import Pruner

    (files / "recipe.yaml").write_text(
        "pattern_set: natural4\nconnectivity_rate: 2\nrho: [0.01, 0.1]\nepochs_per_stage: 1\n"
        "warmup_epochs: 1\nretrain_epochs: 1\n"
    )
    assert prune("whole", files / "a")[0] == 0

    def fail(*arguments):
        raise ValueError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(Pruner, "hard_prune", fail)
        assert prune("resumed", files / "b")[0] == 2
    assert "stopped" in capfd.readouterr().err
    status, resumed = prune("resumed", files / "b")
    assert status == 0
    one, other = (keras.models.load_model(path) for path in (files / "whole.keras", resumed))
    for weight, same in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), same.numpy(), err_msg=weight.path)


def test_one_shot_needs_no_data(files, capfd):
    out = files / "pruned.keras"
    assert main(arguments(files, "--one_shot", f"--output={out}")) == 0
    assert "second" in capfd.readouterr().out and out.is_file()


def test_suggestion_is_a_recipe(files, capfd):
    pytest.importorskip("matplotlib")
    plot = files / "plot.png"
    (files / "recipe.yaml").write_text(
        'pattern_set: [["XX.", "XX.", "..."], ["...", ".XX", ".XX"]]\n'
        "per_layer: {first: {skip: true}}\n"
    )
    more = [f"--data={files / 'data.npz'}", "--suggest=3", f"--plot={plot}"]
    assert main(arguments(files, *more)) == 0
    assert plot.is_file()
    (files / "recipe.yaml").write_text(suggested := capfd.readouterr().out)
    assert yaml.safe_load(suggested)["pattern_set"] == [
        [[1, 1, 0], [1, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    ]  # fmt: skip
    out = files / "pruned.keras"
    assert main(arguments(files, "--one_shot", f"--output={out}", "--json")) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["conv_compression"] >= 3 * 0.98
    layers = {layer["name"]: layer for layer in report["layers"]}
    assert layers["first"]["nonzero"] == layers["first"]["weights"]  # still skipped


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--output: missing"),
        (["--output=x.keras"], "--data: missing"),
        (["--output=x.h5", "--one_shot"], "ends in .keras"),
        (["--output=nowhere/x.keras", "--one_shot"], "no folder"),
        (["--output=x.keras", "--data=nothing.npz"], "nothing.npz: no such file"),
        (["--output=x.keras", "--one_shot", "--plot=a.png"], "--plot"),
        (["--output=x.keras", "--one_shot", "--suggest=2"], "exclude"),
        (["--output=x.keras", "--data=DATA", "--loss=none"], "no loss named none"),
        (["--output=x.keras", "--data=DATA", "--epochs=1"], "at least"),
    ],
)
def test_mistakes_end_with_one_line(files, capfd, monkeypatch, more, message):
    monkeypatch.chdir(files)
    (files / "recipe.yaml").write_text("rho: [0.1, 1]\nepochs_per_stage: 1\n")
    more = [word.replace("DATA", "data.npz") for word in more]
    assert main(arguments(files, *more)) == 2
    error = capfd.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (files / "x.keras").exists()


def test_bad_files_are_named(files, capfd):
    assert main(arguments(files, "--one_shot", "--output=x.keras", model="none.keras")) == 2
    assert "none.keras: no such model file" in capfd.readouterr().err
    (files / "broken.keras").write_bytes(b"not a model")
    assert main(arguments(files, "--one_shot", "--output=x.keras", model="broken.keras")) == 2
    assert "broken.keras: not a model that can be loaded" in capfd.readouterr().err
    (files / "bad.npz").write_bytes(b"not an archive")
    more = [f"--data={files / 'bad.npz'}", f"--output={files / 'x.keras'}"]
    assert main(arguments(files, *more)) == 2
    assert "bad.npz: not an .npz file" in capfd.readouterr().err
    np.savez(files / "odd.npz", x_train=np.zeros((3, 8, 8, 3)), y_train=np.zeros(2))
    more = [f"--data={files / 'odd.npz'}", f"--output={files / 'x.keras'}"]
    assert main(arguments(files, *more)) == 2
    assert "odd.npz: x_train and y_train must have one length. Found: 3 and 2" in (
        capfd.readouterr().err
    )
    np.savez(files / "half.npz", x_train=np.zeros(3))
    more = [f"--data={files / 'half.npz'}", f"--output={files / 'x.keras'}"]
    assert main(arguments(files, *more)) == 2
    assert "half.npz: expected the arrays" in capfd.readouterr().err
