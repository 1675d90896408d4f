"""inspect, verify and their commands."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pruned_models import small_net

import pconv_tf
from pconv_tf.cli.main import main
from pconv_tf.conversion import inspection, model_file


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(7)
    net = small_net(keras, np.random.default_rng(7))
    folder = tmp_path_factory.mktemp("files")
    for weights in ("float32", "float16", "int8"):
        path = folder / f"{weights}.tflite"
        pconv_tf.convert(net, output=path, force=True, quiet=True, weights=weights)
    pconv_tf.convert_dense(net, output=folder / "twin.tflite")
    return folder


@pytest.fixture
def files(written, tmp_path):
    """A folder with the small net in every weight type, and its twin."""
    return Path(shutil.copytree(written, tmp_path / "files"))


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


class TestCommands:
    def test_convert_and_back(self, files, capsys):
        twin, out, back = (str(files / name) for name in ("twin.tflite", "o.tflite", "b.tflite"))
        assert main(["convert", twin, "-o", out, "--force", "--weights=float16"]) == 0
        assert "7 of 7" in capsys.readouterr().out
        assert main(["convert", out, "--to-dense", "-o", back]) == 0
        assert main(["inspect", out, "--verify", back]) == 0
        assert "7 of 7 layers match" in capsys.readouterr().out

    def test_convert_json(self, files, capsys):
        out = files / "o.tflite"
        assert main(["convert", str(files / "twin.tflite"), "-o", str(out), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["bytes"] == out.stat().st_size
        assert len(result["layers"]) == 7
        assert {"name", "became", "reason", "expected_gain"} <= set(result["layers"][0])

    def test_default_output(self, files, capsys, monkeypatch):
        monkeypatch.chdir(files)
        assert main(["convert", "twin.tflite"]) == 0
        assert (files / "twin_pconv.tflite").is_file()
        assert main(["convert", "twin_pconv.tflite", "--to-dense"]) == 0
        assert (files / "twin_pconv_dense.tflite").is_file()

    def test_ctrl_c_leaves_nothing_half_written(self, files, capsys, monkeypatch):
        def interrupted(*args):
            raise KeyboardInterrupt

        before = {path: path.read_bytes() for path in files.iterdir()}
        monkeypatch.setattr(os, "fdopen", interrupted)
        for out in ("new.tflite", "twin.tflite"):
            assert main(["convert", str(files / "twin.tflite"), "-o", str(files / out)]) == 130
        assert capsys.readouterr().err == "pconv-tf: interrupted\n" * 2
        assert {path: path.read_bytes() for path in files.iterdir()} == before

    def test_inspect(self, files, capsys):
        assert main(["inspect", str(files / "int8.tflite")]) == 0
        text = capsys.readouterr().out
        assert "FKW version 1, 7 PConv2D, 0 stock convolutions" in text
        assert "X" in text
        assert main(["inspect", str(files / "int8.tflite"), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["layers"][0]["weights"] == "int8"

    def test_inspect_verify_says_no(self, files, capsys):
        other = str(files / "other.tflite")
        assert main(["convert", str(files / "int8.tflite"), "--to-dense", "-o", other]) == 0
        assert main(["inspect", str(files / "float32.tflite"), "--verify", other]) == 1
        assert "DIFFERS" in capsys.readouterr().out
        arguments = ["inspect", str(files / "float32.tflite"), "--verify", other, "--json"]
        assert main(arguments) == 1
        assert json.loads(capsys.readouterr().out)["matches"] is False

    @pytest.mark.parametrize(
        "arguments",
        [
            ["convert", "nothing.tflite"],
            ["inspect", "nothing.tflite"],
            ["convert", "twin.tflite", "--only", "nosuch"],
            ["convert", "twin.tflite", "--to-dense", "--force"],
        ],
    )
    def test_mistakes(self, files, capsys, monkeypatch, arguments):
        monkeypatch.chdir(files)
        before = sorted(files.iterdir())
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith("pconv-tf: error: ")
        assert sorted(files.iterdir()) == before
