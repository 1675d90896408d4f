"""`pconv-tf report` as a user runs it."""

import dataclasses
import json

import pytest

from pconv_tf import compare
from pconv_tf.cli.main import main


def test_report_of_two_files(pruned_tflite, pruned_twin, delegate, tmp_path, capfd):
    out = tmp_path / "out.html"
    flags = [f"--graph={pruned_tflite}", f"--baseline={pruned_twin}", "--num_runs=1"]
    accuracy = ["--accuracy_before=0.9", "--accuracy_after=0.8"]
    assert main(["report", str(out), *flags, *accuracy, "--json"]) == 0
    printed = capfd.readouterr()
    assert "LiteRT + XNNPACK" in out.read_text() and "wrote" in printed.err
    facts = json.loads(printed.out)
    assert facts["output"] == str(out) and facts["accuracy"] == [0.9, 0.8]
    assert len(facts["layers"]) >= 3 and facts["layers"][0]["pruned_ms"] > 0
    assert facts["patterns"][0]["kernels"] >= facts["patterns"][-1]["kernels"] > 0
    assert facts["comparison"]["num_threads"] == 1


@pytest.fixture
def stored(pruned_tflite, pruned_twin, delegate, tmp_path):
    """A function that changes a comparison of two files with two threads and stores it."""
    result = compare(
        graph=pruned_tflite,
        baseline=pruned_twin,
        num_runs=1,
        num_threads=2,
        external_delegate_path=delegate,
    )

    def store(change=lambda comparison: None):
        comparison = dataclasses.asdict(result)
        change(comparison)
        path = tmp_path / "c.json"
        path.write_text(json.dumps(comparison))
        return f"--comparison={path}"

    return store


def test_a_stored_comparison_brings_its_conditions(
    pruned_tflite, pruned_twin, stored, tmp_path, capfd
):
    out = tmp_path / "out.html"
    files = [f"--graph={pruned_tflite}", f"--baseline={pruned_twin}"]
    assert main(["report", str(out), *files, stored()]) == 0
    page = out.read_text()
    assert "2 thread(s) each" in page and "another machine" not in page
    assert main(["report", str(out), *files, stored(_as_elsewhere)]) == 0
    assert "Layers were timed on another machine" in out.read_text()
    capfd.readouterr()
    assert main(["report", str(out), *files, stored(), "--num_threads=1"]) == 2
    assert "received 1, but" in capfd.readouterr().err


def _as_elsewhere(comparison):
    comparison["machine"]["cpu"] = "another"


def test_a_comparison_of_other_files_is_refused(
    pruned_tflite, pruned_twin, dense_tflite, stored, tmp_path, capfd
):
    for graph, baseline, change, message in (
        (pruned_tflite, dense_tflite, lambda c: None, "baseline is 'small_twin.tflite', expected"),
        (
            *(pruned_tflite, pruned_twin),
            lambda c: c["subject"]["bytes"].update(pconv=5),
            "bytes is {'dense':",
        ),
        (
            *(pruned_tflite, pruned_twin),
            lambda c: c.update(subject={"network": "vgg16", "bytes": c["subject"]["bytes"]}),
            "graph is ''",
        ),
    ):
        files = [f"--graph={graph}", f"--baseline={baseline}"]
        assert main(["report", str(tmp_path / "o.html"), *files, stored(change)]) == 2
        err = capfd.readouterr().err
        assert "is not of these files: " + message in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected a network, or a graph and its baseline"),
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
