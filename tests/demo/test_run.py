import json
from pathlib import Path

import PIL.Image
import pytest

from pconv_tf.cli.main import main
from pconv_tf.demo import fashion_mnist, network
from pconv_tf.demo.run import CONFIG, batches, run
from pconv_tf.demo.training import DENSE_EPOCHS

needs_data = pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="package dataset-fashion-mnist is missing"
)


@pytest.fixture
def few_images(monkeypatch):
    """How well it learns is not the point, and the dense network labels all training images."""
    few = [
        fashion_mnist.Split(split.images[:1500], split.labels[:1500])
        for split in fashion_mnist.load()
    ]
    monkeypatch.setattr(fashion_mnist, "load", lambda: few)


@needs_data
@pytest.mark.slow
def test_a_short_demo_writes_files_and_a_consistent_table(
    tmp_path, capsys, few_images, monkeypatch
):
    monkeypatch.setitem(CONFIG, "retrain_epochs", 1)
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
    with PIL.Image.open(folder / "patterns.png") as picture:
        assert json.loads(picture.text["Description"]) == result["rows"]
    # natural8 keeps 4 of 9 taps, connectivity 1 of 1.8 kernels in all; the first layer stays dense.
    assert 1 / 4.1 < pruned["weights_kept"] < 1 / 4.0
    assert pruned["file_bytes"] < twin["file_bytes"] / 2
    assert abs(pruned["accuracy"] - twin["accuracy"]) <= 0.001
    assert 0 < pruned["max_abs_diff"] < 1e-3
    assert dense["max_abs_diff"] is None and twin["max_abs_diff"] is None
    assert dense["weights_kept"] == 1.0
    assert dense["latency_ms"] > 0 and pruned["latency_ms"] > 0
    assert dense["latency_ms"] != twin["latency_ms"]  # each file is timed
    assert twin["speedup"] == 1


@needs_data
@pytest.mark.slow
def test_a_stopped_demo_goes_on_to_the_same_result(tmp_path, monkeypatch, few_images):
    config = CONFIG | {"retrain_epochs": 1}
    small = tuple((filters // 8, pool) for filters, pool in network.BLOCKS)
    monkeypatch.setattr(network, "BLOCKS", small)

    class Stopped(Exception):
        pass

    def demo(folder, stop_after=None):
        lines, trained = [], []

        def advance(count):
            trained.append(count)
            if stop_after is not None and sum(trained) >= stop_after:
                raise Stopped

        result = run(folder, epoch_images=1280, config=config, note=lines.append, advance=advance)
        assert sum(trained) == batches(1280, config)
        return result, [line for line in lines if "epoch" in line and "training ends" in line]

    whole, epochs = demo(tmp_path / "whole")
    assert len(epochs) == DENSE_EPOCHS + 4
    stopped = tmp_path / "stopped"
    for stop_after in (25, 45, 65):  # in the dense network's training, in its second, in retraining
        with pytest.raises(Stopped):
            demo(stopped, stop_after)
    resumed, epochs = demo(stopped)
    assert len(epochs) == 1
    assert not (stopped / "unfinished").exists()
    for name in ("dense model", "pruned model"):
        assert (tmp_path / "whole" / Path(whole.files[name]).name).read_bytes() == Path(
            resumed.files[name]
        ).read_bytes()


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="epoch_images: expected 1280 to 60000, found 5"):
        run(tmp_path, epoch_images=5)


def test_a_missing_matplotlib_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(fashion_mnist, "load", lambda: pytest.fail("the data were loaded"))
    with pytest.raises(ValueError, match=r"needs the package matplotlib: .*pconv-tf\[plot\]"):
        run(tmp_path / "out")
    assert not (tmp_path / "out").exists()
