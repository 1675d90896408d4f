"""TFLite's own sparse tensors (`SparsityParameters` of the schema) to dense arrays."""

from __future__ import annotations

import numpy as np

from pconv_tf.conversion import model_file
from pconv_tf.conversion.graph import Graph, ids

_SPARSE_CSR = 1


def densified(graph: Graph, index: int) -> np.ndarray | None:
    """The dense value of a constant tensor in TFLite's sparse storage, None for any other tensor.

    The schema's scheme (after TACO): the dimensions, and the dimensions inside blocks, are visited
    in `traversalOrder`; each level is dense or compressed by segments and indices.

    Raises:
        ValueError: if the storage contradicts itself.
    """
    tensor, dtype = graph.tensor(index), graph.dtype(index)
    data = model_file.buffer_bytes(graph.model, tensor.buffer)
    if tensor.sparsity is None or data is None or dtype is None:
        return None
    shape, order = graph.shape(index), ids(tensor.sparsity.traversalOrder)
    blocked = ids(tensor.sparsity.blockMap)
    levels = tensor.sparsity.dimMetadata or []
    name = graph.name(index)
    if sorted(order) != list(range(len(shape) + len(blocked))) or len(levels) != len(order):
        raise ValueError(f"tensor {name}: sparse storage with a wrong traversal order")
    if any(not 0 <= dim < len(shape) for dim in blocked) or data.nbytes % dtype.itemsize:
        raise ValueError(f"tensor {name}: sparse storage with a wrong block map")

    # Coordinates of the stored values, one level after the other: node n of a level has the
    # position at[level][n]; `parents` repeats the coordinates of the levels before.
    coordinates: list[np.ndarray] = []
    nodes = 1
    for level in levels:
        if level.format == _SPARSE_CSR:
            segments = _vector(level.arraySegments)
            position = _vector(level.arrayIndices)
            steps = np.diff(segments)
            if len(segments) != nodes + 1 or (steps < 0).any() or steps.sum() != len(position):
                raise ValueError(f"tensor {name}: sparse storage with wrong segments")
            parents = np.repeat(np.arange(nodes), steps)
        else:
            size = max(int(level.denseSize), 0)
            if nodes * size * dtype.itemsize > data.nbytes * 64 + 64:
                raise ValueError(f"tensor {name}: sparse storage larger than its values")
            position = np.tile(np.arange(size), nodes)
            parents = np.repeat(np.arange(nodes), size)
        coordinates = [axis[parents] for axis in coordinates] + [position]
        nodes = len(position)
    values = data.view(dtype)
    if len(values) != nodes:
        raise ValueError(f"tensor {name}: sparse storage of {nodes} values, found {len(values)}")

    by_dimension = dict(zip(order, coordinates, strict=True))
    sizes = {dim: int(levels[order.index(dim)].denseSize) for dim in order}
    full = [by_dimension[dim].astype(np.int64) for dim in range(len(shape))]
    for block, dim in enumerate(blocked):
        full[dim] = full[dim] * sizes[len(shape) + block] + by_dimension[len(shape) + block]
    if any(((axis < 0) | (axis >= size)).any() for axis, size in zip(full, shape, strict=True)):
        raise ValueError(f"tensor {name}: sparse storage with an index outside {list(shape)}")
    dense = np.zeros(shape, dtype)
    dense[tuple(full)] = values
    return dense


def _vector(vector: object) -> np.ndarray:
    values = getattr(vector, "values", None)
    return np.asarray([] if values is None else values, np.int64)
