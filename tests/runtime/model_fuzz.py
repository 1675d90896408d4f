"""Random models in stock LiteRT and, converted, with the delegate: both must compute the same.

Every element is compared with float64, within what roundings in sums of its size explain.

    python tests/runtime/model_fuzz.py --cases=1000 --seed=1

A model is made from its seed alone, which is printed before it runs: a crash names it, too.
`--seed=SEED --cases=1` repeats it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time

import exact_model
import numpy as np
from ai_edge_litert import interpreter as litert
from tflite_models import ACTIVATIONS, ModelBuilder, Value, pattern_weights

import pconv_tf
from pconv_tf.conversion import convert_with_report

SEED = 20200213
_CHANNELS = (1, 3, 4, 8, 13, 16, 24, 32, 40)
_MOST_ELEMENTS = 20_000


class _SharingBuilder(ModelBuilder):
    """An array that is given twice becomes one tensor with two readers.

    Some are stored as float16 or int8, and unpacked by a DEQUANTIZE.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self._rng = rng
        self._shared: dict[int, tuple[np.ndarray, Value]] = {}

    def constant(self, array: np.ndarray) -> Value:
        if id(array) not in self._shared:
            self._shared[id(array)] = array, self._stored(array)
        return self._shared[id(array)][1]

    def _stored(self, array: np.ndarray) -> Value:
        types = [np.float16, np.int8] if array.ndim > 1 else [np.float16]
        if array.dtype != np.float32 or self._rng.random() < 0.6:
            return super().constant(array)
        return self.unpacked(array, types[self._rng.integers(len(types))])


