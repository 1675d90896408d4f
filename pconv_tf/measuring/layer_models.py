"""Models of convolutions pruned at random, to measure what a layer gains."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np


def random_pruned_kernel(
    shape: tuple[int, int, int, int],
    *,
    taps: int,
    kept: float,
    filter_block: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Weights [kh, kw, I, O] with up to eight random patterns and random connectivity.

    Args:
        shape: kh, kw, I, O; O must be a multiple of `filter_block`.
        taps: Taps of every pattern, the centre always among them.
        kept: Share of the kernels that are kept, at least one.
        filter_block: This many consecutive filters share pattern and connectivity.
        rng: Source of patterns, connectivity and values.
    """
    kh, kw, inputs, outputs = shape
    centre = (kh // 2) * kw + kw // 2
    others = [tap for tap in range(kh * kw) if tap != centre]
    every = [[centre, *rest] for rest in itertools.combinations(others, taps - 1)]
    chosen = rng.choice(len(every), min(8, len(every)), replace=False)
    patterns = np.zeros((len(chosen), kh * kw), np.float32)
    for row, number in enumerate(chosen):
        patterns[row, every[number]] = 1
    groups = outputs // filter_block
    masks = patterns[rng.integers(len(patterns), size=inputs * groups)]
    dropped = rng.permutation(inputs * groups)[max(1, round(kept * inputs * groups)) :]
    masks[dropped] = 0
    masks = np.repeat(masks.reshape(inputs, groups, kh * kw), filter_block, axis=1)
    values = rng.standard_normal((inputs, outputs, kh * kw), dtype=np.float32) * masks
    return np.ascontiguousarray(values.transpose(2, 0, 1).reshape(kh, kw, inputs, outputs))


def conv_chain(layers: Sequence[np.ndarray], size: int) -> bytes:
    """A .tflite model: CONV_2D after CONV_2D, padding SAME, stride 1, with bias and fused RELU.

    Args:
        layers: Weights [kh, kw, I, O], float32; the O of one is the I of the next.
        size: Height and width of the maps.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []
    graph.operators = []

    def add(name: str, shape: tuple[int, ...], values: np.ndarray | None = None) -> int:
        tensor: Any = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), schema.TensorType.FLOAT32
        tensor.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
            model.buffers.append(buffer)
            tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    source = result = add("input", (1, size, size, layers[0].shape[2]))
    for number, weights in enumerate(layers):
        name, outputs = f"layer{number}", weights.shape[3]
        kernel = np.ascontiguousarray(weights.transpose(3, 0, 1, 2))
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME
        options.strideH = options.strideW = 1
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        operator = schema.OperatorT()
        operator.opcodeIndex = 0
        filters = add(f"{name}/weights", kernel.shape, kernel)
        operator.inputs = [result, filters, add(f"{name}/bias", (outputs,), np.zeros(outputs))]
        result = add(name, (1, size, size, outputs))
        operator.outputs = [result]
        operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        operator.builtinOptions = options
        graph.operators.append(operator)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    model.operatorCodes = [code]
    graph.inputs, graph.outputs = [source], [result]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(sum(weights.nbytes for weights in layers) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
