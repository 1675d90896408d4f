"""What the studies of image classification share: data, training, contenders, scores.

Every contender ends with its last epoch, never with the best one, and test images serve for nothing
but the score of its converted .tflite file in LiteRT with the delegate. Choices are made on `held`
images, which are taken from the training images.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.common import batches, run_converted
from experiments.units import Scores, Units, cycle, fit, load
from pconv_tf.files import write_atomically

BATCH = 128
HELD = 5000
CALIBRATION = 512
MOMENTUM = 0.9
# Keras' decay is not multiplied by momentum: 1e-3 acts like the 1e-4 of the papers' PyTorch codes.
WEIGHT_DECAY = 1e-3
ADMM_RATE = 0.02
PEAK_RATE = 0.1
AWARE_RATE = 0.01
AWARE_EPOCHS = 3
# Share of the reference's opinion in a taught network's labels (Hinton et al., arXiv 1503.02531).
TAUGHT = 0.5
# Units that train nothing: full-integer files of networks that other units have trained.
INT8_OF = {"dense_int8": "dense_continued", "admm_int8": "admm"}

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """Pixels uint8 [N, H, W, C] and labels [N]."""

    pixels: Bytes
    labels: npt.NDArray[Any]


@dataclass(frozen=True)
class Data:
    """What a study trains on, chooses on and is scored on."""

    train: Images
    held: Images
    test: Images

    @classmethod
    def split(cls, train: Images, test: Images, *, thin: int = 1) -> Data:
        """Holds back `HELD` training images, drawn with a seed of their own.

        Args:
            train: All training images.
            test: All test images.
            thin: Keeps every n-th image only, for a try.
        """
        order = np.random.default_rng(5000).permutation(len(train.labels))
        parts = (order[HELD:][::thin], order[:HELD][::thin])
        chosen = [Images(train.pixels[part], train.labels[part]) for part in parts]
        return cls(*chosen, Images(test.pixels[::thin], test.labels[::thin]))


@dataclass(frozen=True)
class Study:
    """One network on one data set; its methods named like units make contenders.

    Attributes:
        units: Where results go.
        data: Images.
        build: A new, untrained network: float32 images to logits.
        normalise: From pixels to what the network reads.
        shift: Images are shifted by up to so many pixels and mirrored in training.
        dense_epochs: Of the dense network's training from scratch.
        recipe: Of pruning; its total epochs are those of every other contender, too.
        threads: Of LiteRT.
    """

    units: Units
    data: Data
    build: Callable[[], Any]
    normalise: Callable[[Bytes], npt.NDArray[np.float32]]
    shift: int
    dense_epochs: int
    recipe: dict[str, Any]
    threads: int

    def run(self, unit: str, seed: int) -> dict[str, Any]:
        """Does the unit of this name, unless it is done."""
        if unit in INT8_OF:
            network = self.units.file(INT8_OF[unit], seed)
            return self.units.rescore(unit, seed, lambda file: self._score_int8(file, network))
        score = self._score_int8 if unit == "admm_aware" else self.score
        return self.units.run(unit, seed, lambda: getattr(self, unit)(seed), score)

    def dense(self, seed: int) -> Any:
        """The dense network, trained from scratch."""
        return self._train("dense", seed, self._new(seed), self.dense_epochs)

    def dense_continued(self, seed: int) -> Any:
        """The dense network, trained for as many further epochs as a pruned one: the reference."""
        return self._train("dense_continued", seed, self._dense(seed), self._config.total_epochs)

    def admm(self, seed: int) -> Any:
        """ADMM, hard prune with refit, retraining."""
        return self._admm("admm", seed, self._config)

    def admm_taught(self, seed: int) -> Any:
        """ADMM with labels that are half the reference's opinion of the image."""
        return self._admm("admm_taught", seed, self._config, self._reference(seed))

    def admm_per_layer(self, seed: int) -> Any:
        """As many weights in all, but every layer at the rate that it bears, see `_rates`."""
        return self._admm("admm_per_layer", seed, self._per_layer(seed))

    def admm_per_layer_taught(self, seed: int) -> Any:
        """Both: rates by layer, and labels that are half the reference's opinion."""
        config = self._per_layer(seed)
        return self._admm("admm_per_layer_taught", seed, config, self._reference(seed))

    def admm_aware(self, seed: int) -> Any:
        """The pruned network, trained on with the rounding of int8: a full-integer file."""
        from pconv_tf.training import FakeQuantization, KeepZeros

        model = load(self._new(seed), self.units.file("admm", seed))
        callbacks = (KeepZeros(), FakeQuantization())
        epochs = min(AWARE_EPOCHS, self.recipe["retrain_epochs"])
        return self._train("admm_aware", seed, model, epochs, *callbacks, peak=AWARE_RATE)

    def refit_only(self, seed: int) -> Any:
        """Magnitude pruning at once with refit, and no training."""
        import pconv_tf

        return pconv_tf.prune_one_shot(
            self._dense(seed), self._config, calibration=self._calibration()
        )

    def one_shot(self, seed: int) -> Any:
        """Magnitude pruning at once with refit, retrained for as many epochs as ADMM has in all."""
        from pconv_tf.training import KeepZeros

        model = self.refit_only(seed)
        return self._train("one_shot", seed, model, self._config.total_epochs, KeepZeros())

    def score(
        self, file: Path, network: Path | None = None, **conversion: Any
    ) -> tuple[dict[str, Any], Scores]:
        """Scores a stored network: its JSON entry, and which test images it gets right.

        Args:
            file: Of the unit; the converted file lies beside it.
            network: The file with the weights, if that is another one.
            conversion: Further arguments of `pconv_tf.convert`.
        """
        import pconv_tf

        model = load(self.build(), network or file)
        path = file.with_suffix(".tflite")

        def right(images: Images) -> npt.NDArray[np.bool_]:
            inputs = self.normalise(images.pixels)
            logits = run_converted(model, inputs, path, 250, num_threads=self.threads, **conversion)
            return logits.argmax(axis=1) == images.labels

        test, held = right(self.data.test), right(self.data.held)
        report = pconv_tf.sparsity_report(model)
        layers = [layer for layer in report.layers if layer.kind != "dense"]
        macs, kept = (
            sum(getattr(layer, field) for layer in layers) for field in ("macs", "macs_kept")
        )
        return {
            "accuracy": float(test.mean()),
            "held_accuracy": float(held.mean()),
            "conv_compression": round(report.conv_compression, 3),
            "mac_compression": round(macs / kept, 3),
            "tflite_bytes": path.stat().st_size,
        }, test

    def _score_int8(self, file: Path, network: Path | None = None) -> tuple[dict[str, Any], Scores]:
        images = self._calibration()
        return self.score(
            file,
            network,
            quantize="int8",
            representative_dataset=lambda: ([image[None]] for image in images),
        )

    @property
    def _config(self) -> Any:
        return pruning_config(self.recipe)

    def _rates(self, seed: int) -> dict[str, float]:
        """Rates by layer for the compression that the recipe has: what the held images bear best.

        A layer's cost is the loss, rather than the accuracy, which changes in steps.
        """
        import pconv_tf
        from pconv_tf.training import sensitivity

        file = self.units.run_folder("admm_per_layer", seed) / "rates.json"
        if not file.exists():
            model, samples = self._dense(seed), self._calibration()
            measured = sensitivity.measure(
                model, self._config, self._held_likelihood, calibration=samples
            )
            uniform = pconv_tf.sparsity_report(pconv_tf.prune_one_shot(model, self._config))
            rates = measured.suggest(
                uniform.conv_compression, highest=2 * self.recipe["connectivity_rate"]
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(rates))
        found: dict[str, float] = json.loads(file.read_text())
        return found

    def _held_likelihood(self, model: Any) -> float:
        logits = model.predict(self.normalise(self.data.held.pixels), batch_size=500, verbose=0)
        logits -= logits.max(axis=1, keepdims=True)
        right = logits[np.arange(len(logits)), self.data.held.labels]
        return float(np.mean(right - np.log(np.exp(logits).sum(axis=1))))

    def _per_layer(self, seed: int) -> Any:
        layers = {name: {"rate": rate} for name, rate in self._rates(seed).items()}
        return pruning_config(self.recipe | {"per_layer": self.recipe["per_layer"] | layers})

    def _admm(self, unit: str, seed: int, config: Any, teacher: Any = None) -> Any:
        model, epochs = self._dense(seed), config.total_epochs
        return self._train(unit, seed, model, epochs, admm=config, teacher=teacher)

    def _new(self, seed: int) -> Any:
        import keras

        keras.utils.set_random_seed(seed)
        return self.build()

    def _dense(self, seed: int) -> Any:
        return load(self._new(seed), self.units.file("dense", seed))

    def _reference(self, seed: int) -> Any:
        return load(self._new(seed), self.units.file("dense_continued", seed))

    def _calibration(self) -> npt.NDArray[np.float32]:
        return self.normalise(self.data.train.pixels[:CALIBRATION])

    def _train(
        self,
        unit: str,
        seed: int,
        model: Any,
        epochs: int,
        *callbacks: Any,
        admm: Any = None,
        peak: float = PEAK_RATE,
        teacher: Any = None,
    ) -> Any:
        import keras

        import pconv_tf

        run = self.units.run_folder(unit, seed)
        # Other images than those of the first training come first in a second one.
        order = seed if unit == "dense" else seed + 1
        mix = None if teacher is None else functools.partial(mixed_labels, teacher)
        dataset = augmented(self.data.train, self.normalise, self.shift, order, BATCH, mix)
        steps = len(dataset[0])
        pruning, flat = None, 0
        if admm is not None:
            pruning = pconv_tf.PConvCallback(
                admm, calibration=self._calibration(), checkpoint_dir=run
            )
            flat = admm.admm_epochs * steps
        optimizer = keras.optimizers.SGD(
            cycle(peak, epochs * steps, flat_rate=ADMM_RATE, flat=flat),
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=WEIGHT_DECAY,
        )
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        loss = "SparseCategoricalCrossentropy" if teacher is None else "CategoricalCrossentropy"
        model.compile(
            optimizer, getattr(keras.losses, loss)(from_logits=True), metrics=["accuracy"]
        )
        fit(model, dataset, epochs, run, *callbacks, pruning=pruning)
        return model


