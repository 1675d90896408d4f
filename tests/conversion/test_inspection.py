"""inspect and verify."""

import numpy as np
import pytest

from pconv_tf.conversion import inspection, model_file


def test_inspect(files):
    found = inspection.inspect(files / "float32.tflite")
    assert found.version == 1
    assert found.dense_layers == 0
    assert found.file_bytes == (files / "float32.tflite").stat().st_size
    layers = {layer.name: layer for layer in found.layers}
    first = layers["first"]
    assert first.kernel_size == (3, 3)
    assert (first.in_channels, first.out_channels) == (3, 16)
    assert first.kernels == sum(first.kernels_per_pattern)
    assert first.kept_kernels == first.kernels / 48
    assert first.bytes["weight"] == first.kernels * 4 * 4
    assert first.bytes["bias"] == 64
    assert first.fkw_bytes == sum(first.bytes.values()) - 64
    assert first.dense_bytes == 16 * 3 * 9 * 4
    assert first.csr_bytes == first.kernels * 4 * 8 + 17 * 4
    assert layers["depthwise"].groups == 24
    assert layers["depthwise"].kept_kernels == 1


@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_verify_accepts_the_twin(files, weights):
    results = inspection.verify(files / f"{weights}.tflite", files / "twin.tflite")
    assert len(results) == 7
    assert all(result.matches for result in results)
    exact = [result.max_abs_diff == 0 for result in results]
    assert all(exact) if weights == "float32" else not any(exact)


def test_verify_finds_one_changed_weight(files):
    file = model_file.read((files / "float32.tflite").read_bytes(), "file")
    tensors = file.model.subgraphs[0].tensors
    (tensor,) = [t for t in tensors if t.name == b"large/fkw_weight"]
    data = file.model.buffers[tensor.buffer].data.copy()
    data.view(np.float32)[17] *= 1.0001
    file.model.buffers[tensor.buffer].data = data
    results = inspection.verify(model_file.write(file), files / "twin.tflite")
    assert [result.name for result in results if not result.matches] == ["large"]
    assert next(r.problem for r in results if not r.matches) == "weights differ"


def test_verify_of_a_file_without_pconv(files):
    with pytest.raises(ValueError, match="has no PConv2D to verify"):
        inspection.verify(files / "twin.tflite", files / "twin.tflite")


def test_pattern_rows():
    assert inspection.pattern_rows(0b000_011_001, (3, 3)) == ["X..", "XX.", "..."]
