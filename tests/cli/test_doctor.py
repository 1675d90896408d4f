"""`pconv-tf doctor` as a user runs it."""

import json

import pconv_tf
from pconv_tf.cli.main import main


def test_tells_what_it_finds(delegate, capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pconv_tf"] == pconv_tf.__version__
    assert facts["delegate"] == delegate
    assert facts["self-test"].startswith("passed")
    assert "tested: 2.0.2 to 2.3.0" in facts["ai-edge-litert"]


def test_a_missing_library_fails(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PCONV_DELEGATE", str(tmp_path / "gone.so"))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "failed: PCONV_DELEGATE is" in out and "gone.so" in out
