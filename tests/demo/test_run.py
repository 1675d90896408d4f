import json

import pytest

from pconv_tf.cli.main import main
from pconv_tf.demo import fashion_mnist
from pconv_tf.demo.run import run

needs_data = pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="package dataset-fashion-mnist is missing"
)


@needs_data
@pytest.mark.slow
def test_a_short_demo_writes_files_and_a_consistent_table(tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["demo", f"--output={folder}", "--epoch_images=1280", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    dense, twin, pruned = result["rows"]
    assert {path.name for path in folder.iterdir()} == {
        "dense.tflite",
        "pruned_dense_twin.tflite",
        "pruned.tflite",
        "patterns.png",
    }
    assert (folder / "patterns.png").read_bytes().startswith(b"\x89PNG")
    # natural8 keeps 4 of 9 taps, connectivity half of the kernels; the first layer keeps more.
    assert 1 / 5 < pruned["weights_kept"] < 1 / 4
    assert pruned["file_bytes"] < twin["file_bytes"] / 2
    assert abs(pruned["accuracy"] - twin["accuracy"]) <= 0.001
    assert 0 < pruned["max_abs_diff"] < 1e-3
    assert dense["max_abs_diff"] is None and twin["max_abs_diff"] is None
    assert dense["weights_kept"] == 1.0
    assert dense["latency_ms"] > 0 and pruned["latency_ms"] > 0
    assert dense["latency_ms"] != twin["latency_ms"]  # each file is timed
    assert twin["speedup"] == 1


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="epoch_images: expected 1280 to 60000, found 5"):
        run(tmp_path, epoch_images=5)


def test_a_missing_matplotlib_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(fashion_mnist, "load", lambda: pytest.fail("the data were loaded"))
    with pytest.raises(ValueError, match=r"needs the package matplotlib: .*pconv-tf\[plot\]"):
        run(tmp_path / "out")
    assert not (tmp_path / "out").exists()
