"""Prunes a Keras model: trains it to its patterns, or projects it at once.

train and prune; without training; propose a rate for each layer:

  pconv-tf prune --model=a.keras --config=c.yaml --data=cifar10 --output=b.keras
  pconv-tf prune --model=a.keras --config=c.yaml --one_shot --output=b.keras
  pconv-tf prune --model=a.keras --config=c.yaml --data=cifar10 --suggest=8

--data is the name of a data set in keras.datasets, or an .npz file with the
arrays x_train, y_train and, for scores, x_test, y_test. Images of bytes are
scaled to 0..1.

Loss, metrics and optimizer are those of the model file, except for what
--loss, --from_logits and --learning_rate change. A file that holds none needs
--loss; its optimizer is Adam at 0.001 unless told otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pconv_tf.cli import custom_objects, output
from pconv_tf.config import PruningConfig

_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")


@dataclasses.dataclass(frozen=True)
class _Data:
    x_train: npt.NDArray[Any]
    y_train: npt.NDArray[Any]
    x_test: npt.NDArray[Any] | None
    y_test: npt.NDArray[Any] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `pconv-tf prune`."""
    add = parser.add_argument
    add("--model", required=True, metavar="FILE", help="a saved model: .keras or .h5")
    add(
        "--config",
        required=True,
        metavar="FILE|NAME",
        help="what to prune: YAML, or a recipe's name",
    )
    add("--output", metavar="FILE", help="where to write the pruned model (.keras)")
    add("--data", metavar="NAME|FILE", help="training data; not needed with --one_shot")
    add("--epochs", type=int, metavar="N", help="epochs in all (default: those of the recipe)")
    add("--batch_size", type=int, default=128, metavar="N", help="images a step (%(default)s)")
    add("--learning_rate", type=float, metavar="R", help="train with Adam at this rate")
    add(
        "--loss",
        metavar="NAME",
        help="train with this Keras loss, for instance sparse_categorical_crossentropy",
    )
    add(
        "--from_logits",
        action="store_true",
        help="the model ends in logits, not probabilities; its loss or --loss is to take them",
    )
    add("--checkpoint_dir", metavar="DIR", help="keep a checkpoint here, and resume from it")
    add("--seed", type=int, default=0, metavar="N", help="seed of the training (%(default)s)")
    add("--log", metavar="FILE", help="write every epoch's values as CSV, for report --history")
    add("--one_shot", action="store_true", help="project the weights at once, without training")
    add(
        "--calibration",
        type=int,
        metavar="N",
        help="refit the kept weights when pruning, and set batch normalisation, with N of x_train",
    )
    add(
        "--suggest",
        type=float,
        metavar="X",
        help="propose rates per layer that compress the convolutions X times; prints a recipe",
    )
    add(
        "--suggest_by",
        choices=("weights", "macs"),
        default="weights",
        help="with --suggest: what is to be X times fewer (%(default)s)",
    )
    add(
        "--highest_rate", type=float, metavar="R", help="with --suggest: no layer gets a higher one"
    )
    add("--plot", metavar="FILE", help="with --suggest: draw the scores of every layer and rate")
    add("--tf_keras", action="store_true", help="load the model with tf_keras, not Keras 3")
    custom_objects.add_arguments(parser)
    output.add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `pconv-tf prune`."""
    _check(args)
    config = PruningConfig.from_yaml(args.config)
    with custom_objects.known(args):
        keras, model = _load_model(args)
    data = None if args.data is None else _load_data(args.data)
    keras.utils.set_random_seed(args.seed)
    changed = args.loss is not None or args.learning_rate is not None or args.from_logits
    # An optimizer that Keras 3 reads from .h5 knows none of the weights and cannot train.
    if changed or (_is_compiled(model) and args.model.endswith(".h5")):
        _compile(keras, model, args)
    if args.suggest is not None:
        assert data is not None
        return _suggest(model, config, data, args)
    return _prune(keras, model, config, data, args)


def _calibration(data: _Data | None, args: argparse.Namespace) -> Any:
    from pconv_tf.training import Calibration

    if data is None or args.calibration is None:
        return None
    return Calibration(data.x_train, samples=args.calibration)


def _check(args: argparse.Namespace) -> None:
    if args.suggest is None and args.output is None:
        raise ValueError("--output: missing; where should the pruned model go?")
    if args.output is not None and not args.output.endswith(".keras"):
        raise ValueError(f"--output: expected a name that ends in .keras. Received: {args.output}")
    if args.output is not None and not Path(args.output).absolute().parent.is_dir():
        raise ValueError(f"--output: there is no folder {Path(args.output).absolute().parent}")
    if args.data is None and not args.one_shot:
        raise ValueError("--data: missing; only --one_shot needs none")
    if args.one_shot and args.suggest is not None:
        raise ValueError("--one_shot and --suggest exclude one another")
    if args.plot is not None and args.suggest is None:
        raise ValueError("--plot: only --suggest has something to draw")
    if args.suggest is None and (args.suggest_by != "weights" or args.highest_rate is not None):
        raise ValueError("--suggest_by and --highest_rate: only --suggest uses them")
    if args.calibration is not None and args.data is None:
        raise ValueError("--calibration: takes samples of --data, which is missing")
    if args.calibration is not None and args.calibration < 1:
        raise ValueError(f"--calibration: expected at least 1. Received: {args.calibration}")
    if args.log is not None and (args.one_shot or args.suggest is not None):
        raise ValueError("--log: only training has epochs to write of")
    if args.log is not None and not Path(args.log).absolute().parent.is_dir():
        raise ValueError(f"--log: there is no folder {Path(args.log).absolute().parent}")
    if args.epochs is not None and args.epochs < 1:
        raise ValueError(f"--epochs: expected at least 1. Received: {args.epochs}")
    if args.batch_size < 1:
        raise ValueError(f"--batch_size: expected at least 1. Received: {args.batch_size}")
    if args.learning_rate is not None and not 0 < args.learning_rate < math.inf:
        raise ValueError(
            f"--learning_rate: expected a finite number above 0. Received: {args.learning_rate:g}"
        )
    if args.suggest is not None and not 1 <= args.suggest < math.inf:
        raise ValueError(
            f"--suggest: expected a finite number of at least 1. Received: {args.suggest:g}"
        )


def _load_model(args: argparse.Namespace) -> tuple[Any, Any]:
    path = Path(args.model)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such model file")
    if args.tf_keras:
        import tf_keras as keras
    else:
        import keras
    try:
        return keras, keras.models.load_model(path)
    except Exception as error:  # Keras raises whatever the reader of the format raises.
        hint = "" if args.tf_keras else " (if tf_keras wrote it, add --tf_keras)"
        raise ValueError(f"{path}: not a model that can be loaded{hint}: {error}") from error


def _load_data(source: str) -> _Data:
    if source in _DATASETS:
        import keras

        try:
            train, test = getattr(keras.datasets, source).load_data()
        except Exception as error:
            raise ValueError(f"--data: {source} could not be downloaded: {error}") from error
        arrays = {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}
    else:
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file; --data takes an .npz file or one of {', '.join(_DATASETS)}"
            )
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not an .npz file: {error}") from error
        missing = [name for name in ("x_train", "y_train") if name not in arrays]
        if missing or ("x_test" in arrays) != ("y_test" in arrays):
            raise ValueError(
                f"{path}: expected the arrays x_train, y_train and, for scores, x_test and y_test. "
                f"Found: {', '.join(arrays) or 'none'}"
            )
    for name, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        if name in arrays:
            if len(arrays[name]) != len(arrays[labels]):
                raise ValueError(
                    f"{source}: {name} and {labels} must have one length. "
                    f"Found: {len(arrays[name])} and {len(arrays[labels])}"
                )
            arrays[name] = _images(arrays[name])
    return _Data(arrays["x_train"], arrays["y_train"], arrays.get("x_test"), arrays.get("y_test"))


def _images(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / 255
    return x[..., np.newaxis] if x.ndim == 3 else x


def _compile(keras: Any, model: Any, args: argparse.Namespace) -> None:
    """Compiles anew as the flags say; what they leave open stays as the model file has it."""
    settings: dict[str, Any] = {}
    if _is_compiled(model):
        settings = keras.saving.deserialize_keras_object(model.get_compile_config())
    if args.loss is not None:
        try:
            settings["loss"] = keras.losses.get(args.loss)
        except ValueError as error:
            raise ValueError(f"--loss: Keras has no loss named {args.loss}") from error
        if "crossentropy" in args.loss and not settings.get("metrics"):
            settings["metrics"] = ["accuracy"]
    if settings.get("loss") is None:
        raise ValueError("--loss: missing; the model file holds no training configuration")
    if args.from_logits:
        settings["loss"] = _from_logits(keras, settings["loss"])
    if args.learning_rate is not None or "optimizer" not in settings:
        rate = 1e-3 if args.learning_rate is None else args.learning_rate
        settings["optimizer"] = keras.optimizers.Adam(rate)
    model.compile(**settings)


def _from_logits(keras: Any, loss: Any) -> Any:
    """The same loss of logits."""
    classes = {
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "binary_crossentropy": keras.losses.BinaryCrossentropy,
    }
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    if name in classes:
        return classes[name](from_logits=True)
    settings = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    if "from_logits" not in settings:
        raise ValueError(
            "--from_logits: expected a loss that takes logits, from --loss or the model file, "
            f"for instance {', '.join(classes)}. Found: {name}"
        )
    return type(loss).from_config(settings | {"from_logits": True})


def _prune(
    keras: Any, model: Any, config: PruningConfig, data: _Data | None, args: argparse.Namespace
) -> int:
    import pconv_tf
    from pconv_tf.training.checkpoint import next_epoch
    from pconv_tf.training.data_order import epochs_of
    from pconv_tf.training.saving import save_whole

    scored = data is not None and data.x_test is not None and _is_compiled(model)
    before = _metrics(model, data, args) if scored and data is not None else {}
    calibration = _calibration(data, args)
    if args.one_shot:
        pconv_tf.prune_one_shot(model, config, calibration=calibration)
    else:
        assert data is not None
        if not _is_compiled(model):
            raise ValueError("--loss: missing; the model file holds no training configuration")
        folder = None if args.checkpoint_dir is None else Path(args.checkpoint_dir)
        callback = pconv_tf.PConvCallback(config, checkpoint_dir=folder, calibration=calibration)
        first_epoch = 0 if folder is None else next_epoch(folder, config)
        callbacks = [callback]
        if args.log is not None:
            # A run that goes on adds to the log of the epochs before.
            callbacks.append(keras.callbacks.CSVLogger(args.log, append=first_epoch > 0))
        # Keras reports on standard output, which is for the result.
        with contextlib.redirect_stdout(sys.stderr):
            model.fit(
                epochs_of(data.x_train, data.y_train, args.batch_size, args.seed, first_epoch),
                steps_per_epoch=-(-len(data.x_train) // args.batch_size),
                epochs=config.total_epochs if args.epochs is None else args.epochs,
                shuffle=False,
                callbacks=callbacks,
                verbose=1 if sys.stderr.isatty() else 2,
            )
    after = _metrics(model, data, args) if scored and data is not None else {}
    save_whole(model, Path(args.output))
    report = pconv_tf.sparsity_report(model, config)
    if args.json:
        output.print_json(report.to_dict() | {"before": before, "after": after})
        return 0
    print(report)
    for name, value in after.items():
        print(f"{name}: {before[name]:.4f} before, {value:.4f} after pruning")
    output.note(f"wrote {args.output}")
    return 0


def _suggest(model: Any, config: PruningConfig, data: _Data, args: argparse.Namespace) -> int:
    from pconv_tf.training.sensitivity import measure

    if data.x_test is None or not _is_compiled(model):
        raise ValueError(
            "--suggest: needs x_test and y_test in --data, and a model with a loss (see --loss)"
        )

    def score(model: Any) -> float:
        metrics = _metrics(model, data, args)
        return metrics.get("accuracy", -metrics["loss"])

    with output.progress("layers and rates") as bar:
        advance: Callable[[int, int], None] = lambda done, total: bar.update(  # noqa: E731
            bar.tasks[0].id, completed=done, total=total
        )
        sensitivity = measure(
            model, config, score, calibration=_calibration(data, args), progress=advance
        )
    highest = math.inf if args.highest_rate is None else args.highest_rate
    rates = sensitivity.suggest(args.suggest, by=args.suggest_by, highest=highest)
    if args.plot is not None:
        sensitivity.plot(args.plot)
    if args.json:
        recipe = _recipe(config, rates)
        output.print_json(sensitivity.to_dict() | {"suggested_rates": rates, "recipe": recipe})
        return 0
    import yaml

    counted = "MACs" if args.suggest_by == "macs" else "weights"
    print(
        f"# {args.suggest:g}x fewer convolution {counted}; score {sensitivity.baseline:.4f} dense"
    )
    print(yaml.safe_dump(_recipe(config, rates), sort_keys=False), end="")
    return 0


def _recipe(config: PruningConfig, rates: dict[str, float]) -> dict[str, Any]:
    """The configuration with these rates by layer, as plain values that YAML can hold."""
    fields = config.to_dict()
    overrides = fields["per_layer"]
    for name, rate in rates.items():
        overrides[name] = overrides.get(name, {}) | {"rate": rate}
    # A schedule drives only layers without a rate of their own, and none is left.
    return json.loads(json.dumps(fields | {"schedule": None}))


def _metrics(model: Any, data: _Data | None, args: argparse.Namespace) -> dict[str, float]:
    assert data is not None
    values = model.evaluate(
        data.x_test, data.y_test, batch_size=args.batch_size, verbose=0, return_dict=True
    )
    return {name: float(value) for name, value in values.items()}


def _is_compiled(model: Any) -> bool:
    return bool(getattr(model, "compiled", getattr(model, "_is_compiled", False)))
