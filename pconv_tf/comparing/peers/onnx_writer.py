"""Writes an .onnx file with the `onnx` package. Runs in the environment ONNX, by itself.

    onnx_writer.py CONSTANTS.npz OUTPUT.onnx <GRAPH.json

The graph is that of `pconv_tf.comparing.onnx_export`: nodes, inputs, outputs.
"""

import json
import sys

_OPSET = 13
_IR_VERSION = 7  # what opset 13 came with: older runtimes read it


def main() -> None:
    """Writes the file, once the package's checker has accepted the model."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    constants, output = sys.argv[1:]
    nodes, inputs, outputs = json.load(sys.stdin)
    with np.load(constants) as arrays:
        initializers = [numpy_helper.from_array(arrays[name], name) for name in arrays.files]

    def values(named: list) -> list:
        return [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in named
        ]

    graph = helper.make_graph(
        [
            helper.make_node(op, names, [result], name=result, **attributes)
            for op, names, result, attributes in nodes
        ],
        "graph",
        values(inputs),
        values(outputs),
        initializers,
    )
    model = helper.make_model(
        graph,
        producer_name="pconv_tf",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    with open(output, "wb") as file:  # noqa: PTH123
        file.write(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
