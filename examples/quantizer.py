"""Pruning beside ai-edge-quantizer: what each does to the size and the outputs of a file.

python examples/quantizer.py

Needs: ai-edge-quantizer==0.10.0, ai-edge-litert==2.3.0.

The quantizer works on stock operators, so it goes before the conversion: a file of int8 weights is
read like any other, and its zeros stay zeros.
"""

from pathlib import Path

import ai_edge_quantizer
import numpy as np
from ai_edge_litert.interpreter import Interpreter

import pconv_tf
from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel

rng = np.random.default_rng(0)
kernels = [
    random_pruned_kernel((3, 3, 64, 64), taps=4, kept=0.3, filter_block=1, rng=rng)
    for _ in range(4)
]
Path("dense.tflite").write_bytes(conv_chain(kernels, 16))

quantizer = ai_edge_quantizer.Quantizer("dense.tflite")
quantizer.load_quantization_recipe(ai_edge_quantizer.recipe.weight_only_wi8_afp32())
quantizer.quantize().export_model("dense_int8.tflite", overwrite=True)
pconv_tf.convert("dense.tflite", output="pruned.tflite", force=True)
pconv_tf.convert("dense_int8.tflite", output="pruned_int8.tflite", force=True)

x = rng.normal(size=(1, 16, 16, 64)).astype(np.float32)
stock = Interpreter("dense.tflite")
stock.allocate_tensors()
stock.set_tensor(stock.get_input_details()[0]["index"], x)
stock.invoke()
expected = stock.get_tensor(stock.get_output_details()[0]["index"])
for name in ("dense", "dense_int8", "pruned", "pruned_int8"):
    path = f"{name}.tflite"
    error = np.abs(pconv_tf.Interpreter(path)(x) - expected).max() / np.abs(expected).max()
    print(f"{path:20} {Path(path).stat().st_size / 1e3:8.1f} kB, differs by {error:.1e}")
    assert error < (0.05 if "int8" in name else 1e-5)
