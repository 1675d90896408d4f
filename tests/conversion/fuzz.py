"""Fuzzes the converter: mutated .tflite files are read, or refused with a ValueError.

    python tests/conversion/fuzz.py --seconds=600 --seed=1

Every case is checked for other exceptions, for more than 5 seconds of the processor and for more
memory than a small file may need; what a conversion writes has to be readable again. A case is made
from its seed alone, which is printed when it fails: `--seed=SEED --cases=1` repeats it.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import signal
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from pconv_tf.conversion import convert_dense, convert_with_report, inspection, model_file

SECONDS_PER_CASE = 5
MEMORY = 1 << 30  # what a case may take on top of what the process has
_NUMBERS = (-1, 0, 1, 2, 3, 7, 127, 255, 65535, 65536, 2**31 - 1, -(2**31))


class TooLong(BaseException):
    """A case takes too long; no reader may catch it as an ordinary error."""


def corpus() -> list[bytes]:
    """Files of every kind that the converter looks at closely; needs TensorFlow."""
    import keras
    import tensorflow as tf
    from pruned_models import prune, small_net

    keras.utils.set_random_seed(3)
    layers, rng = keras.layers, np.random.default_rng(3)
    net = small_net(keras, rng)
    image = keras.Input((4, 6, 8), batch_size=1)
    signal_ = layers.Conv1D(8, 3, padding="causal")(layers.Reshape((24, 8))(image))
    x = layers.Dense(8, activation="relu")(layers.Reshape((4, 6, 8))(signal_))
    shared = layers.Conv2D(8, 3, padding="same")
    x = layers.Conv2DTranspose(4, 2, strides=2)(shared(shared(x)))
    other = prune(keras.Model(image, x), rng, rate=2)

    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    quantised = converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    half = converter.convert()
    files = [convert_dense(net), convert_dense(other), quantised, half]
    for source in files[:2]:
        for weights in ("float32", "int8"):
            files.append(convert_with_report(source, force=True, weights=weights).flatbuffer)
    stream = io.BytesIO(files[1])
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog")
        archive.writestr("zeros", bytes(10_000), compress_type=zipfile.ZIP_DEFLATED)
    return [*files, stream.getvalue()]


def mutated(files: list[bytes], seed: int) -> bytes:
    """The case of a seed: one of `files` with damaged bytes, or with a graph that is wrong."""
    rng = np.random.default_rng(seed)
    data = files[rng.integers(len(files))]
    if rng.random() < 0.5:
        return damaged(data, rng)
    file = model_file.read(data, "corpus")
    for _ in range(rng.integers(1, 5)):
        _EDITS[rng.integers(len(_EDITS))](file.model, rng)
    try:
        return model_file.write(file)
    except Exception:  # the edit made what FlatBuffers cannot hold
        return damaged(data, rng)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` cut short, with flipped bits, an extreme number, or a piece missing."""
    copy = bytearray(data)
    kind = rng.integers(4)
    place = int(rng.integers(len(copy) - 4))
    if kind == 0:
        return bytes(copy[:place])
    if kind == 1:
        for spot in rng.integers(0, len(copy), rng.integers(1, 9)):
            copy[spot] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        place &= ~3
        extremes = [2**32 - 1, 2**31 - 1, 2**31, 0, int(rng.integers(2**32))]
        copy[place : place + 4] = int(rng.choice(extremes)).to_bytes(4, "little")
    else:
        del copy[place : place + int(rng.integers(1, 64))]
    return bytes(copy)


def check(data: bytes) -> str:
    """Runs the converter on one file.

    Returns:
        "read" or "refused".

    Raises:
        Exception: anything but the ValueError that the converter promises.
        TooLong: it took more than `SECONDS_PER_CASE`.
    """
    outcome = "refused"
    signal.signal(signal.SIGPROF, _too_long)
    for run in (inspection.inspect, convert_dense, _convert):
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
        try:
            run(data)
            outcome = "read"
        except ValueError as error:
            assert str(error), "an error without a word"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return outcome


