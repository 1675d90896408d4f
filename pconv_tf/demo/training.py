"""The demo's three trainings, each of which goes on from its last whole epoch when stopped.

The pruned network and the dense one that it is compared with start from the same dense network and
are trained for the same number of further epochs, on the same batches, at the same learning rates.
Half of every label of the pruned one is what the dense one makes of that image (Hinton et al.,
"Distilling the Knowledge in a Neural Network", arXiv 1503.02531).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import pconv_tf
from pconv_tf.demo import network
from pconv_tf.demo.fashion_mnist import NUM_CLASSES, Split
from pconv_tf.demo.progress import Progress
from pconv_tf.files import write_atomically
from pconv_tf.training import Calibration
from pconv_tf.training.checkpoint import next_epoch
from pconv_tf.training.data_order import drawn_in, epochs_of
from pconv_tf.training.saving import save_whole

BATCH = 128
DENSE_EPOCHS = 3
LEARNING_RATE = 2e-3
CONTINUED_LEARNING_RATE = 5e-3
# The hard prune fits the kept weights to what the network computes of so many training images.
CALIBRATION_IMAGES = 512
# Share of the dense network's opinion in the labels of the pruned one.
DISTILLED = 0.5


def batches_in_all(epoch_images: int, config: pconv_tf.PruningConfig) -> int:
    """How many batches the three trainings have.

    Args:
        epoch_images: Images of an epoch.
        config: Of pruning.
    """
    return (DENSE_EPOCHS + 2 * config.total_epochs) * (epoch_images // BATCH)


@dataclass(frozen=True)
class Trainer:
    """Trains the networks.

    Attributes:
        train: Images and labels.
        epoch_images: How many images, drawn from all, an epoch has.
        config: Of pruning.
        seed: Of the initial weights and of the order of the images.
        folder: Keeps what is done, until `forget`; made if missing, and emptied if it holds the
            networks of other settings.
        progress: Is told of every batch.
    """

    train: Split
    epoch_images: int
    config: pconv_tf.PruningConfig
    seed: int
    folder: Path
    progress: Progress

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.epoch_images // BATCH

    def run(self) -> tuple[Any, Any]:
        """The dense and the pruned network, trained for the same number of epochs."""
        self._open_folder()
        further = self.config.total_epochs
        self.progress.begin(f"training the dense network, {DENSE_EPOCHS} epochs")
        start = self._train_dense("dense", None, LEARNING_RATE, DENSE_EPOCHS)
        self.progress.begin(f"training it on, as the one to compare with, {further} epochs")
        weights = start.get_weights()
        dense = self._train_dense("dense_continued", weights, CONTINUED_LEARNING_RATE, further)
        self.progress.begin(
            f"pruning the same network: {self.config.admm_epochs} epochs of ADMM, "
            f"hard prune, {further - self.config.admm_epochs} of retraining"
        )
        return dense, self._prune(weights, dense, further)

    def forget(self) -> None:
        """Removes what was kept for going on."""
        shutil.rmtree(self.folder)

    def _open_folder(self) -> None:
        settings = {
            "version": pconv_tf.__version__,
            "network": network.BLOCKS,
            "epoch_images": self.epoch_images,
            "config": self.config.to_dict(),
            "seed": self.seed,
            "training": [*(BATCH, DENSE_EPOCHS, LEARNING_RATE, CONTINUED_LEARNING_RATE, DISTILLED)],
            "data": hashlib.sha256(self.train.labels.tobytes()).hexdigest(),
        }
        text = json.dumps(settings, default=str, indent=2)
        path = self.folder / "settings.json"
        if path.is_file() and path.read_text() == text:
            return
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        write_atomically(path, text)

    def _train_dense(self, name: str, weights: Any, rate: float, epochs: int) -> Any:
        import keras

        done, path = self._latest(name)
        if path is not None:
            model = keras.models.load_model(path)
            self.progress.skip(done * self.steps)
        else:
            keras.utils.set_random_seed(self.seed)
            model = network.build(self._decay(rate, epochs))
            if weights is not None:
                model.set_weights(weights)

        def keep(epoch: int, logs: Any) -> None:
            del logs
            self._keep(model, name, epoch + 1)

        keeper = keras.callbacks.LambdaCallback(on_epoch_end=keep)
        labels = self.train.labels
        self._fit(model, labels, epochs, done, first=weights is None, callbacks=[keeper])
        return model

    def _prune(self, weights: Any, teacher: Any, epochs: int) -> Any:
        import keras

        name = "pruned"
        done, path = self._latest(name)
        if path is not None:
            self.progress.skip(done * self.steps)
            return keras.models.load_model(path)
        rate = self._decay(CONTINUED_LEARNING_RATE, epochs)
        model = network.build(rate, soft_labels=True)
        model.set_weights(weights)
        folder = self.folder / name
        done = next_epoch(folder, self.config) if folder.is_dir() else 0
        self.progress.skip(done * self.steps)
        callback = pconv_tf.PConvCallback(
            self.config,
            calibration=Calibration(self.train.images[:CALIBRATION_IMAGES], batch_size=BATCH),
            checkpoint_dir=folder,
        )
        labels = self._soft_labels(teacher, epochs)
        # The callback brings model and epoch to where the checkpoint was written.
        self._fit(model, labels, epochs, done, first=False, callbacks=[callback], resumes=True)
        self._keep(model, name, epochs)
        return model

    def _soft_labels(self, teacher: Any, epochs: int) -> npt.NDArray[np.float32]:
        """Labels of the images that are drawn in some epoch; others are 0."""
        labels = np.zeros((len(self.train.labels), NUM_CLASSES), np.float32)
        drawn = drawn_in(epochs, len(labels), self.seed + 1, self.steps * BATCH)
        logits = teacher.predict(self.train.images[drawn], batch_size=500, verbose=0)
        labels[drawn] = soft_labels(logits, self.train.labels[drawn])
        return labels

    def _fit(
        self,
        model: Any,
        labels: npt.NDArray[Any],
        epochs: int,
        done: int,
        *,
        first: bool,
        callbacks: list[Any],
        resumes: bool = False,
    ) -> None:
        """Trains the epochs that are not done.

        Args:
            model: Compiled.
            labels: Of the training images, as the model's loss takes them.
            epochs: In all.
            done: Of these.
            first: Whether this is the first training; later ones see other batches.
            callbacks: Further ones.
            resumes: Whether one of them tells `fit` at which epoch to begin.
        """
        if done >= epochs:
            return
        import keras

        report = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self.progress.trained(),
            on_epoch_end=lambda epoch, logs: self.progress.epoch(
                epoch + 1, epochs, logs["accuracy"]
            ),
        )
        seed = self.seed if first else self.seed + 1
        model.fit(
            epochs_of(self.train.images, labels, BATCH, seed, done, samples=self.steps * BATCH),
            steps_per_epoch=self.steps,
            initial_epoch=0 if resumes else done,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, report],
        )

    def _decay(self, rate: float, epochs: int) -> Any:
        import keras

        return keras.optimizers.schedules.CosineDecay(rate, epochs * self.steps, alpha=0.02)

    def _latest(self, name: str) -> tuple[int, Path | None]:
        """How many epochs of a training are done, and the file of the network after them."""
        pattern = re.compile(rf"{name}-(\d+)\.keras")
        found = {
            int(match[1]): path
            for path in self.folder.iterdir()
            if (match := pattern.fullmatch(path.name))
        }
        return max(found.items(), default=(0, None))

    def _keep(self, model: Any, name: str, epochs: int) -> None:
        """Stores a network and its optimizer after so many epochs, in place of what was there."""
        _, before = self._latest(name)
        save_whole(model, self.folder / f"{name}-{epochs}.keras")
        if before is not None:
            before.unlink()


def soft_labels(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Labels mixed with the teacher's probabilities: [images, classes].

    Args:
        logits: The teacher's, [images, classes].
        labels: Numbers of classes [images].
    """
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    mixed: npt.NDArray[np.float32] = DISTILLED * probabilities
    mixed[np.arange(len(mixed)), labels] += 1 - DISTILLED
    return mixed
