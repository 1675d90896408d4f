"""Prunes the convolutions of a .tflite file at once, where no Keras model of it is at hand."""

from __future__ import annotations

import numpy as np

from pconv_tf.config import PruningConfig
from pconv_tf.conversion import model_file
from pconv_tf.conversion.constants import NotConvertible
from pconv_tf.conversion.graph import BuiltinOperator, Graph
from pconv_tf.conversion.match import match
from pconv_tf.training.patterns import fixed_set
from pconv_tf.training.projections import KernelConstraint


def prune_file(data: bytes, name: str) -> tuple[bytes, int]:
    """Projects the weights of all CONV_2D but the first onto the default configuration.

    3x3 kernels keep 4 taps, as "pconv4" says; of these and of all others so many are kept as
    `connectivity_rate` says. What is kept is scaled up to the layer's energy, so that activations
    keep their magnitude. Weights that are neither float32 nor float16, or are stored sparse, stay.

    Args:
        data: The file.
        name: What to call it in errors.

    Returns:
        The file with pruned weights, stored as they were, and how many layers were pruned.

    Raises:
        ValueError: It is no .tflite file.
    """
    file = model_file.read(data, name)
    pruned: set[int] = set()  # buffers, which layers may share
    first = True
    for subgraph in file.model.subgraphs:
        graph = Graph(file.model, subgraph)
        for operator in graph.operators:
            if graph.builtin(operator) != BuiltinOperator.CONV_2D:
                continue
            if first:
                first = False
                continue
            try:
                weights = match(graph, operator).weights
            except NotConvertible:
                continue
            buffer = graph.tensor(weights.tensor).buffer
            stored = graph.constant(weights.tensor)
            if stored is None or stored.dtype.kind != "f" or buffer in pruned:
                continue
            values = projected(weights.values.astype(np.float32)).astype(stored.dtype)
            file.model.buffers[buffer].data = (
                np.ascontiguousarray(values).reshape(-1).view(np.uint8)
            )
            pruned.add(buffer)
    return model_file.write(file), len(pruned)


def projected(filters: np.ndarray) -> np.ndarray:
    """Filters [O, kh, kw, I] projected onto the default constraints, with their old energy."""
    weights = filters.transpose(1, 2, 3, 0)
    settings = PruningConfig()
    patterns = fixed_set("pconv4") if weights.shape[:2] == (3, 3) else None
    # A layer that has fewer kernels keeps one.
    rate = min(settings.connectivity_rate, float(weights.shape[2] * weights.shape[3]))
    shape = (*weights.shape[:2], *weights.shape[2:])
    constraint = KernelConstraint(shape, patterns, rate)
    kept = np.where(constraint.expand(constraint.project(weights)), weights, 0)
    left = np.square(kept, dtype=np.float64).sum()
    energy = np.square(weights, dtype=np.float64).sum()
    scale = np.sqrt(energy / left) if left else 1.0
    return (kept * np.float32(scale)).transpose(3, 0, 1, 2)
