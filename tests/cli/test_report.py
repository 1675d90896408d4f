"""`pconv-tf report` and `pconv-tf breakeven` as a user runs them."""

import json

import pytest

from pconv_tf.cli.main import main


def test_report_of_two_files(pruned_tflite, pruned_twin, delegate, tmp_path, capfd):
    out = tmp_path / "out.html"
    flags = [f"--graph={pruned_tflite}", f"--baseline={pruned_twin}", "--num_runs=1"]
    accuracy = ["--accuracy_before=0.9", "--accuracy_after=0.8"]
    assert main(["report", str(out), *flags, *accuracy]) == 0
    assert "LiteRT + XNNPACK" in out.read_text() and "wrote" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected --network, or --graph and --baseline"),
        (["--network=alexnet"], "unknown network 'alexnet'"),
        (["--network=vgg16", "--graph=a"], "cannot be combined"),
        (["--network=vgg16", "--accuracy_after=1"], "give both or none"),
        (["--network=vgg16", "--history=gone.csv"], "gone.csv: no such file"),
        (["--network=vgg16", "--comparison=gone.json"], "gone.json"),
    ],
)
def test_mistakes_are_one_error_and_leave_no_file(flags, message, capfd, tmp_path):
    out = tmp_path / "out.html"
    assert main(["report", str(out), *flags]) == 2
    err = capfd.readouterr().err
    assert err.startswith("pconv-tf: error: ") and message in err and "Traceback" not in err
    assert not out.exists()


def test_a_wrong_comparison_is_named(tmp_path, capfd):
    stored = tmp_path / "c.json"
    stored.write_text(json.dumps({"contenders": []}))
    assert main(["report", "out.html", "--network=vgg16", f"--comparison={stored}"]) == 2
    assert "not what `pconv-tf compare --json` prints" in capfd.readouterr().err


def test_breakeven_prints_a_table_and_draws(delegate, tmp_path, capfd, monkeypatch):
    from pconv_tf.runtime import breaking_even

    monkeypatch.setattr(breaking_even, "POINTWISE_LAYERS", ((16, 8),))
    plot = tmp_path / "b.svg"
    flags = ["--kernels=1", "--filter_blocks=1", f"--plot={plot}", "--markdown"]
    assert main(["breakeven", *flags]) == 0
    out = capfd.readouterr().out
    assert "| 1x1 16->16 | 8x8 | 1 |" in out and "![gain over sparsity](b.svg)" in out
    assert plot.read_text().startswith("<svg")


@pytest.mark.parametrize("flag", ["--kernels=x", "--kernels=5", "--filter_blocks=3"])
def test_breakeven_mistakes_are_one_error(flag, capfd):
    assert main(["breakeven", flag]) == 2
    assert flag[2:].split("=")[0] in capfd.readouterr().err