def _convert(data: bytes) -> None:
    flatbuffer = convert_with_report(data, force=True).flatbuffer
    inspection.inspect(flatbuffer)  # what was written is whole


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong(f"more than {SECONDS_PER_CASE} s of the processor")


def limit_process() -> None:
    """Lets cases that take too much memory fail."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--cases", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder that keeps the files between runs")
    args = parser.parse_args()
    files = _kept_corpus(args.corpus)
    limit_process()
    outcomes: Counter[str] = Counter()
    slowest, failed = (0.0, args.seed), 0
    start = time.monotonic()
    seed = args.seed
    while time.monotonic() - start < args.seconds:
        if args.cases is not None and seed >= args.seed + args.cases:
            break
        began = time.monotonic()
        try:
            outcomes[check(mutated(files, seed))] += 1
        except KeyboardInterrupt:
            break
        except BaseException:
            failed += 1
            print(f"FAILED with --seed={seed}\n{traceback.format_exc(limit=-4)}", flush=True)
        slowest = max(slowest, (time.monotonic() - began, seed))
        seed += 1
    total = {"cases": seed - args.seed, "first_seed": args.seed, "failed": failed, **outcomes}
    total["slowest_s"], total["slowest_seed"] = round(slowest[0], 2), slowest[1]
    print(json.dumps(total))
    return int(failed > 0)


def _kept_corpus(folder: Path | None) -> list[bytes]:
    if folder is None:
        return corpus()
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for number, data in enumerate(corpus()):
            (folder / f"{number:02}.tflite").write_bytes(data)
    return [path.read_bytes() for path in sorted(folder.glob("*.tflite"))]


def _operator(model: Any, rng: np.random.Generator) -> Any:
    graph = model.subgraphs[rng.integers(len(model.subgraphs))]
    return graph.operators[rng.integers(len(graph.operators))]


def _tensor(model: Any, rng: np.random.Generator) -> Any:
    graph = model.subgraphs[rng.integers(len(model.subgraphs))]
    return graph.tensors[rng.integers(len(graph.tensors))]


def _change_list(model: Any, rng: np.random.Generator) -> None:
    """An operator's inputs or outputs: one more, one less, another one, or twice the same."""
    operator = _operator(model, rng)
    name = ("inputs", "outputs")[rng.integers(2)]
    values = [int(v) for v in getattr(operator, name)]
    tensors = len(model.subgraphs[0].tensors)
    kind, place = rng.integers(4), int(rng.integers(len(values) + 1))
    if kind == 0:
        values[place : place + 1] = []
    elif kind == 1:
        values[place:place] = [int(rng.integers(-1, tensors))]
    elif values:
        place %= len(values)
        values[place] = int(rng.integers(-1, tensors)) if kind == 2 else values[0]
    setattr(operator, name, np.array(values, np.int32))


def _change_code(model: Any, rng: np.random.Generator) -> None:
    """Another operator, with the options that were there."""
    operator = _operator(model, rng)
    operator.opcodeIndex = int(rng.integers(len(model.operatorCodes)))


def _change_builtin(model: Any, rng: np.random.Generator) -> None:
    code = model.operatorCodes[rng.integers(len(model.operatorCodes))]
    code.builtinCode = code.deprecatedBuiltinCode = int(rng.choice([0, 3, 4, 6, 9, 22, 34, 37, 38]))


def _change_options(model: Any, rng: np.random.Generator) -> None:
    """A number in an operator's options, or no options."""
    operator = _operator(model, rng)
    options = operator.builtinOptions
    if options is None or rng.random() < 0.1:
        operator.builtinOptions, operator.builtinOptionsType = None, 0
        return
    numbers = [name for name, value in vars(options).items() if isinstance(value, int)]
    if numbers:
        setattr(options, numbers[rng.integers(len(numbers))], _number(rng))


def _change_custom_options(model: Any, rng: np.random.Generator) -> None:
    operator = _operator(model, rng)
    if operator.customOptions is not None and len(operator.customOptions) > 8:
        data = bytes(bytearray(operator.customOptions))
        operator.customOptions = np.frombuffer(damaged(data, rng), np.uint8)