class _RandomModel:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = _SharingBuilder(np.random.default_rng([seed, 1]))
        self.shape = (*self.rng.integers(3, 20, 2).tolist(), int(self.rng.choice(_CHANNELS)))
        self.values = [self.builder.input(*self.shape)]
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []
        self._conv(self.values[0])
        for _ in range(self.rng.integers(1, 8)):
            add = self.rng.choice(
                [
                    *(self._conv, self._conv, self._conv, self._depthwise, self._pool),
                    *(self._binary, self._unary, self._pad, self._concat),
                ]
            )
            add(self._pick())
        outputs = self.values[-2:] if self.rng.random() < 0.3 else self.values[-1:]
        if self.rng.random() < 0.5:
            last = outputs[-1]
            mean = self.builder.mean(last)
            weights = self._normal(10, last.shape[3])
            outputs[-1] = self.builder.dense(mean, weights, self._normal(10))
        self.data = self.builder.finish(*(v for v in outputs if v != self.values[0]))

    def _normal(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(np.float32)

    def _pick(self) -> Value:
        return self.values[-1 if self.rng.random() < 0.6 else self.rng.integers(len(self.values))]

    def _keep(self, value: Value) -> None:
        self.values.append(value)

    def _conv(self, x: Value) -> None:
        rng = self.rng
        fitting = [layer for layer in self._layers if layer[0].shape[3] == x.shape[3]]
        if fitting and rng.random() < 0.5:
            weights, bias = fitting[rng.integers(len(fitting))]
        else:
            filters, block = int(rng.choice(_CHANNELS)), int(rng.choice([1, 1, 4, 8, 16]))
            kernel = int(rng.choice([1, 3, 3, 5]))
            density = float(rng.choice([0.1, 0.4, 0.9]))
            weights = pattern_weights(
                rng, filters, kernel, x.shape[3], density=density, block=block
            )
            weights /= np.float32(2 ** int(rng.integers(0, 4)))
            bias = self._normal(filters)
            self._layers.append((weights, bias))
        valid = min(x.shape[1:3]) >= weights.shape[1] and rng.random() < 0.4
        stride = int(rng.choice([1, 1, 1, 2, 3]))
        dilation = int(rng.choice([1, 1, 2])) if stride == 1 and not valid else 1
        self._keep(
            self.builder.conv(
                x,
                weights,
                bias,
                stride=stride,
                dilation=dilation,
                padding="valid" if valid else "same",
                activation=str(rng.choice(list(ACTIVATIONS))),
            )
        )

    def _depthwise(self, x: Value) -> None:
        weights = self._normal(1, 3, 3, x.shape[3]) / 3
        stride = int(self.rng.choice([1, 2]))
        bias = self._normal(x.shape[3])
        self._keep(self.builder.depthwise(x, weights, bias, stride=stride, activation="relu6"))

    def _pool(self, x: Value) -> None:
        kind, stride = str(self.rng.choice(["max", "average"])), int(self.rng.choice([1, 2]))
        self._keep(self.builder.pool(x, kind, 2, stride=stride, padding="same"))

    def _binary(self, x: Value) -> None:
        same = [v for v in self.values if v.shape == x.shape]
        other = same[self.rng.integers(len(same))]
        if self.rng.random() < 0.4:
            other = self.builder.constant(self._normal(x.shape[3]))
        self._keep(self.builder.binary(str(self.rng.choice(["add", "mul"])), x, other, "relu6"))

    def _unary(self, x: Value) -> None:
        self._keep(
            self.builder.unary(str(self.rng.choice(["relu", "relu6", "logistic", "tanh"])), x)
        )

    def _pad(self, x: Value) -> None:
        if np.prod(x.shape) > _MOST_ELEMENTS:
            return
        pads = [(0, 0), *self.rng.integers(0, 3, (2, 2)).tolist(), (0, 0)]
        self._keep(self.builder.pad(x, [(int(a), int(b)) for a, b in pads]))

    def _concat(self, x: Value) -> None:
        same = [v for v in self.values if v.shape[1:3] == x.shape[1:3]]
        other = same[self.rng.integers(len(same))]
        if x.shape[3] + other.shape[3] <= 128:
            self._keep(self.builder.concat(x, other))


def _stock(model: bytes, x: np.ndarray) -> list[np.ndarray]:
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    details = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(details["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def differences(found: list[np.ndarray], expected: list[exact_model.Estimate]) -> list[float]:
    """How far each output is off, in parts of what its roundings explain.

    Raises:
        AssertionError: An output is missing or has another shape.
    """
    assert len(found) == len(expected), f"{len(found)} outputs, expected {len(expected)}"
    parts = []
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.value.shape, f"output {i}: {a.shape}, expected {b.value.shape}"
        parts.append(float(b.differences(a).max()))
    return parts


def check(seed: int) -> float:
    """Runs one model at two batch sizes, in stock LiteRT and with the delegate.

    Returns:
        How far the delegate's worst element is off, in parts of what roundings explain.

    Raises:
        AssertionError: It is off by more; the text says where, and what stock LiteRT has there.
    """
    model = _RandomModel(seed)
    rng = model.rng
    convolutions = convert_with_report(model.data, force=True).layers[1:]
    dense = [re.escape(layer.name) for layer in convolutions if rng.random() < 0.3]
    skip = [f"^{name}$" for name in dense]
    converted = pconv_tf.convert(model.data, force=True, skip=skip, quiet=True)
    options = {"isa": str(rng.choice(["auto", "auto", "baseline"])), "tuning": "off"}
    threads = int(rng.integers(1, 4))
    interpreter = pconv_tf.Interpreter(converted, num_threads=threads, options=options)
    worst = 0.0
    for batch in (1, 2):
        x = rng.standard_normal((batch, *model.shape)).astype(np.float32)
        expected = exact_model.run(model.data, x)
        found = interpreter(x)
        ours = differences(found if isinstance(found, list) else [found], expected)
        stock = differences(_stock(model.data, x), expected)
        worst = max(worst, *ours)
        for i, (a, b) in enumerate(zip(ours, stock, strict=True)):
            assert a <= 1, (
                f"seed {seed}, output {i}, batch {batch}, {threads} threads, {options}: "
                f"off by {a:.3g} of what roundings explain, stock LiteRT by {b:.3g}"
            )
            # Else the right values are wrong, and nothing is compared here.
            assert b <= 1, f"seed {seed}, output {i}, batch {batch}: stock LiteRT off by {b:.3g}"
    return worst


def main() -> int:
    """Checks models of successive seeds; returns 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cases", type=int, default=1000)
    arguments = parser.parse_args()
    failures, worst = 0, 0.0
    for seed in range(arguments.seed, arguments.seed + arguments.cases):
        print(f"\rseed {seed}", end="", flush=True)
        try:
            worst = max(worst, check(seed))
        except AssertionError as error:
            failures += 1
            print(f"\n{error}")
    print(f"\n{arguments.cases} models from seed {arguments.seed}: {failures} failures")
    print(f"worst of the others: {worst:.2f} of what roundings explain")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
