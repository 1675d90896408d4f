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
    model = compiled(keras3, small_cnn(keras3), ready=False)
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


@pytest.mark.slow
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


# What every test shows of Keras 3, some show of tf_keras as well, and the long tests the others.
both_families = pytest.mark.parametrize("saved_with_sgd", ["keras", "tf_keras"], indirect=True)


@pytest.fixture(params=["keras", pytest.param("tf_keras", marks=pytest.mark.slow)])
def saved_with_sgd(files, request):
    """A Keras, a function that saves a model, and one that prunes it and loads the result."""
    keras = pytest.importorskip(request.param)
    keras.utils.set_random_seed(7)

    def save(loss="sparse_categorical_crossentropy", name="net.keras"):
        model = small_cnn(keras)
        top2 = keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")
        model.compile(keras.optimizers.SGD(0.25), loss, metrics=["accuracy", top2])
        model.save(files / name)

    def prune(*more, model="net.keras"):
        out = files / "out.keras"
        flags = ["--tf_keras"] if keras.__name__ == "tf_keras" else []
        more = [*more, *flags, f"--data={files / 'data.npz'}", f"--output={out}", "--json"]
        status = main(arguments(files, *more, model=model))
        return keras.models.load_model(out) if status == 0 else None

    return keras, save, prune


@pytest.mark.slow
@both_families
def test_learning_rate_alone_changes_the_optimizer_alone(saved_with_sgd, capfd):
    _, save, prune = saved_with_sgd
    save()
    model = prune("--learning_rate=0.003")
    assert {"loss", "accuracy", "top2"} == set(json.loads(capfd.readouterr().out)["after"])
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.003)
    assert loss_name(model) == "sparse_categorical_crossentropy"


@pytest.mark.slow
@pytest.mark.parametrize("given", ["flag", "function", "class"])
def test_from_logits_alone_changes_the_loss_alone(saved_with_sgd, capfd, given):
    keras, save, prune = saved_with_sgd
    flags = []
    if given == "flag":
        save("mse")
        flags = ["--loss=sparse_categorical_crossentropy"]
    elif given == "class":
        save(keras.losses.SparseCategoricalCrossentropy(ignore_class=3))
    else:
        save()
    model = prune("--from_logits", *flags)
    assert {"loss", "accuracy", "top2"} == set(json.loads(capfd.readouterr().out)["after"])
    assert type(model.optimizer).__name__ == "SGD"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.25)
    config = model.loss.get_config()
    assert config["from_logits"] is True
    assert config["ignore_class"] == (3 if given == "class" else None)


@both_families
def test_from_logits_needs_a_loss_that_takes_them(saved_with_sgd, capfd):
    _, save, prune = saved_with_sgd
    save("mse")
    assert prune("--from_logits") is None
    error = capfd.readouterr().err
    assert "--from_logits: expected a loss that takes logits" in error
    assert "Found: mean_squared_error" in error and "Traceback" not in error


@pytest.mark.slow
def test_loss_alone_keeps_the_metrics_and_the_optimizer(saved_with_sgd, capfd):
    _, save, prune = saved_with_sgd
    save("mse")
    model = prune("--loss=sparse_categorical_crossentropy")
    assert {"loss", "accuracy", "top2"} == set(json.loads(capfd.readouterr().out)["after"])
    assert type(model.optimizer).__name__ == "SGD"
    assert loss_name(model) == "sparse_categorical_crossentropy"


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--from_logits"]], ids=["own loss", "changed loss"])
def test_h5_files_train_with_their_own_optimizer(saved_with_sgd, capfd, flags):
    _, save, prune = saved_with_sgd
    save(name="net.h5")
    model = prune(*flags, model="net.h5")
    assert model is not None, capfd.readouterr().err
    assert type(model.optimizer).__name__ == "SGD"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.25)


@pytest.mark.slow
def test_a_model_without_a_loss_needs_one(files, keras3, capfd):
    small_cnn(keras3).save(files / "net.keras")
    out = files / "out.keras"
    more = [f"--data={files / 'data.npz'}", f"--output={out}", "--json"]
    for flags in ([], ["--learning_rate=0.1"], ["--from_logits"]):
        assert main(arguments(files, *more, *flags)) == 2
        error = capfd.readouterr().err
        assert "--loss: missing; the model file holds no training configuration" in error
    flags = ["--loss=sparse_categorical_crossentropy", "--from_logits"]
    assert main(arguments(files, *more, *flags)) == 0
    assert set(json.loads(capfd.readouterr().out)["after"]) == {"loss", "accuracy"}
    optimizer = keras3.models.load_model(out).optimizer
    assert type(optimizer).__name__ == "Adam"
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)


def loss_name(model):
    return getattr(model.loss, "__name__", model.loss)


def test_one_shot_needs_no_data(files, capfd):
    out = files / "pruned.keras"
    assert main(arguments(files, "--one_shot", f"--output={out}")) == 0
    assert "second" in capfd.readouterr().out and out.is_file()


def test_calibration_refits_and_the_log_is_one_that_a_report_takes(files, capfd):
    from pconv_tf.reporting.model_report import read_residuals

    log = files / "log.csv"
    shared = [f"--data={files / 'data.npz'}", f"--output={files / 'pruned.keras'}", "--json"]
    assert main(arguments(files, *shared, "--calibration=32", f"--log={log}")) == 0
    assert json.loads(capfd.readouterr().out)["conv_compression"] > 2
    assert len(log.read_text().splitlines()) == 3
    assert read_residuals(log)
    losses = {}
    for flags in ([], ["--calibration=64"]):
        assert main(arguments(files, *shared, "--one_shot", *flags)) == 0
        losses[len(flags)] = json.loads(capfd.readouterr().out)
    # The statistics and the kept weights differ from those of plain projection.
    assert losses[0]["after"] != losses[1]["after"]
    assert losses[0]["nonzero"] == losses[1]["nonzero"]


@pytest.mark.slow
def test_suggestion_by_multiplications_under_a_cap(files, capfd):
    more = [f"--data={files / 'data.npz'}", "--suggest=2", "--json", "--calibration=16"]
    assert main(arguments(files, *more, "--suggest_by=macs", "--highest_rate=3")) == 0
    assert max(json.loads(capfd.readouterr().out)["suggested_rates"].values()) <= 3


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
        (["--output=x.keras", "--one_shot", "--calibration=9"], "--calibration: takes samples of"),
        (["--output=x.keras", "--data=DATA", "--calibration=0"], "--calibration: expected at leas"),
        (["--output=x.keras", "--one_shot", "--log=a.csv"], "--log: only training"),
        (["--output=x.keras", "--data=DATA", "--log=no/a.csv"], "--log: there is no folder"),
        (["--output=x.keras", "--data=DATA", "--suggest_by=macs"], "only --suggest uses them"),
        (["--output=x.keras", "--data=DATA", "--loss=none"], "no loss named none"),
        (["--output=x.keras", "--data=DATA", "--epochs=1"], "at least"),
        (["--output=x.keras", "--data=DATA", "--epochs=0"], "--epochs: expected at least 1. Rec"),
        (["--output=x.keras", "--data=DATA", "--batch_size=0"], "--batch_size: expected at least"),
        (
            ["--output=x.keras", "--data=DATA", "--learning_rate=0"],
            "--learning_rate: expected a finite number above 0. Received: 0",
        ),
        (["--output=x.keras", "--data=DATA", "--learning_rate=nan"], "above 0. Received: nan"),
        (["--data=DATA", "--suggest=0.5"], "--suggest: expected a finite number of at least 1"),
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
