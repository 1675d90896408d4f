"""Milliseconds of every layer as node data for Model Explorer.

python examples/model_explorer.py [MODEL]

Open MODEL, a converted file, in Model Explorer, and load node_data.json over it. Without MODEL,
four pruned layers take its place.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import pconv_tf
from pconv_tf.conversion.results import results_of
from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel
from pconv_tf.measuring.op_profile import profile_ops

if len(sys.argv) > 1:
    model = sys.argv[1]
else:
    rng = np.random.default_rng(0)
    shape = (3, 3, 64, 64)
    kernels = [
        random_pruned_kernel(shape, taps=4, kept=0.3, filter_block=1, rng=rng) for _ in range(4)
    ]
    model = "pruned.tflite"
    pconv_tf.convert(conv_chain(kernels, 16), output=model, force=True, quiet=True)

times: defaultdict[str, float] = defaultdict(float)
for op in profile_ops(model, num_threads=1, options={"delegate": pconv_tf.delegate_path()}):
    times[op.name] += op.ms or 0.0
# Model Explorer knows nodes by the names of their output tensors. A layer's time stands at its
# last tensor; what is computed with a convolution counts there.
tensors = {result.layer: tensor for tensor, result in results_of(model).items()}
data = {
    "name": "milliseconds with the delegate",
    "results": {tensors.get(name, name): {"value": ms} for name, ms in times.items()},
    "gradient": [{"stop": 0, "bgColor": "white"}, {"stop": 1, "bgColor": "tomato"}],
}
Path("node_data.json").write_text(json.dumps(data, indent=2))
for name, ms in times.items():
    print(f"{name:40} {ms:8.4f} ms")
