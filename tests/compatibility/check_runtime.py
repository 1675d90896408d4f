"""Runs a converted file with the delegate in the runtime that is installed here.

    check_runtime.py RUNTIME DELEGATE FILE INPUTS EXPECTED

RUNTIME is "litert" or "tflite-runtime", which has the delegate's library only: the package needs
LiteRT. FILE runs on the array in INPUTS, and the output has to be the one in EXPECTED.
"""

import sys

import numpy as np


def main(runtime: str, delegate: str, file: str, inputs: str, expected: str) -> None:
    x, right = np.load(inputs), np.load(expected)
    if runtime == "litert":
        import pconv_tf

        check("Interpreter", pconv_tf.Interpreter(file)(x), right)
        twin = pconv_tf.convert_dense(file)
        converted = pconv_tf.convert(twin, force=True, quiet=True)
        check("convert", pconv_tf.Interpreter(converted)(x), right)
        try:
            model = pconv_tf.CompiledModel(file)
        except RuntimeError as error:
            if "needs ai-edge-litert" not in str(error):
                raise
            print("without CompiledModel")
        else:
            check("CompiledModel", model(x), right)
    else:
        from tflite_runtime.interpreter import Interpreter, load_delegate

        interpreter = Interpreter(file, experimental_delegates=[load_delegate(delegate)])
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        check(
            "Interpreter",
            interpreter.get_tensor(interpreter.get_output_details()[0]["index"]),
            right,
        )


def check(what: str, found: np.ndarray, right: np.ndarray) -> None:
    error = np.abs(found - right).max() / np.abs(right).max()
    if not error < 1e-4:
        sys.exit(f"{what}: the output differs by {error:.0e}")
    print(f"{what}: passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
