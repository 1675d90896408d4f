"""Whole networks stay in the delegate's own layout: one partition, nothing left to the runtime."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from pruned_models import prune

import pconv_tf

# Image sizes are the smallest that the networks take, MobileNetV2 also in its narrowest form.
NETWORKS = {
    "VGG16": {},
    "ResNet50": {},
    "MobileNetV2": {"alpha": 0.35},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_one_partition(name, rng, capfd):
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=10, **NETWORKS[name])
    converted = pconv_tf.convert(prune(model, rng), force=True, quiet=True)
    capfd.readouterr()
    interpreter = pconv_tf.Interpreter(converted, options={"verbose": True, "backend": "cpu"})
    log = capfd.readouterr().err
    claimed, nodes, pruned = re.search(
        r"claims (\d+) of (\d+) nodes, (\d+) of them PConv2D", log
    ).groups()
    assert claimed == nodes, "\n".join(line for line in log.splitlines() if "refused" in line)
    assert int(pruned) > 8
    assert len(re.findall(r"partition of \d+ nodes on the cpu engine", log)) == 1
    assert np.isfinite(interpreter(np.ones((1, 32, 32, 3), np.float32))).all()
