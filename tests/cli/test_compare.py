"""`pconv-tf compare` as a user runs it."""

import csv
import io
import json

import pytest

from pconv_tf.cli.main import main


@pytest.fixture
def files(dense_tflite):
    """A stock file against itself: quick, and needs no delegate."""
    return [
        f"--graph={dense_tflite}",
        f"--baseline={dense_tflite}",
        "--external_delegate_path=none",
        "--num_runs=1",
    ]


@pytest.fixture
def no_starts(files):
    return [*files, "--num_starts=0"]


def test_table(files, capfd):
    assert main(["compare", *files]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["contender", "version"] for line in lines)
    litert, pconv, first, second = (
        line.split() for line in lines if line.startswith(("litert", "pconv"))
    )
    assert litert[5] == "1.00x"
    assert float(pconv[2]) > 0
    assert [first[0], first[2], first[4]] == ["litert", "1.00x", "1.00x"]
    assert second[0] == "pconv" and float(second[1]) > 0 and float(second[3]) > 0
    assert "Start, from opening the file to the first result: medians of 3 fresh processes" in lines
    assert all(len(line) <= 80 for line in lines[-10:])


def test_starts_can_be_left_out(files, capfd):
    assert main(["compare", "--num_starts=0", *files]) == 0
    assert "Start, " not in capfd.readouterr().out


def test_json(no_starts, capfd):
    assert main(["compare", "--json", *no_starts]) == 0
    result = json.loads(capfd.readouterr().out)
    assert [row["name"] for row in result["contenders"]] == ["litert", "pconv"]


def test_markdown(files, capfd):
    assert main(["compare", "--markdown", "--num_starts=1", *files]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[1].startswith("|---") and lines[2].startswith("| litert |")
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[-4].startswith("| contender | first result |") and "|---|" in lines[-3]
    assert len({line.count("|") for line in lines[-4:]}) == 1


def test_csv(files, capfd):
    assert main(["compare", "--csv", "--num_starts=1", *files]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [row["name"] for row in rows] == ["litert", "pconv"]
    assert float(rows[0]["speedup"]) == 1
    assert all(float(rows[1][key]) > 0 for key in ("first_result_ms", "again_ms"))


class TestAPeerThatFails:
    """It has a row without times, and its reason is told."""

    @pytest.fixture
    def failing(self, no_starts, tmp_path, monkeypatch):
        monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))  # where no peer is installed
        return [*no_starts, "--peers=openvino"]

    def test_table(self, failing, capfd):
        assert main(["compare", *failing]) == 0
        out, err = capfd.readouterr()
        (row,) = (line for line in out.splitlines() if line.startswith("openvino"))
        assert row.split() == ["openvino", "failed", *"------"]
        assert "openvino: " in err and "--setup_peers=openvino" in err

    def test_markdown(self, failing, capfd):
        assert main(["compare", "--markdown", *failing]) == 0
        out = capfd.readouterr().out
        assert "| openvino | failed | - |" in out and "- openvino: " in out

    def test_csv(self, failing, capfd):
        assert main(["compare", "--csv", *failing]) == 0
        *_, row = csv.DictReader(io.StringIO(capfd.readouterr().out))
        assert row["name"] == "openvino" and not row["median_ms"]
        assert "not installed" in row["failed"]

    def test_json(self, failing, capfd):
        assert main(["compare", "--json", *failing]) == 0
        assert "not installed" in json.loads(capfd.readouterr().out)["failed"]["openvino"]


def test_wrong_output_is_exit_1(dense_tflite, other_tflite, capfd):
    flags = ["--num_runs=1", "--num_starts=0", "--external_delegate_path=none"]
    assert main(["compare", f"--graph={other_tflite}", f"--baseline={dense_tflite}", *flags]) == 1
    out, err = capfd.readouterr()
    assert "wrong output" in err
    assert any(line.split()[:2] == ["pconv", "failed"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected a network, or a graph and its baseline"),
        (["--network=alexnet"], "unknown network 'alexnet'"),
        (["--network=vgg16", "--peers=x"], "unknown peer 'x'"),
        (["--setup_peers=x"], "unknown peer 'x'"),
        (["--network=vgg16", "--filter_block=5"], "filter_block"),
    ],
)
def test_mistakes_are_one_error(flags, message, capfd):
    assert main(["compare", *flags]) == 2
    err = capfd.readouterr().err
    assert err.startswith("pconv-tf: error: ") and message in err and "Traceback" not in err


def test_forms_exclude_each_other(files):
    with pytest.raises(SystemExit) as exit_info:
        main(["compare", "--json", "--csv", *files])
    assert exit_info.value.code == 2


def test_options_given_twice_are_two_contenders(no_starts, capfd, delegate):
    flags = [flag for flag in no_starts if "delegate" not in flag]
    options = ["--external_delegate_options=claim:pconv", "--external_delegate_options=claim:all"]
    path = f"--external_delegate_path={delegate}"
    assert main(["compare", "--json", path, *options, *flags]) == 0
    names = [row["name"] for row in json.loads(capfd.readouterr().out)["contenders"]]
    assert names == ["litert", "pconv[claim=pconv]", "pconv[claim=all]"]
