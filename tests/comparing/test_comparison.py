"""Contenders in real processes, and how their times are summarised."""

import dataclasses
import json
import os
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from interruptible import interruptible

from pconv_tf import compare
from pconv_tf.comparing import comparison
from pconv_tf.comparing.comparison import run_comparison
from pconv_tf.measuring.contender import LITERT, Contender, ContenderError, ContenderProcess, Start
from pconv_tf.measuring.inputs import inputs_of


def test_a_process_runs_a_model_and_ends(dense_tflite):
    inputs = inputs_of(dense_tflite, seed=1)
    with ContenderProcess(Contender("x", LITERT, dense_tflite), 1, cpus=[0]) as process:
        info, outputs = process.load(inputs)
        assert info["version"] and info["load_ms"] > 0
        assert outputs[0].shape == (1, 10)
        times = process.burst(warmup=1, runs=4)
        assert len(times) == 4 and min(times) > 0
        pid = process._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_idle_process_is_paused(dense_tflite):
    with ContenderProcess(Contender("x", LITERT, dense_tflite), 1) as process:
        process.load(inputs_of(dense_tflite, seed=1))
        stat = Path(f"/proc/{process._process.pid}/stat")
        deadline = time.monotonic() + 300  # the signal takes effect when the process is scheduled
        while (state := stat.read_text().rpartition(")")[2].split()[0]) != "T":
            assert time.monotonic() < deadline, f"state {state}"
            time.sleep(0.01)


