"""`convert` and `convert_dense`: pruned models to TFLite with FKW, and their dense twins."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pconv_tf.conversion import model_file, sources, trials
from pconv_tf.conversion.calibration import IO_TYPES, Calibration, RepresentativeDataset
from pconv_tf.conversion.graph import Graph, drop_unused
from pconv_tf.conversion.graph_checks import check_growth
from pconv_tf.conversion.keras_models import Shapes
from pconv_tf.conversion.layer_choice import Choice, Finding, LayerConverter
from pconv_tf.conversion.match import CONVOLUTIONS, LEFT_DENSE
from pconv_tf.conversion.model_choice import ModelChoice, choose_layers, split_choice
from pconv_tf.conversion.naming import LayerNames
from pconv_tf.conversion.remarks import remarks_on
from pconv_tf.conversion.report import PCONV, LayerReport, text_table
from pconv_tf.conversion.rewrite import dense_bytes, is_pconv, read_pconv, to_stock
from pconv_tf.conversion.stretches import Division, divide
from pconv_tf.conversion.targets import NetworkCosts
from pconv_tf.conversion.targets import target as target_costs
from pconv_tf.files import write_atomically

WEIGHT_TYPES = ("float32", "float16", "int8")
QUANTIZATIONS = (None, "int8")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Conversion:
    """A converted model.

    Attributes:
        flatbuffer: the .tflite file.
        layers: what every convolution became and why, in the order of execution.
        remarks: sentences on the whole: the expected gain, and what is not as a user of pruning
            would expect it.
        expected_gain: how many times faster than its dense twin the model is expected to run on
            the target with one thread; None if no layer is a PConv2D, or it cannot be said.
        trials: with `measure`, the splits that were timed.
    """

    flatbuffer: bytes
    layers: list[LayerReport]
    remarks: list[str] = field(default_factory=list)
    expected_gain: float | None = None
    trials: list[trials.Trial] = field(default_factory=list)


def convert(
    model: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    weights: str = "float32",
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    force: bool = False,
    input_shapes: Shapes | None = None,
    quantize: str | None = None,
    representative_dataset: RepresentativeDataset | None = None,
    io_type: str = "float32",
    target: str | None = None,
    measure: bool = False,
    quiet: bool = False,
) -> bytes:
    """Converts a pruned model to TFLite, its pruned layers to PConv2D with FKW weights.

    A layer becomes a PConv2D if it is pruned and the cost model (docs/conversion.md) expects a
    gain, of the layer and of the network around it; all others stay stock operators. The same model
    gives the same bytes for the same target. Prints what every layer became and why, unless
    `quiet`.

    Args:
        model: a Keras 3 or tf_keras model, a SavedModel folder, a .keras, .h5 or .tflite file, or
            the bytes of a .tflite file. Quantised weights of a .tflite keep their quantisation.
        output: file to write; it is complete or not there.
        weights: type in which float32 weights of PConv2D layers are stored: "float32", "float16"
            or "int8" (symmetric, a scale per filter).
        only: regexes; only layers with a matching name are converted.
        skip: regexes; layers with a matching name stay dense.
        force: convert even where no gain is expected, of the layer or of the network.
        input_shapes: shapes that fix free dimensions of the model's inputs, which TensorFlow's
            converter cannot always handle: by name of the input, or the shape of the only one.
        quantize: "int8" makes the model full-integer before pruned layers become PConv2D
            (post-training quantisation by TensorFlow's converter; weights have a scale per
            filter, and zeros stay zeros). Not for .tflite files, which are quantised already or
            not at all.
        representative_dataset: with `quantize`, a callable that yields samples: the arrays of
            the model's inputs, batch dimension included, as a list in the order of the inputs or
            a mapping from their names.
        io_type: with `quantize`, type of the file's inputs and outputs: "float32", or "int8" or
            "uint8" with a scale and a zero point each, for hosts that compute with integers.
        target: instruction set of the processor that will run the file, "avx512", "avx2" or
            "neon", for the expected gain of the network; None is this machine's.
        measure: decide by running: times several splits into PConv2D and stock layers in LiteRT
            with the delegate on this machine, with one thread, and keeps the fastest. Takes some
            seconds; not together with `force` or `target`.
        quiet: do not print the table and the remarks on it.

    Returns:
        The .tflite file.

    Raises:
        FileNotFoundError: if a path does not exist, or the delegate with `measure`.
        ValueError: if the model or an argument cannot be used; says why.
    """
    conversion = convert_with_report(
        model,
        output=output,
        weights=weights,
        only=only,
        skip=skip,
        force=force,
        input_shapes=input_shapes,
        quantize=quantize,
        representative_dataset=representative_dataset,
        io_type=io_type,
        target=target,
        measure=measure,
    )
    if not quiet:
        print(text_table(conversion.layers))
        if conversion.trials:
            print(f"\n{trials.trials_text(conversion.trials)}\n")
        print("\n".join(conversion.remarks))
    return conversion.flatbuffer


def convert_with_report(
    model: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    weights: str = "float32",
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    force: bool = False,
    input_shapes: Shapes | None = None,
    quantize: str | None = None,
    representative_dataset: RepresentativeDataset | None = None,
    io_type: str = "float32",
    target: str | None = None,
    measure: bool = False,
    progress: Progress | None = None,
) -> Conversion:
    """As `convert`, but returns the table as data; `progress(done, total)` follows the layers."""
    if weights not in WEIGHT_TYPES:
        raise ValueError(f"weights: expected one of {WEIGHT_TYPES}, found {weights!r}")
    choice = Choice(
        [only] if isinstance(only, str) else list(only),
        [skip] if isinstance(skip, str) else list(skip),
        force,
        weights,
    )
    if measure and (force or target is not None):
        raise ValueError(
            f"measure and {'force' if force else 'target'}: only one of them decides what becomes a"
            " PConv2D"
        )
    delegate = trials.check_can_run() if measure else ""
    costs = target_costs(target)
    calibration = _calibration(quantize, representative_dataset, io_type)
    source = sources.load(model, input_shapes, calibration)
    if measure:
        conversion = _measured(source, choice, costs, delegate, progress)
    else:
        conversion = _convert_model(
            source, choice, costs, by_estimate(costs, force=force), progress
        )
    if output is not None:
        write_atomically(output, conversion.flatbuffer)
    return conversion


def convert_dense(
    model: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    input_shapes: Shapes | None = None,
    quantize: str | None = None,
    representative_dataset: RepresentativeDataset | None = None,
    io_type: str = "float32",
) -> bytes:
    """The dense twin: the same model and weights with TFLite's own operators only.

    Args:
        model: as for `convert`; PConv2D layers of a converted .tflite are restored.
        output: file to write; it is complete or not there.
        input_shapes: as for `convert`.
        quantize: as for `convert`: "int8" gives the stock full-integer file.
        representative_dataset: as for `convert`.
        io_type: as for `convert`.

    Returns:
        The .tflite file.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if the model cannot be used; says why.
    """
    calibration = _calibration(quantize, representative_dataset, io_type)
    source = sources.load(model, input_shapes, calibration)
    unpacked = 0
    for subgraph in source.file.model.subgraphs:
        graph = Graph(source.file.model, subgraph)
        for operator in graph.operators:
            if is_pconv(graph, operator):
                op = read_pconv(graph, operator)
                unpacked += dense_bytes(op)
                check_growth(unpacked, source.num_bytes, source.name)
                to_stock(graph, op)
        graph.commit()
    drop_unused(source.file.model)
    flatbuffer = model_file.write(source.file)
    if output is not None:
        write_atomically(output, flatbuffer)
    return flatbuffer


def _calibration(
    quantize: str | None, representative_dataset: RepresentativeDataset | None, io_type: str
) -> Calibration | None:
    if quantize not in QUANTIZATIONS:
        raise ValueError(f"quantize: expected one of {QUANTIZATIONS}, found {quantize!r}")
    if (quantize is None) != (representative_dataset is None):
        raise ValueError(
            "quantize and representative_dataset go together; found only"
            f" {'representative_dataset' if quantize is None else 'quantize'}"
        )
    if io_type not in IO_TYPES:
        raise ValueError(f"io_type: expected one of {IO_TYPES}, found {io_type!r}")
    if representative_dataset is None:
        if io_type != "float32":
            raise ValueError(f'io_type: {io_type!r} needs quantize="int8"')
        return None
    return Calibration(representative_dataset, io_type)


# Chooses the layers of a table of convolutions that stay dense for the sake of the whole.
Chooser = Callable[[Sequence[LayerReport], Sequence[Division]], ModelChoice]


def by_estimate(costs: NetworkCosts, *, force: bool) -> Chooser:
    """Chooses by the estimate over the whole model, or with `force` leaves all layers as judged."""
    return lambda layers, divisions: choose_layers(layers, divisions, costs, force=force)


def convert_by(model: Any, choose: Chooser) -> Conversion:
    """As `convert_with_report`, but `choose` decides over the whole: to measure such decisions."""
    source = sources.load(model)
    choice = Choice((), (), force=False, weights="float32")
    return _convert_model(source, choice, target_costs(None), choose, None)


def _fixed(choice: ModelChoice) -> Chooser:
    return lambda layers, divisions: choice


def _measured(
    source: sources.Source,
    choice: Choice,
    costs: NetworkCosts,
    delegate: str,
    progress: Progress | None,
) -> Conversion:
    """The fastest of several conversions of one source."""
    data = model_file.write(source.file)
    judged: list[tuple[Sequence[LayerReport], Sequence[Division], ModelChoice]] = []

    def estimated(layers: Sequence[LayerReport], divisions: Sequence[Division]) -> ModelChoice:
        judged.append((layers, divisions, choose_layers(layers, divisions, costs)))
        return judged[0][2]

    def convert_split(choose: Chooser, progress: Progress | None = None) -> Conversion:
        again = dataclasses.replace(source, file=model_file.read(data, source.name))
        return _convert_model(again, choice, costs, choose, progress)

    first = convert_split(estimated, progress)
    layers, divisions, whole = judged[0]
    splits = trials.candidate_splits(layers, whole.left)
    if len(splits) < 2:
        return first  # nothing is pruned
    conversions = {trials.ESTIMATED: first}
    for name, kept in splits.items():
        if name not in conversions:
            other = split_choice(layers, divisions, kept, costs, "slower when it was measured")
            conversions[name] = convert_split(_fixed(other))
    timed = trials.time_splits(
        {name: conversion.flatbuffer for name, conversion in conversions.items()}, splits, delegate
    )
    (fastest,) = (trial for trial in timed if trial.chosen)
    chosen = conversions[fastest.name]
    return dataclasses.replace(
        chosen,
        remarks=[
            *chosen.remarks,
            f"Measured on this machine, 1 thread: {fastest.speedup:.2f}x with PConv2D for:"
            f" {fastest.name}.",
        ],
        trials=timed,
    )


def _convert_model(
    source: sources.Source,
    choice: Choice,
    costs: NetworkCosts,
    choose: Chooser,
    progress: Progress | None,
) -> Conversion:
    names = LayerNames(source.layer_names)
    graphs = [Graph(source.file.model, subgraph) for subgraph in source.file.model.subgraphs]
    found = []
    for graph in graphs:
        for operator in graph.operators:
            known = graph.builtin(operator) in {*CONVOLUTIONS, *LEFT_DENSE}
            if known or is_pconv(graph, operator):
                found.append((graph, operator, names.of(graph, operator)))
    if not found:
        raise ValueError(f"{source.name}: has no convolution or fully connected layer")
    choice.check([name for _, _, name in found])

    findings = []
    converter = LayerConverter(choice, [(graph, operator) for graph, operator, _ in found])
    for done, (graph, operator, name) in enumerate(found):
        if progress is not None:
            progress(done, len(found))
        findings.append(converter.examine(graph, operator, name))
    whole = choose(
        [finding.report for finding in findings], [_division(graph, findings) for graph in graphs]
    )
    layers = [
        converter.settle(finding, whole.left.get(place)) for place, finding in enumerate(findings)
    ]
    for graph in graphs:
        graph.commit()
    if progress is not None:
        progress(len(found), len(found))
    drop_unused(source.file.model)
    flatbuffer = model_file.write(source.file)
    remarks = remarks_on(layers, source.pruned, whole, costs)
    return Conversion(flatbuffer, layers, remarks, whole.gain)


def _division(graph: Graph, findings: Sequence[Finding]) -> Division:
    own = {place: finding for place, finding in enumerate(findings) if finding.graph is graph}
    return divide(
        graph,
        {place: finding.operators for place, finding in own.items()},
        {place for place, finding in own.items() if finding.report.became == PCONV},
    )
