"""`pconv-tf breakeven` as a user runs it."""

import pytest

from pconv_tf.cli.main import main
from pconv_tf.measuring import break_even


def test_breakeven_prints_a_table_and_draws(delegate, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(break_even, "POINTWISE_LAYERS", ((16, 8),))
    plot = tmp_path / "b.svg"
    flags = ["--kernels=1", "--filter_blocks=1", f"--plot={plot}", "--markdown"]
    assert main(["breakeven", *flags]) == 0
    out = capfd.readouterr().out
    assert "| 1x1 16->16 | 8x8 | 1 |" in out and "![gain over sparsity](b.svg)" in out
    assert plot.read_text().startswith("<svg") and "masks shared by 1" in plot.read_text()


@pytest.mark.parametrize("flag", ["--kernels=x", "--kernels=5", "--filter_blocks=3"])
def test_breakeven_mistakes_are_one_error(flag, capfd):
    assert main(["breakeven", flag]) == 2
    assert flag[2:].split("=")[0] in capfd.readouterr().err