def test_a_process_that_dies_says_its_last_words(dense_tflite, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nread line\necho out of luck >&2\nexit 3\n")
    python.chmod(0o755)
    with (
        ContenderProcess(Contender("x", LITERT, dense_tflite, python=str(python)), 1) as process,
        pytest.raises(ContenderError, match=r"ended with code 3\n    out of luck"),
    ):
        process.load(inputs_of(dense_tflite, seed=1))


def test_an_error_of_the_runtime_is_passed_on(dense_tflite, tmp_path):
    contender = Contender("x", LITERT, tmp_path / "gone.tflite")
    with (
        ContenderProcess(contender, 1) as process,
        pytest.raises(ContenderError, match=r"gone\.tflite: no such file"),
    ):
        process.load(inputs_of(dense_tflite, seed=1))


def test_a_start_is_timed_cold_and_warm(dense_tflite):
    with ContenderProcess(Contender("x", LITERT, dense_tflite), 1) as process:
        start = process.start(inputs_of(dense_tflite, seed=1))
    assert start.first_ms > 0 and start.again_ms > 0
    assert 0 < start.peak_mb < 1000


def test_compares_two_stock_files(dense_tflite):
    steps = []
    result = compare(
        graph=dense_tflite,
        baseline=dense_tflite,
        num_runs=5,
        external_delegate_path="none",
        progress=lambda text, done, total: steps.append((text, done, total)),
    )
    first, second = result.contenders
    assert (first.name, second.name) == ("litert", "pconv")
    assert first.speedup == 1 and first.speedup_range == (1, 1)
    assert second.speedup == pytest.approx(first.latency_ms.median / second.latency_ms.median)
    assert second.max_abs_diff == 0
    assert result["pconv"] is second
    assert result.num_starts == 3 and min(first.start.first_ms, second.start.again_ms) > 0
    assert steps[-1][1] == steps[-1][2] > 0
    stored = json.loads(json.dumps(dataclasses.asdict(result), allow_nan=False))
    for row in stored["contenders"]:
        contract = {"name", "version", "num_threads", "latency_ms", "speedup", "max_abs_diff"}
        assert contract <= set(row)
        assert set(row["latency_ms"]) == {"median", "min", "p90"}
        assert set(row["start"]) == {"first_ms", "again_ms", "peak_mb"}


def test_wrong_output_is_never_timed(dense_tflite, other_tflite):
    result = compare(
        graph=other_tflite,
        baseline=dense_tflite,
        num_runs=1,
        num_starts=0,
        external_delegate_path="none",
    )
    assert [row.name for row in result.contenders] == ["litert"]
    assert "wrong output: it differs from the baseline's by" in result.failed["pconv"]


def test_a_missing_peer_is_named_with_the_command_that_installs_it(
    dense_tflite, monkeypatch, tmp_path
):
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))
    result = compare(
        graph=dense_tflite,
        baseline=dense_tflite,
        num_runs=1,
        num_starts=0,
        peers="openvino",
        external_delegate_path="none",
    )
    assert "pconv-tf compare --setup_peers=openvino" in result.failed["openvino"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected a network, or a graph and its baseline"),
        ({"graph": "a.tflite"}, "expected a network, or a graph and its baseline"),
        ({"network": "vgg16", "graph": "a.tflite"}, "cannot be combined"),
        ({"network": "alexnet"}, "unknown network 'alexnet', expected one of: vgg16"),
        ({"network": "vgg16", "peers": "tensorrt"}, "unknown peer 'tensorrt'"),
        ({"network": "vgg16", "pruning": {"connectivity_rate": 0.5}}, "connectivity_rate"),
        ({"network": "vgg16", "precision": "int4"}, "precision: expected one of float32, int8"),
        ({"network": "vgg16", "precision": "int8", "peers": "all"}, "precision: int8 is for"),
        ({"graph": "a", "baseline": "b", "precision": "int8"}, "precision: int8 is for"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


def test_missing_files_are_named(dense_tflite, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.tflite"):
        compare(graph=tmp_path / "gone.tflite", baseline=dense_tflite)


@dataclasses.dataclass
class _Fake:
    """Stands for a process: one inference of contender N takes N + 1 ms, drift doubles round 3."""

    contender: Contender
    log: list
    fails: tuple = ()  # (name, burst): the probe is burst 1, a start is burst 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def load(self, inputs):
        return {"version": "1", "load_ms": 1.0}, [np.ones(3, np.float32)]

    def start(self, inputs):
        if (self.contender.name, 0) == self.fails:
            raise ContenderError("its process ended")
        self.log.append((self.contender.name, 0))
        number = sum(1 for name, _ in self.log if name == self.contender.name)
        return Start(first_ms=10.0**number, again_ms=5.0, peak_mb=2.0)

    def burst(self, *, warmup, runs):
        self.log.append((self.contender.name, runs))
        number = sum(1 for name, n in self.log if name == self.contender.name)
        if (self.contender.name, number) == self.fails:
            raise ContenderError("its process ended")
        drift = 2 if number == 4 else 1
        return [drift * (1.0 + int(self.contender.name))] * runs


def test_contenders_take_turns_and_drift_cancels(monkeypatch):
    log = []
    monkeypatch.setattr(comparison, "ContenderProcess", lambda c, *args: _Fake(c, log))
    contenders = [Contender(str(n), LITERT, Path("x")) for n in range(3)]
    result = run_comparison(contenders, [np.zeros(1)], subject={}, num_threads=1, num_runs=250)
    turns = [name for name, runs in log if runs > 2]
    assert turns == ["0", "1", "2"] * 5
    assert all(runs == 50 for name, runs in log if runs > 2)
    assert [row.speedup for row in result.contenders] == [1, 1 / 2, 1 / 3]
    # Each round's ratio is undisturbed, though one round took twice as long for all.
    assert result.contenders[2].speedup_range == pytest.approx((1 / 3, 1 / 3))
    assert [row.runs for row in result.contenders] == [250, 250, 250]


def test_starts_take_turns_before_the_bursts(monkeypatch):
    log = []
    monkeypatch.setattr(comparison, "ContenderProcess", lambda c, *args: _Fake(c, log))
    contenders = [Contender(str(n), LITERT, Path("x")) for n in range(2)]
    result = run_comparison(
        contenders, [np.zeros(1)], subject={}, num_threads=1, num_runs=1, num_starts=3
    )
    assert log[:6] == [("0", 0), ("1", 0)] * 3
    assert [row.start for row in result.contenders] == [Start(100.0, 5.0, 2.0)] * 2
    assert result.num_starts == 3


def _run_fakes(monkeypatch, names, fails):
    log = []
    monkeypatch.setattr(comparison, "ContenderProcess", lambda c, *args: _Fake(c, log, fails))
    contenders = [Contender(name, LITERT, Path("x")) for name in names]
    return run_comparison(
        contenders, [np.zeros(1)], subject={}, num_threads=1, num_runs=1, num_starts=fails[1] == 0
    )


@pytest.mark.parametrize("burst", [0, 1, 2, 4], ids=["start", "probe", "round 1", "round 3"])
def test_a_contender_that_fails_takes_nobody_along(monkeypatch, burst):
    result = _run_fakes(monkeypatch, "012", fails=("1", burst))
    assert [row.name for row in result.contenders] == ["0", "2"]
    assert [row.speedup for row in result.contenders] == [1, 1 / 3]
    assert result.failed == {"1": "failed while it was timed: its process ended"}


@pytest.mark.parametrize("names", ["0", "012"])
@pytest.mark.parametrize("burst", [0, 1, 2, 4], ids=["start", "probe", "round 1", "round 3"])
def test_a_baseline_that_fails_is_an_error(monkeypatch, names, burst):
    with pytest.raises(ValueError, match="baseline 0: failed while it was timed: its process end"):
        _run_fakes(monkeypatch, names, fails=("0", burst))


def test_a_very_slow_contender_does_not_hold_up_the_others(monkeypatch):
    log = []
    monkeypatch.setattr(comparison, "ContenderProcess", lambda c, *args: _Fake(c, log))
    contenders = [Contender(str(n), LITERT, Path("x")) for n in (0, 24_999)]
    result = run_comparison(contenders, [np.zeros(1)], subject={}, num_threads=1, num_runs=20)
    slow = result.contenders[1]
    assert slow.runs == 3  # after which its minute is over
    assert result.contenders[0].runs == 20 * 50
    assert slow.speedup == pytest.approx(1 / 25_000)


def test_ctrl_c_takes_the_processes_along(dense_tflite):
    code = textwrap.dedent(
        f"""
        import sys
        from pconv_tf.cli.main import main
        sys.exit(main(["compare", "--graph={dense_tflite}", "--baseline={dense_tflite}",
                       "--num_runs=1000000", "--external_delegate_path=none"]))
        """
    )
    with interruptible(code, stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 300
        while len(pids := children.read_text().split()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(pids) == 2
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and err == b"pconv-tf: interrupted\n"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.slow
def test_int8_network_beside_float32(delegate, tmp_path, monkeypatch):
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))
    result = compare(
        "resnet20_cifar", precision="int8", num_runs=1, external_delegate_path=delegate
    )
    assert not result.failed
    names = [contender.name for contender in result.contenders]
    assert names == ["litert", "pconv", "litert[float32]", "pconv[float32]"]
    assert result["pconv"].max_abs_diff == 0
    # Quantised weights and activations: not the float32 result, but something like it.
    assert 1e-4 < result["litert[float32]"].relative_diff < 1
    assert result["litert[float32]"].relative_diff == pytest.approx(
        result["pconv[float32]"].relative_diff, abs=1e-3
    )
    assert result.subject["precision"] == "int8"
    assert len(list(tmp_path.rglob("*.tflite"))) == 4


@pytest.mark.slow
def test_converted_network_is_checked_and_timed(delegate, tmp_path, monkeypatch):
    """From a name to a table: build, prune, convert, run with the delegate."""
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))
    result = compare("resnet20_cifar", num_runs=1, num_starts=0, external_delegate_path=delegate)
    assert not result.failed
    assert result["pconv"].relative_diff < 1e-4
    assert result.subject["bytes"]["pconv"] < result.subject["bytes"]["dense"] / 2
    assert result.subject["conv_weights_kept"] == pytest.approx(0.23, abs=0.01)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tflite")}
    assert len(made) == 2
    again = compare("resnet20_cifar", num_runs=1, num_starts=0, external_delegate_path=delegate)
    assert again.subject == result.subject
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tflite")} == made
