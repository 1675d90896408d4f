"""Files are complete or absent."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pconv_tf.files import scratch_folder, write_atomically


def test_writes_bytes_and_text(tmp_path):
    assert write_atomically(tmp_path / "a", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert write_atomically(str(tmp_path / "a"), "µ").read_text("utf-8") == "µ"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_new_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    made = write_atomically(tmp_path / "made", b"")
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    target = tmp_path / "secret"
    target.write_bytes(b"old")
    target.chmod(0o600)
    write_atomically(target, b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_bytes() == b"new"


def test_the_process_keeps_its_umask(tmp_path, monkeypatch):
    def changed(mask):
        raise AssertionError(f"umask({mask:o}) is seen by every thread")

    monkeypatch.setattr(os, "umask", changed)
    write_atomically(tmp_path / "a", b"")


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    target = tmp_path / "model.tflite"
    target.write_bytes(b"old")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_data_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    target, order = tmp_path / "a", []
    real = os.fsync

    def sync(handle):
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        assert target.exists() == (order[-1] == "folder")
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(target, b"data")
    assert order == ["file", "folder"]


def test_bad_targets_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "a", b"")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_atomically(tmp_path, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_with_the_name_of_the_file():
    with pytest.raises(OSError, match="cannot write /dev/full: No space left on device"):
        write_atomically("/dev/full", b"data")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "file")
    write_atomically(link, b"data")
    assert link.is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"data"


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"data")
    reader.join()
    assert read == [b"data"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


_KILLED = """
import os, sys
from pconv_tf.files import replacing, scratch_folder
with scratch_folder(sys.argv[1]) as folder, replacing(sys.argv[1] + "/a") as file:
    (folder / "part").write_bytes(b"x")
    file.write(b"new")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_next_write_removes_what_a_killed_one_left(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / ".somebody's").write_bytes(b"")
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        write_atomically(tmp_path / "b", b"")
        assert len(list(tmp_path.iterdir())) == 5, "what is in use must stay"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / "a").read_bytes() == b"old"
    write_atomically(tmp_path / "b", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".somebody's", "a", "b"]


def test_scratch_folders_go_with_their_block(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "sub").mkdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []
