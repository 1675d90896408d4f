"""A PyTorch model pruned in PyTorch, exported by litert-torch; its zeros are read off the file.

python examples/pytorch_model.py [FILE]

With FILE, a .tflite file that was exported before, only the conversion is run.

Needs: litert-torch==0.10.0, torch==2.13.0+cpu.

Masks come from the projections that PConvCallback uses, which are plain NumPy: every 3x3 kernel
keeps four taps in one of four arrangements, and two thirds of the kernels go. torch.nn.utils.prune
holds the zeros while training goes on.
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import pconv_tf
from pconv_tf.training.patterns import fixed_set
from pconv_tf.training.projections import KernelConstraint


def pruned_in_pytorch(path: str) -> None:
    """Trains a small network, prunes it, trains it on, and exports it to `path`."""
    import litert_torch
    import torch
    from torch import nn
    from torch.nn.utils import prune

    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU()),
        *(nn.Conv2d(48, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 4)),
    )
    # Stripes in four directions, in noise: a stand-in for images.
    directions = torch.randint(4, (2048,))
    angle = directions[:, None, None, None] * torch.pi / 4
    row, column = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    stripes = torch.sin(row * torch.cos(angle) + column * torch.sin(angle))
    images = stripes + 2 * torch.randn(2048, 3, 24, 24)

    def train(epochs: int) -> str:
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        for _ in range(epochs):
            model.train()
            for some in torch.randperm(1536).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images[some]), directions[some]).backward()
                optimizer.step()
        return f"{accuracy():.1%}"

    def accuracy() -> float:
        model.eval()
        with torch.no_grad():
            return float((model(images[1536:]).argmax(1) == directions[1536:]).float().mean())

    print("dense:", train(2))
    thick = [layer for layer in model if isinstance(layer, nn.Conv2d) and layer.in_channels >= 8]
    for layer in thick:
        weights = layer.weight.detach().numpy().transpose(2, 3, 1, 0)  # to [kh, kw, I, O]
        constraint = KernelConstraint(weights.shape, fixed_set("squares4"), rate=3.0)
        mask = constraint.expand(constraint.project(weights)).transpose(3, 2, 0, 1)
        prune.custom_from_mask(layer, "weight", torch.from_numpy(mask.astype(np.float32)))
    print(f"pruned: {accuracy():.1%}")
    print("trained on:", train(2))
    for layer in thick:
        prune.remove(layer, "weight")  # the masked weights become the weights
    exported = litert_torch.to_channel_last_io(model, args=[0])
    litert_torch.convert(exported.eval(), (torch.zeros(1, 24, 24, 3),)).export(path)


if len(sys.argv) > 1:
    source = sys.argv[1]
else:
    source = "pytorch.tflite"
    pruned_in_pytorch(source)
pconv_tf.convert(source, output="pytorch_pconv.tflite")

stock = Interpreter(source)
stock.allocate_tensors()
entry = stock.get_input_details()[0]
x = np.random.default_rng(0).normal(size=entry["shape"]).astype(np.float32)
stock.set_tensor(entry["index"], x)
stock.invoke()
expected = stock.get_tensor(stock.get_output_details()[0]["index"])
error = np.abs(pconv_tf.Interpreter("pytorch_pconv.tflite")(x) - expected).max()
sizes = [Path(path).stat().st_size / 1e3 for path in (source, "pytorch_pconv.tflite")]
print(f"{sizes[0]:.1f} kB -> {sizes[1]:.1f} kB, outputs differ by {error:.1e}")
assert error < 1e-4 * np.abs(expected).max()