def pruning_config(recipe: dict[str, Any]) -> Any:
    """The recipe, checked; imports pconv_tf when it is called."""
    import pconv_tf

    return pconv_tf.PruningConfig.from_any(recipe)


def mixed_labels(teacher: Any, images: Any, labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Labels [N] mixed with the teacher's probabilities of these very images: [N, classes]."""
    logits = np.asarray(teacher.predict_on_batch(images))
    mixed: npt.NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    mixed *= TAUGHT / mixed.sum(axis=1, keepdims=True)
    mixed[np.arange(len(labels)), labels] += 1 - TAUGHT
    return mixed


def augmented(
    images: Images,
    normalise: Callable[[Bytes], npt.NDArray[np.float32]],
    shift: int,
    seed: int,
    batch_size: int,
    relabel: Callable[[Any, npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
) -> tuple[Any, Any]:
    """Shuffled batches of randomly shifted and mirrored images, see `common.batches`.

    Args:
        images: To draw from.
        normalise: From pixels to what the network reads.
        shift: Pixels, at most.
        seed: Of order, shifts and mirrors.
        batch_size: Images of a batch.
        relabel: Makes the labels of the images of a batch, given with their own.
    """
    height, width = images.pixels.shape[1:3]

    @functools.lru_cache(maxsize=1)
    def order(epoch: int) -> npt.NDArray[np.intp]:
        return np.random.default_rng([seed, epoch]).permutation(len(images.labels))

    def make(epoch: int, index: int) -> tuple[Any, Any]:
        chosen = order(epoch)[index * batch_size : (index + 1) * batch_size]
        rng = np.random.default_rng([seed, epoch, index])
        padded = np.pad(
            normalise(images.pixels[chosen]), ((0, 0), (shift, shift), (shift, shift), (0, 0))
        )
        corners = rng.integers(0, 2 * shift + 1, (len(chosen), 2))
        shifted = np.stack(
            [
                image[top : top + height, left : left + width]
                for image, (top, left) in zip(padded, corners, strict=True)
            ]
        )
        mirrored = rng.random(len(chosen)) < 0.5
        shifted[mirrored] = shifted[mirrored, :, ::-1]
        labels = images.labels[chosen].astype(np.int32)
        return shifted, labels if relabel is None else relabel(shifted, labels)

    return batches(make, len(images.labels) // batch_size)