def _change_shape(model: Any, rng: np.random.Generator) -> None:
    """A dimension of a tensor, its number of dimensions, or the one that may change."""
    tensor = _tensor(model, rng)
    shape = [] if tensor.shape is None else [int(v) for v in tensor.shape]
    kind = rng.integers(4)
    if kind == 0 or not shape:
        shape.append(_number(rng))
    elif kind == 1:
        shape.pop()
    elif kind == 2:
        shape[rng.integers(len(shape))] = _number(rng)
    else:
        tensor.shapeSignature = np.array([_number(rng) for _ in shape], np.int32)
    tensor.shape = np.array(shape, np.int32)


def _change_type(model: Any, rng: np.random.Generator) -> None:
    _tensor(model, rng).type = int(rng.integers(0, 18))


def _change_buffer(model: Any, rng: np.random.Generator) -> None:
    """A tensor with the data of another one."""
    _tensor(model, rng).buffer = int(rng.integers(len(model.buffers)))


def _change_data(model: Any, rng: np.random.Generator) -> None:
    """Constants that are extreme, or more or fewer than the shape says."""
    buffer = model.buffers[rng.integers(len(model.buffers))]
    if buffer.data is None or not len(buffer.data):
        return
    data = bytearray(bytes(buffer.data))
    kind = rng.integers(3)
    place = int(rng.integers(len(data)))
    if kind == 0:
        data[place : place + 4] = int(rng.integers(2**32)).to_bytes(4, "little")
    elif kind == 1:
        data = data[:place]
    else:
        data[place] = 255
    buffer.data = np.frombuffer(bytes(data), np.uint8)


def _change_quantisation(model: Any, rng: np.random.Generator) -> None:
    quantization = _tensor(model, rng).quantization
    if quantization is not None:
        values = rng.choice([0.0, -1.0, np.nan, np.inf, 1.0], rng.integers(0, 4))
        quantization.scale = values.astype(np.float32)
        quantization.quantizedDimension = _number(rng)


def _change_sparsity(model: Any, rng: np.random.Generator) -> None:
    sparse = [t for g in model.subgraphs for t in g.tensors if t.sparsity is not None]
    if not sparse:
        return
    sparsity = sparse[rng.integers(len(sparse))].sparsity
    kind = rng.integers(3)
    if kind == 0:
        sparsity.traversalOrder = rng.integers(-1, 5, rng.integers(0, 7)).astype(np.int32)
    elif kind == 1:
        sparsity.blockMap = rng.integers(-1, 5, rng.integers(0, 4)).astype(np.int32)
    elif sparsity.dimMetadata:
        level = sparsity.dimMetadata[rng.integers(len(sparsity.dimMetadata))]
        level.denseSize = _number(rng)


def _swap_operators(model: Any, rng: np.random.Generator) -> None:
    operators = model.subgraphs[0].operators
    a, b = rng.integers(len(operators), size=2)
    operators[a], operators[b] = operators[b], operators[a]


def _repeat_operators(model: Any, rng: np.random.Generator) -> None:
    """The same operators, weights and all, many times over."""
    operators = model.subgraphs[0].operators
    operators += [operators[rng.integers(len(operators))]] * int(rng.integers(1, 40))


def _number(rng: np.random.Generator) -> int:
    return int(rng.choice(_NUMBERS)) if rng.random() < 0.8 else int(rng.integers(-(2**31), 2**31))


_EDITS: list[Callable[[Any, np.random.Generator], None]] = [
    _change_list,
    _change_list,
    _change_code,
    _change_builtin,
    _change_options,
    _change_custom_options,
    _change_shape,
    _change_type,
    _change_buffer,
    _change_data,
    _change_quantisation,
    _change_sparsity,
    _swap_operators,
    _repeat_operators,
]


def cases(files: list[bytes], first_seed: int, count: int) -> Iterator[tuple[int, bytes]]:
    """Seeds and files of `count` cases."""
    for seed in range(first_seed, first_seed + count):
        yield seed, mutated(files, seed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main())
