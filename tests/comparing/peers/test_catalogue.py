"""Environments of peers: made once, complete or not there. pip and venv are stand-ins."""

import dataclasses
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pconv_tf.comparing.peers import catalogue
from pconv_tf.comparing.peers.catalogue import PEERS, environment_python, set_up


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """A stand-in for pip: `runs` has the words of every call, `answer` makes the result."""

    class Pip:
        def __init__(self):
            self.runs = []

        def answer(self, command):
            return subprocess.CompletedProcess(command, 0, "", "")

        def run(self, command, **options):
            assert options["check"] is False
            self.runs.append(command)
            return self.answer(command)

    pip = Pip()
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(catalogue.subprocess, "run", pip.run)
    monkeypatch.setattr(catalogue.venv, "create", lambda folder, with_pip: folder.mkdir())
    return pip


def test_an_environment_is_made_once(pip):
    peer, notes = PEERS["ncnn"], []
    assert environment_python(peer) is None
    python = set_up(peer, notes.append)
    assert environment_python(peer) == python
    requirements, bare = pip.runs
    assert requirements[:4] == [str(python), "-m", "pip", "install"]
    assert requirements[-2:] == list(peer.requirements)
    assert bare[-2:] == ["--no-deps", *peer.without_dependencies]
    assert peer.requirements[0] in notes[0]
    assert set_up(peer, notes.append) == python
    assert len(pip.runs) == 2 and len(notes) == 1


def test_two_at_once_make_it_once(pip):
    def slowly(command):
        time.sleep(0.2)
        return subprocess.CompletedProcess(command, 0, "", "")

    pip.answer = slowly
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(set_up, [PEERS["openvino"]] * 2))
    assert len(pip.runs) == 1


def test_other_versions_are_another_environment(pip):
    peer = PEERS["openvino"]
    set_up(peer)
    newer = dataclasses.replace(peer, requirements=("openvino==9999",))
    assert environment_python(newer) is None


def test_a_failed_installation_leaves_nothing(pip, tmp_path):
    said = "\n".join(f"line {n}" for n in range(9))
    pip.answer = lambda command: subprocess.CompletedProcess(command, 1, "", said)
    with pytest.raises(ValueError, match=r"mnn: pip could not install MNN[^\n]*:\nline 4\n"):
        set_up(PEERS["mnn"])
    assert environment_python(PEERS["mnn"]) is None
    assert list((tmp_path / "peers").iterdir()) == []


def test_an_interrupted_installation_leaves_nothing(pip, tmp_path):
    def interrupted(command):
        raise KeyboardInterrupt

    pip.answer = interrupted
    with pytest.raises(KeyboardInterrupt):
        set_up(PEERS["mnn"])
    assert list((tmp_path / "peers").iterdir()) == []
