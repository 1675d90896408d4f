"""`pconv-tf convert` and `pconv-tf inspect` as a user runs them."""

import json
import os

import pytest

from pconv_tf.cli.main import main


def test_convert_and_back(files, capsys):
    twin, out, back = (str(files / name) for name in ("twin.tflite", "o.tflite", "b.tflite"))
    assert main(["convert", twin, "-o", out, "--force", "--weights=float16"]) == 0
    assert "7 of 7" in capsys.readouterr().out
    assert main(["convert", out, "--to-dense", "-o", back]) == 0
    assert main(["inspect", out, "--verify", back]) == 0
    assert "7 of 7 layers match" in capsys.readouterr().out


def test_convert_json(files, capsys):
    out = files / "o.tflite"
    assert main(["convert", str(files / "twin.tflite"), "-o", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bytes"] == out.stat().st_size
    assert len(result["layers"]) == 7
    assert {"name", "became", "reason", "expected_gain"} <= set(result["layers"][0])


def test_default_output(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert main(["convert", "twin.tflite"]) == 0
    assert (files / "twin_pconv.tflite").is_file()
    assert main(["convert", "twin_pconv.tflite", "--to-dense"]) == 0
    assert (files / "twin_pconv_dense.tflite").is_file()


def test_ctrl_c_leaves_nothing_half_written(files, capsys, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    before = {path: path.read_bytes() for path in files.iterdir()}
    monkeypatch.setattr(os, "fdopen", interrupted)
    for out in ("new.tflite", "twin.tflite"):
        assert main(["convert", str(files / "twin.tflite"), "-o", str(files / out)]) == 130
    assert capsys.readouterr().err == "pconv-tf: interrupted\n" * 2
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_inspect(files, capsys):
    assert main(["inspect", str(files / "int8.tflite")]) == 0
    text = capsys.readouterr().out
    assert "FKW version 1, 7 PConv2D, 0 stock convolutions" in text
    assert "X" in text
    assert main(["inspect", str(files / "int8.tflite"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["layers"][0]["weights"] == "int8"


def test_inspect_verify_says_no(files, capsys):
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
def test_mistakes(files, capsys, monkeypatch, arguments):
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("pconv-tf: error: ")
    assert sorted(files.iterdir()) == before
