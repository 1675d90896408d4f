"""The files of zoo/ are what their cards say and score what these say."""

import hashlib
import json

import numpy as np
import pytest

import pconv_tf
from experiments import demosaic_bsds, fashion_mnist_vgg, zoo
from experiments.demosaicnet import mosaic_of
from experiments.units import RESULTS, unit_name
from pconv_tf.demo import fashion_mnist

CARDS = {path.stem: json.loads(path.read_text()) for path in sorted(zoo.ZOO.glob("*.json"))}
ENTRIES = {entry.name: entry for entry in zoo.ENTRIES}
LARGEST = 12e6
VGG = ("fashion_mnist_vgg16_quarter_8x", "fashion_mnist_vgg16_quarter_8x_int8")
# PSNR of the files on a part of the photograph that matplotlib has, in dB.
HOPPER = {"demosaicnet_4x": 40.68, "demosaicnet_8x": 39.47, "demosaicnet_4x_tuned": 41.51}


def test_every_entry_has_a_file_and_a_card_and_nothing_else_is_there():
    assert set(CARDS) == set(ENTRIES)
    assert {path.stem for path in zoo.ZOO.glob("*.tflite")} == set(ENTRIES)
    assert sum(path.stat().st_size for path in zoo.ZOO.iterdir()) <= LARGEST


@pytest.mark.parametrize(("document", "folder"), zoo.DOCUMENTS)
def test_the_table_is_that_of_the_cards(document, folder):
    text = document.read_text()
    assert text.split(zoo.TABLE[0])[1].split(zoo.TABLE[1])[0] == zoo.table(folder)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_describes_its_file_and_repeats_its_study(name):
    card, entry = CARDS[name], ENTRIES[name]
    content = (zoo.ZOO / f"{name}.tflite").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert len(content) == card["bytes"]
    results = json.loads((RESULTS / f"{entry.study}.json").read_text())["results"]
    pruned = results[unit_name(entry.unit, entry.seed)]
    assert card["score"] == pruned[entry.metric]
    assert card["conv_compression"] == pruned["conv_compression"]
    assert card["score_dense"] == results[unit_name(entry.reference, entry.seed)][entry.metric]
    # Of full-integer files the twin is stock int8, which AMX makes faster.
    assert card["latency"]["ratio"] > (0 if entry.calibration else 1)


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="package dataset-fashion-mnist is missing"
)
@pytest.mark.parametrize("name", VGG)
def test_the_vgg_scores_what_its_card_says(name):
    test = fashion_mnist_vgg.load().test
    interpreter = pconv_tf.Interpreter(str(zoo.ZOO / f"{name}.tflite"), num_threads=2)
    inputs = fashion_mnist_vgg.normalise(test.pixels)
    logits = np.concatenate([interpreter(batch) for batch in np.split(inputs, 40)])
    # Another processor may round a logit differently.
    right = (logits.argmax(axis=1) == test.labels).mean()
    assert right == pytest.approx(CARDS[name]["score"], abs=5e-4)


@pytest.mark.parametrize("name", HOPPER)
def test_demosaicnet_restores_a_photograph_of_another_source(name):
    image = pytest.importorskip("matplotlib.cbook").get_sample_data("grace_hopper.jpg")
    from PIL import Image

    _, height, width, _ = CARDS[name]["input_shape"]
    pixels = np.asarray(Image.open(image).convert("RGB"))[None, 100 : 100 + height, :width]
    truth = pixels.astype(np.float32) / 255
    margin = demosaic_bsds.MARGIN
    interpreter = pconv_tf.Interpreter(str(zoo.ZOO / f"{name}.tflite"), num_threads=2)
    outputs = interpreter(mosaic_of(truth))
    inner = truth[:, margin:-margin, margin:-margin]
    psnr = demosaic_bsds.psnr_of(outputs, inner)[0]
    assert psnr == pytest.approx(HOPPER[name], abs=0.02)
