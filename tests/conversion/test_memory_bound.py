"""What the converter takes is bounded by what a file and its tensors take."""

import tracemalloc

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

import pconv_tf
from pconv_tf.conversion import inspection, model_file

MOST = 4  # times the files and the dense weights
ALLOWANCE = 4 << 20  # for objects of a small graph


def dense_file(outputs: int, kernel: int, inputs: int, kept: int) -> tuple[bytes, int]:
    """A convolution with so many kernels, and the bytes of its dense weights."""
    rng = np.random.default_rng(1)
    weights = np.zeros((outputs, kernel, kernel, inputs), np.float32)
    at = rng.integers(0, outputs, kept), 0, 0, rng.integers(0, inputs, kept)
    weights[at] = rng.uniform(1, 2, kept)
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs = 3, [graph]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = weights.reshape(-1).view(np.uint8)
    model.buffers[2].data = np.zeros(4 * outputs, np.uint8)
    shapes = ([1, 8, 8, inputs], weights.shape, [outputs], [1, 8, 8, outputs])
    graph.tensors = []
    for number, (shape, buffer) in enumerate(zip(shapes, (0, 1, 2, 0), strict=True)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = f"t{number}", list(shape), buffer
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    conv, options = schema.OperatorT(), schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, 1
    options.dilationHFactor = options.dilationWFactor = 1
    conv.builtinOptionsType, conv.builtinOptions = schema.BuiltinOptions.Conv2DOptions, options
    conv.inputs, conv.outputs = [0, 1, 2], [3]
    graph.operators, graph.inputs, graph.outputs = [conv], [0], [3]
    return model_file.write(model_file.ModelFile(model)), weights.nbytes


def peak_of(run) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("outputs", "kernel", "inputs", "kept"),
    [(1000, 1, 4096, 1), (500, 3, 900, 1), (500, 3, 900, 100_000), (64, 7, 600, 10)],
)
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_within_four_times_files_and_dense_weights(outputs, kernel, inputs, kept, weights):
    twin, unpacked = dense_file(outputs, kernel, inputs, kept)
    most = MOST * (len(twin) + unpacked) + ALLOWANCE
    assert peak_of(lambda: pconv_tf.convert(twin, force=True, quiet=True)) <= most
    model = pconv_tf.convert(twin, force=True, quiet=True, weights=weights)
    assert len(model) < len(twin) / 2
    most = MOST * (len(model) + unpacked) + ALLOWANCE
    for run in (pconv_tf.convert_dense, inspection.inspect, pconv_tf.convert):
        options = {"force": True, "quiet": True} if run is pconv_tf.convert else {}
        assert peak_of(lambda run=run, options=options: run(model, **options)) <= most
    assert peak_of(lambda: inspection.verify(model, twin)) <= most + MOST * len(twin)


def packed(subgraphs: int, tensors: int, name: bytes, *, shared: bool) -> bytes:
    """A file whose subgraphs, and names of tensors, are `shared`, or else are each there once."""
    builder = Builder(1024)

    def vector(start, offsets):
        start(builder, len(offsets))
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    names = [builder.CreateString(name) for _ in range(1 if shared else subgraphs * tensors)]

    def subgraph(first: int) -> int:
        made = []
        for number in range(tensors):
            schema.TensorStart(builder)
            schema.TensorAddName(builder, names[(first + number) % len(names)])
            made.append(schema.TensorEnd(builder))
        listed = vector(schema.SubGraphStartTensorsVector, made)
        schema.SubGraphStart(builder)
        schema.SubGraphAddTensors(builder, listed)
        return schema.SubGraphEnd(builder)

    graphs = [subgraph(i * tensors) for i in range(1 if shared else subgraphs)]
    graphs = vector(schema.ModelStartSubgraphsVector, graphs * (subgraphs // len(graphs)))
    schema.OperatorCodeStart(builder)
    codes = vector(schema.ModelStartOperatorCodesVector, [schema.OperatorCodeEnd(builder)])
    schema.BufferStart(builder)
    buffers = vector(schema.ModelStartBuffersVector, [schema.BufferEnd(builder)])
    schema.ModelStart(builder)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("subgraphs", "tensors", "name"), [(2000, 2000, b"t"), (1, 3000, b"n" * 1_000_000)]
)
def test_shared_parts_are_not_unpacked_again_and_again(subgraphs, tensors, name):
    bomb = packed(subgraphs, tensors, name, shared=True)

    def run():
        with pytest.raises(ValueError, match="refer to the same tables again and again"):
            inspection.inspect(bomb)

    assert peak_of(run) <= MOST * len(bomb) + ALLOWANCE


def test_options_count_too():
    """Of each operator its options, whose strings may be shared as well."""
    builder = Builder(1024)
    text = builder.CreateString(b"n" * 1_000_000)
    schema.VarHandleOptionsStart(builder)
    schema.VarHandleOptionsAddSharedName(builder, text)
    options = schema.VarHandleOptionsEnd(builder)
    made = []
    for _ in range(3000):
        schema.OperatorStart(builder)
        schema.OperatorAddBuiltinOptionsType(builder, schema.BuiltinOptions.VarHandleOptions)
        schema.OperatorAddBuiltinOptions(builder, options)
        made.append(schema.OperatorEnd(builder))
    schema.SubGraphStartOperatorsVector(builder, len(made))
    for offset in made:
        builder.PrependUOffsetTRelative(offset)
    listed = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddOperators(builder, listed)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    with pytest.raises(ValueError, match="refer to the same tables again and again"):
        inspection.inspect(bytes(builder.Output()))


def test_parts_of_their_own_are_read():
    inspection.inspect(packed(10, 200, b"a name of thirty letters or so", shared=False))
