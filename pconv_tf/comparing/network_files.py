"""Networks by name as .tflite files: pruned at once, converted, and kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pconv_tf import __version__
from pconv_tf.cache_folder import cache_folder
from pconv_tf.comparing.networks import Network, build_network, network
from pconv_tf.config import PruningConfig
from pconv_tf.files import write_atomically

if TYPE_CHECKING:
    import keras
    import numpy as np

_PACKAGE = Path(__file__).parents[1]
PRECISIONS = ("float32", "int8")
_SAMPLES = 8  # random images that int8 files are calibrated with

# What the files depend on besides their parameters.
_SOURCES = ("config.py", "training", "fkw", "conversion", "comparing")


@dataclass(frozen=True)
class NetworkFiles:
    """A pruned network on disk.

    Attributes:
        name: Of the network.
        pruning: Fields of `PruningConfig` it was pruned with.
        dense: The dense twin: the same pruned weights, stock operators only.
        pconv: The converted file.
        conv_weights_kept: Fraction of the convolutions' weights that are not zero.
    """

    name: str
    pruning: dict[str, Any]
    dense: Path
    pconv: Path
    conv_weights_kept: float


def network_files(
    name: str,
    pruning: Mapping[str, Any] | None = None,
    *,
    precision: str = "float32",
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> NetworkFiles:
    """Makes, or finds in the cache, the files of a network with one-shot pruned random weights.

    Args:
        name: A key of `NETWORKS`.
        pruning: Fields of `PruningConfig` that replace the network's own; None values are ignored.
        precision: Of the files: "float32", or "int8" for full-integer ones with float32 inputs.
        seed: Of the weights.
        progress: Called with a line if the files have to be made, which takes up to a minute.

    Raises:
        ValueError: Unknown network or precision, or a pruning field is wrong.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision: expected one of {', '.join(PRECISIONS)}. Received: {precision!r}"
        )
    spec = network(name)
    fields = dict(spec.pruning) | {k: v for k, v in (pruning or {}).items() if v is not None}
    PruningConfig.from_any(fields)  # wrong fields are told before anything is built
    key = json.dumps([name, fields, precision, seed, _source_digest()], sort_keys=True)
    folder = cache_folder("networks", f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
    facts = folder / "network.json"  # written last: its presence says that the others are complete
    if not facts.is_file():
        progress(f"building, pruning and converting {name}")
        kept = _make_elsewhere(spec, fields, precision, seed, folder)
        write_atomically(facts, json.dumps({"conv_weights_kept": kept, "pruning": fields}))
    return NetworkFiles(
        name=name,
        pruning=fields,
        dense=folder / "dense.tflite",
        pconv=folder / "pconv.tflite",
        conv_weights_kept=json.loads(facts.read_text())["conv_weights_kept"],
    )


def _make_elsewhere(
    spec: Network, pruning: Mapping[str, Any], precision: str, seed: int, folder: Path
) -> float:
    """Makes the files in a process of its own, which takes TensorFlow and its messages along."""
    path = os.pathsep.join(filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps([spec.name, pruning, precision, seed, str(folder)]),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"making {spec.name} failed:\n{result.stderr[-2000:]}")
    answer = json.loads(result.stdout.splitlines()[-1])
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["kept"]


def _make(name: str, pruning: Mapping[str, Any], precision: str, seed: int, folder: Path) -> float:
    from pconv_tf.conversion import convert, convert_dense
    from pconv_tf.training import prune_one_shot

    model = build_network(name, seed=seed)
    energies = {layer.name: _energy(layer) for layer in _weighted(model)}
    prune_one_shot(model, dict(pruning))
    for layer in _weighted(model):
        _restore_energy(layer, energies[layer.name])
    _normalise_logits(model, seed)
    dense = convert_dense(model, **_quantization(model, precision, seed))
    write_atomically(folder / "dense.tflite", dense)
    write_atomically(folder / "pconv.tflite", convert(dense, quiet=True))
    return _kept(model)


def _quantization(model: keras.Model, precision: str, seed: int) -> dict[str, Any]:
    """Arguments of `convert_dense` for files of a precision."""
    if precision == "float32":
        return {}
    import numpy as np

    rng = np.random.default_rng(seed)
    images = [rng.uniform(-1, 1, model.input_shape).astype(np.float32) for _ in range(_SAMPLES)]
    return {"quantize": precision, "representative_dataset": lambda: ([i] for i in images)}


def _weighted(model: keras.Model) -> Iterator[Any]:
    return (layer for layer in model.layers if hasattr(layer, "kernel"))


def _energy(layer: Any) -> float:
    import numpy as np

    return float(np.sum(np.square(np.asarray(layer.kernel)), dtype=np.float64))


def _restore_energy(layer: Any, energy: float) -> None:
    """Scales what pruning left, so that activations keep their magnitude through deep networks."""
    left = _energy(layer)
    if left:
        layer.kernel.assign(layer.kernel * (energy / left) ** 0.5)


def _normalise_logits(model: keras.Model, seed: int) -> None:
    """Scales a classifier so that its logits have deviation 1: a softmax then hides no error."""
    import keras
    import numpy as np

    classifier = model.layers[-1]
    if not isinstance(classifier, keras.layers.Dense):
        return
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, model.input_shape).astype(np.float32)
    features = keras.Model(model.input, classifier.input)(image, training=False)
    logits: np.ndarray = np.asarray(features) @ np.asarray(classifier.kernel)
    classifier.kernel.assign(classifier.kernel / float(np.std(logits)))


def _kept(model: keras.Model) -> float:
    import keras
    import numpy as np

    kernels = [
        np.asarray(layer.kernel)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    return sum(map(np.count_nonzero, kernels)) / sum(kernel.size for kernel in kernels)


def _source_digest() -> str:
    """Changes whenever the code that makes the files does, or the cost model."""
    digest = hashlib.sha256(__version__.encode())
    for source in _SOURCES:
        path = _PACKAGE / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".json"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _main() -> None:
    """Answers one request of `_make_elsewhere`: JSON in, a line of JSON out."""
    name, pruning, precision, seed, folder = json.load(sys.stdin)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer = {"kept": _make(name, pruning, precision, seed, Path(folder))}
    except ValueError as error:
        print(json.dumps({"error": f"{name}: {error}"}))
    else:
        print(json.dumps(answer))


if __name__ == "__main__":
    _main()
