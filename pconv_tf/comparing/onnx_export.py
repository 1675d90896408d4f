"""Exports a float32 .tflite model to ONNX, so that other runtimes run exactly the same weights.

Activations of rank 4 become channels-first, the order ONNX runtimes are made for; the model's
inputs and outputs, too. Padding operators in front of convolutions and pools are folded into them
where that changes nothing: not every runtime does so itself.

The graph is described here and written by the `onnx` package, in an environment of its own
(peers/onnx_writer.py): its protobuf need not agree with TensorFlow's.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pconv_tf.comparing.peers import onnx_writer
from pconv_tf.comparing.peers.catalogue import ONNX, environment_python
from pconv_tf.files import write_atomically
from pconv_tf.measuring.single_ops import op_name

_TO_NCHW = (0, 3, 1, 2)
_TO_NHWC = (0, 2, 3, 1)
_SAME = 0  # schema enum Padding


@dataclass
class OnnxGraph:
    """A graph of ONNX operators (opset 13).

    Attributes:
        nodes: Operator, names of its inputs, name of its one output, attributes.
        initializers: Constants by name, float32 or int64.
        inputs: Name and shape of every float32 input.
        outputs: The same of every output.
    """

    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = field(default_factory=list)
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: list[tuple[str, list[int]]] = field(default_factory=list)
    outputs: list[tuple[str, list[int]]] = field(default_factory=list)


def export_onnx(model: bytes, output: Path) -> None:
    """Writes a .tflite file's model as an .onnx file.

    Args:
        model: The bytes of a model of float32 activations and weights with static shapes.
        output: Written atomically.

    Raises:
        FileNotFoundError: The environment ONNX is not set up.
        ValueError: An operator or a type that is not supported; the text names it. Or the `onnx`
            package refuses the graph.
    """
    python = environment_python(ONNX)
    if python is None:
        raise FileNotFoundError("the environment that writes ONNX files is not set up")
    graph = onnx_graph(model)
    with tempfile.TemporaryDirectory(prefix="pconv_onnx_") as folder:
        constants, written = Path(folder, "constants.npz"), Path(folder, "model.onnx")
        np.savez(constants, **graph.initializers)  # type: ignore[arg-type]
        text = json.dumps([graph.nodes, graph.inputs, graph.outputs])
        # -I: neither the script's folder nor PYTHONPATH may shadow packages of the environment.
        command = [str(python), "-I", onnx_writer.__file__, str(constants), str(written)]
        run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if run.returncode:
            last = "\n".join(run.stderr.strip().splitlines()[-3:])
            raise ValueError(f"the onnx package refuses the graph: {last}")
        write_atomically(output, written.read_bytes())


def onnx_graph(model: bytes) -> OnnxGraph:
    """Describes a .tflite model by ONNX operators.

    Raises:
        ValueError: As `export_onnx`.
    """
    from ai_edge_litert import schema_py_generated as schema

    return _Exporter(schema, schema.ModelT.InitFromPackedBuf(model)).export()


class _Exporter:
    def __init__(self, schema: Any, model: Any) -> None:
        self._schema = schema
        self._model = model
        self._graph = model.subgraphs[0]
        self._result = OnnxGraph()
        # Some runtimes return outputs in the order of their names.
        self._names = {
            int(number): f"{kind}{position:02}"
            for kind, numbers in (("input", self._graph.inputs), ("output", self._graph.outputs))
            for position, number in enumerate(numbers)
        }
        self._pads: dict[int, tuple[int, np.ndarray]] = {}  # output of PAD -> (its input, pads)

    def export(self) -> OnnxGraph:
        for operator in self._graph.operators:
            op = op_name(self._model.operatorCodes[operator.opcodeIndex])
            handler = _HANDLERS.get(op)
            if handler is None:
                raise ValueError(f"operator {op} cannot be exported to ONNX: not supported")
            handler(self, op, operator)
        self._result.inputs = [self._value_info(number) for number in self._graph.inputs]
        self._result.outputs = [self._value_info(number) for number in self._graph.outputs]
        return self._result

    # What handlers see of the .tflite model

    def shape(self, number: int) -> tuple[int, ...]:
        shape = self._graph.tensors[number].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def constant(self, number: int) -> np.ndarray | None:
        tensor = self._graph.tensors[number]
        data = self._model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            return None
        types = {
            self._schema.TensorType.FLOAT32: np.float32,
            self._schema.TensorType.INT32: np.int32,
            self._schema.TensorType.INT64: np.int64,
        }
        if tensor.type not in types:
            raise ValueError(
                f"tensor {tensor.name.decode()!r} cannot be exported to ONNX: "
                "its type is none of float32, int32, int64"
            )
        return np.frombuffer(bytes(data), types[tensor.type]).reshape(self.shape(number))

    def required(self, number: int) -> np.ndarray:
        values = self.constant(number)
        if values is None:
            name = self._graph.tensors[number].name.decode()
            raise ValueError(f"tensor {name!r} cannot be exported to ONNX: it is not constant")
        return values

    # What handlers write

    def name(self, number: int) -> str:
        return self._names.get(number, f"t{number}")

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._result.nodes.append((op, list(inputs), output, attributes))
        return output

    def initializer(self, name: str, values: np.ndarray) -> str:
        self._result.initializers[name] = values
        return name

    def activated(
        self, op: str, inputs: Sequence[str], out: int, activation: int, **attrs: Any
    ) -> None:
        """Adds a node and the activation that is fused into the .tflite operator."""
        kinds = self._schema.ActivationFunctionType
        name = self.name(out)
        if activation == kinds.NONE:
            self.add(op, inputs, name, **attrs)
            return
        before = self.add(op, inputs, f"{name}_linear", **attrs)
        if activation == kinds.RELU:
            self.add("Relu", [before], name)
        elif activation == kinds.RELU6:
            self.clip(before, name, 0, 6)
        elif activation == kinds.RELU_N1_TO_1:
            self.clip(before, name, -1, 1)
        else:
            raise ValueError(f"fused activation {activation} cannot be exported to ONNX")

    def clip(self, source: str, output: str, low: float, high: float) -> None:
        bounds = [
            self.initializer(f"{output}_{end}", np.array(value, np.float32))
            for end, value in (("low", low), ("high", high))
        ]
        self.add("Clip", [source, *bounds], output)

    def channels_last(self, number: int, prefix: str) -> str:
        """An activation in the element order of the .tflite model."""
        shape = self.shape(number)
        if len(shape) != 4 or shape[1:3] == (1, 1):
            return self.name(number)
        return self.add("Transpose", [self.name(number)], f"{prefix}_nhwc", perm=_TO_NHWC)

    def take_pad(self, number: int) -> tuple[int, np.ndarray]:
        """The tensor behind `number` if that is a PAD to fold away, and its pads [2, (h, w)]."""
        return self._pads.get(number, (number, np.zeros((2, 2), np.int64)))

    def _value_info(self, number: int) -> tuple[str, list[int]]:
        shape = self.shape(number)
        if len(shape) == 4:
            shape = tuple(shape[axis] for axis in _TO_NCHW)
        return self.name(number), list(shape)

    # Handlers

    def conv(self, op: str, operator: Any) -> None:
        options = operator.builtinOptions
        source, weights, bias = (*operator.inputs, -1)[:3]
        source, pads = self.take_pad(int(source))
        kernel = self.required(weights)
        channels = self.shape(source)[3]
        if op == "DEPTHWISE_CONV_2D":
            kernel = kernel.transpose(3, 0, 1, 2)
            groups = channels
        else:
            kernel = kernel.transpose(0, 3, 1, 2)
            groups = channels // kernel.shape[1]
        strides = (options.strideH, options.strideW)
        dilations = (options.dilationHFactor, options.dilationWFactor)
        if options.padding == _SAME:
            pads = _same_pads(self.shape(source)[1:3], kernel.shape[2:], strides, dilations)
        out = int(operator.outputs[0])
        inputs = [self.name(source), self.initializer(f"{self.name(out)}_kernel", kernel)]
        if bias >= 0:
            inputs.append(self.initializer(f"{self.name(out)}_bias", self.required(bias)))
        self.activated(
            "Conv",
            inputs,
            out,
            options.fusedActivationFunction,
            kernel_shape=kernel.shape[2:],
            strides=strides,
            dilations=dilations,
            pads=pads.ravel().tolist(),
            group=groups,
        )

    def transpose_conv(self, op: str, operator: Any) -> None:
        options = operator.builtinOptions
        _, weights, source, bias = (*operator.inputs, -1)[:4]
        kernel = self.required(weights).transpose(3, 0, 1, 2)  # [O, kh, kw, I] -> [I, O, kh, kw]
        strides = np.array([options.strideH, options.strideW])
        out = int(operator.outputs[0])
        size_in = np.array(self.shape(int(source))[1:3])
        size_out = np.array(self.shape(out)[1:3])
        excess = (size_in - 1) * strides + kernel.shape[2:] - size_out
        before = np.maximum(excess, 0) // 2
        inputs = [self.name(int(source)), self.initializer(f"{self.name(out)}_kernel", kernel)]
        if bias >= 0:
            inputs.append(self.initializer(f"{self.name(out)}_bias", self.required(bias)))
        self.activated(
            "ConvTranspose",
            inputs,
            out,
            getattr(options, "fusedActivationFunction", 0),
            kernel_shape=kernel.shape[2:],
            strides=strides.tolist(),
            pads=[*before.tolist(), *np.maximum(excess - before, 0).tolist()],
            output_padding=np.maximum(-excess, 0).tolist(),
        )

    def pool(self, op: str, operator: Any) -> None:
        options = operator.builtinOptions
        source, pads = self.take_pad(int(operator.inputs[0]))
        out = int(operator.outputs[0])
        kernel = (options.filterHeight, options.filterWidth)
        strides = (options.strideH, options.strideW)
        if options.padding == _SAME:
            pads = _same_pads(self.shape(source)[1:3], kernel, strides, (1, 1))
        self.activated(
            {"MAX_POOL_2D": "MaxPool", "AVERAGE_POOL_2D": "AveragePool"}[op],
            [self.name(source)],
            out,
            options.fusedActivationFunction,
            kernel_shape=kernel,
            strides=strides,
            pads=pads.ravel().tolist(),
        )

    def pad(self, op: str, operator: Any) -> None:
        source, out = int(operator.inputs[0]), int(operator.outputs[0])
        pads = self.required(operator.inputs[1]).astype(np.int64)  # [rank, (before, after)]
        if len(operator.inputs) > 2 and np.any(self.required(operator.inputs[2])):
            raise ValueError("PADV2 with a value other than 0 cannot be exported to ONNX")
        if len(pads) == 4 and not pads[[0, 3]].any() and self._can_fold_pad(source, out):
            self._pads[out] = (source, pads[1:3].T)
            return
        if len(pads) == 4:
            pads = pads[list(_TO_NCHW)]
        name = self.name(out)
        self.add("Pad", [self.name(source), self.initializer(f"{name}_pads", pads.T.ravel())], name)

    def _can_fold_pad(self, source: int, out: int) -> bool:
        """Whether all that read `out` can pad `source` themselves, with the same result."""
        if out in self._graph.outputs:
            return False
        for operator in self._graph.operators:
            if out not in operator.inputs:
                continue
            op = op_name(self._model.operatorCodes[operator.opcodeIndex])
            if op == "MAX_POOL_2D":
                # Pooling pads with minus infinity, which never wins against what is not negative.
                if not self._is_rectified(source):
                    return False
            elif op not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                return False
            if operator.builtinOptions.padding == _SAME:
                return False
        return True

    def _is_rectified(self, number: int) -> bool:
        kinds = self._schema.ActivationFunctionType
        for operator in self._graph.operators:
            if number in operator.outputs:
                op = op_name(self._model.operatorCodes[operator.opcodeIndex])
                fused = getattr(operator.builtinOptions, "fusedActivationFunction", kinds.NONE)
                return op in ("RELU", "RELU6") or fused in (kinds.RELU, kinds.RELU6)
        return False

    def binary(self, op: str, operator: Any) -> None:
        out = int(operator.outputs[0])
        rank = len(self.shape(out))
        inputs = []
        for number in map(int, operator.inputs):
            values = self.constant(number)
            if values is None:
                if len(self.shape(number)) != rank:
                    raise ValueError(f"{op} that broadcasts activations cannot be exported to ONNX")
                inputs.append(self.name(number))
                continue
            values = values.reshape((1,) * (rank - values.ndim) + values.shape)
            if rank == 4:
                values = values.transpose(_TO_NCHW)
            inputs.append(self.initializer(f"{self.name(out)}_constant", values))
        names = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul"}
        self.activated(names[op], inputs, out, operator.builtinOptions.fusedActivationFunction)

    def concat(self, op: str, operator: Any) -> None:
        out = int(operator.outputs[0])
        rank = len(self.shape(out))
        axis = operator.builtinOptions.axis % rank
        self.activated(
            "Concat",
            [self.name(int(number)) for number in operator.inputs],
            out,
            operator.builtinOptions.fusedActivationFunction,
            axis=_TO_NHWC[axis] if rank == 4 else axis,
        )

    def strided_slice(self, op: str, operator: Any) -> None:
        source, out = int(operator.inputs[0]), int(operator.outputs[0])
        options = operator.builtinOptions
        begin, end, steps = (self.required(number) for number in operator.inputs[1:4])
        shape = self.shape(source)
        keeps_rank = not (options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask)
        if not keeps_rank or len(begin) != len(shape) or (steps < 1).any():
            raise ValueError("STRIDED_SLICE other than [begin:end:step] cannot be exported to ONNX")
        axes = np.arange(len(shape))
        starts = np.where(options.beginMask >> axes & 1, 0, begin)
        ends = np.where(options.endMask >> axes & 1, shape, end)
        if len(shape) == 4:
            axes = np.array(_TO_NHWC)[axes]
        name = self.name(out)
        bounds = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
        inputs = [
            self.initializer(f"{name}_{key}", values.astype(np.int64))
            for key, values in bounds.items()
        ]
        self.add("Slice", [self.name(source), *inputs], name)

    def mean(self, op: str, operator: Any) -> None:
        source, out = int(operator.inputs[0]), int(operator.outputs[0])
        axes = sorted(int(axis) % 4 for axis in np.ravel(self.required(operator.inputs[1])))
        if len(self.shape(source)) != 4 or axes != [1, 2]:
            raise ValueError(f"MEAN over axes {axes} cannot be exported to ONNX")
        name = self.name(out)
        if operator.builtinOptions.keepDims:
            self.add("GlobalAveragePool", [self.name(source)], name)
        else:
            pooled = self.add("GlobalAveragePool", [self.name(source)], f"{name}_pooled")
            self.add("Flatten", [pooled], name, axis=1)

    def fully_connected(self, op: str, operator: Any) -> None:
        source, weights, bias = (*operator.inputs, -1)[:3]
        out = int(operator.outputs[0])
        name = self.name(out)
        if len(self.shape(out)) != 2:
            raise ValueError("FULLY_CONNECTED with an output of rank 3 or more cannot be exported")
        kernel = self.required(weights)
        flat = self.channels_last(int(source), name)
        if len(self.shape(int(source))) != 2:
            shape = self.initializer(f"{name}_shape", np.array([-1, kernel.shape[1]], np.int64))
            flat = self.add("Reshape", [flat, shape], f"{name}_flat")
        inputs = [flat, self.initializer(f"{name}_weights", kernel)]
        if bias >= 0:
            inputs.append(self.initializer(f"{name}_bias", self.required(bias)))
        self.activated(
            "Gemm", inputs, out, operator.builtinOptions.fusedActivationFunction, transB=1
        )

    def reshape(self, op: str, operator: Any) -> None:
        source, out = int(operator.inputs[0]), int(operator.outputs[0])
        name = self.name(out)
        after = self.shape(out)
        current = self.channels_last(source, name)
        shape = self.initializer(f"{name}_shape", np.array(after, np.int64))
        if len(after) == 4:
            flat = self.add("Reshape", [current, shape], f"{name}_reshaped")
            self.add("Transpose", [flat], name, perm=_TO_NCHW)
        else:
            self.add("Reshape", [current, shape], name)

    def unary(self, op: str, operator: Any) -> None:
        source, name = self.name(int(operator.inputs[0])), self.name(int(operator.outputs[0]))
        if op == "RELU6":
            self.clip(source, name, 0, 6)
        elif op == "RELU_N1_TO_1":
            self.clip(source, name, -1, 1)
        elif op == "HARD_SWISH":
            gate = self.add("HardSigmoid", [source], f"{name}_gate", alpha=1 / 6, beta=0.5)
            self.add("Mul", [source, gate], name)
        else:
            self.add({"RELU": "Relu", "LOGISTIC": "Sigmoid", "TANH": "Tanh"}[op], [source], name)

    def softmax(self, op: str, operator: Any) -> None:
        source, out = int(operator.inputs[0]), int(operator.outputs[0])
        if operator.builtinOptions.beta != 1.0:
            raise ValueError("SOFTMAX with a beta other than 1 cannot be exported to ONNX")
        axis = 1 if len(self.shape(out)) == 4 else -1
        self.add("Softmax", [self.name(source)], self.name(out), axis=axis)


def _same_pads(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> np.ndarray:
    """Padding SAME as TensorFlow defines it, as [(top, left), (bottom, right)]."""
    in_size, stride = np.array(size), np.array(strides)
    reach = (np.array(kernel) - 1) * dilations + 1
    total = np.maximum((-(-in_size // stride) - 1) * stride + reach - in_size, 0)
    return np.stack([total // 2, total - total // 2])


_HANDLERS: dict[str, Callable[[_Exporter, str, Any], None]] = {
    "CONV_2D": _Exporter.conv,
    "DEPTHWISE_CONV_2D": _Exporter.conv,
    "TRANSPOSE_CONV": _Exporter.transpose_conv,
    "MAX_POOL_2D": _Exporter.pool,
    "AVERAGE_POOL_2D": _Exporter.pool,
    "PAD": _Exporter.pad,
    "PADV2": _Exporter.pad,
    "ADD": _Exporter.binary,
    "SUB": _Exporter.binary,
    "MUL": _Exporter.binary,
    "CONCATENATION": _Exporter.concat,
    "STRIDED_SLICE": _Exporter.strided_slice,
    "MEAN": _Exporter.mean,
    "FULLY_CONNECTED": _Exporter.fully_connected,
    "RESHAPE": _Exporter.reshape,
    "RELU": _Exporter.unary,
    "RELU6": _Exporter.unary,
    "RELU_N1_TO_1": _Exporter.unary,
    "LOGISTIC": _Exporter.unary,
    "TANH": _Exporter.unary,
    "HARD_SWISH": _Exporter.unary,
    "SOFTMAX": _Exporter.softmax,
}
