"""Runs a converted file in tflite-runtime without a delegate: the registered operation alone.

    static_road.py LIBRARY FILE INPUTS EXPECTED

LIBRARY is built from examples/app/register_pconv.cc. tflite-runtime 2.14 is the last runtime in a
wheel that exports the C++ functions of TFLite, which that source calls as an application would.
"""

import ctypes
import os
import sys

import numpy as np

sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)  # LIBRARY finds TFLite's functions
from tflite_runtime.interpreter import InterpreterWithCustomOps  # noqa: E402

library, file, inputs, expected = sys.argv[1:]
ctypes.CDLL(library, os.RTLD_NOW | os.RTLD_GLOBAL)  # TFLite looks RegisterPConv up by its name
interpreter = InterpreterWithCustomOps(model_path=file, custom_op_registerers=["RegisterPConv"])
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(inputs))
interpreter.invoke()
found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
right = np.load(expected)
error = np.abs(found - right).max() / np.abs(right).max()
print(f"differs by {error:.0e} of the largest output")
sys.exit(0 if error < 1e-4 else 1)
