"""The other runtimes a comparison can include, and the environments they are installed in.

Every peer has a virtual environment of its own in the user's cache folder, made by
`pconv-tf compare --setup_peers=NAMES`: their requirements contradict each other, and none of them
is a dependency of this package.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pconv_tf.cache_folder import cache_folder, locked


@dataclass(frozen=True)
class Variant:
    """One way to run a peer: a row of the table.

    Attributes:
        name: Of the row.
        options: Of the peer's `Session`.
        tolerance: As in `Contender`.
        remark: A line for the table's legend.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-3
    remark: str = ""


@dataclass(frozen=True)
class Environment:
    """An environment for what is no peer.

    Attributes:
        name: Of its folder.
        requirements: What pip installs, versions pinned.
        without_dependencies: As in `Peer`.
    """

    name: str
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()


# Writes the files of the peers that read ONNX.
ONNX = Environment("onnx", ("onnx==1.19.1", "numpy>=2"))


@dataclass(frozen=True)
class Peer:
    """A runtime that is not TFLite.

    Attributes:
        name: What `--peers` accepts, and the module of this package that runs it.
        title: Its usual name.
        requirements: What pip installs, versions pinned.
        without_dependencies: Packages installed with `--no-deps`, for programs inside them.
        reads: The form in which it gets the dense twin.
        variants: How it is run.
    """

    name: str
    title: str
    requirements: tuple[str, ...]
    reads: Literal["tflite", "onnx"]
    variants: tuple[Variant, ...]
    without_dependencies: tuple[str, ...] = ()

    @property
    def adapter(self) -> Path:
        """The file of the module that runs it, as `Contender` takes it."""
        return Path(__file__).with_name(f"{self.name}.py")


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "onnxruntime",
            "ONNX Runtime",
            ("onnxruntime==1.31.1", "numpy>=2"),
            "onnx",
            (Variant("onnxruntime"),),
        ),
        Peer(
            "openvino",
            "OpenVINO",
            ("openvino==2026.4.1", "numpy>=2"),
            "tflite",
            (
                Variant("openvino", {"precision": "f32"}, remark="float32 forced"),
                Variant(
                    "openvino-bf16",
                    {"precision": "bf16"},
                    tolerance=0.1,
                    remark="bfloat16 arithmetic: not the same precision",
                ),
            ),
        ),
        Peer(
            "mnn",
            "MNN",
            ("MNN==3.6.1", "numpy>=2"),
            "onnx",
            (
                Variant("mnn", {"sparse": False}, remark="dense (Winograd)"),
                Variant("mnn-sparse", {"sparse": True}, remark="its sparse mode"),
            ),
        ),
        Peer(
            "ncnn",
            "ncnn",
            ("ncnn==1.0.20261020", "numpy>=2"),
            "onnx",
            (Variant("ncnn", remark="dense (Winograd)"),),
            without_dependencies=("pnnx==20261020",),
        ),
        Peer(
            "deepsparse",
            "DeepSparse",
            ("deepsparse==1.8.0", "numpy<2"),
            "onnx",
            (Variant("deepsparse"),),
        ),
        Peer(
            "tvm",
            "TVM",
            ("apache-tvm==0.27.0.post1", "onnx==1.19.1", "numpy>=2"),
            "onnx",
            (Variant("tvm", remark="default schedules, not tuned"),),
        ),
    )
}


def parse_peers(text: str) -> list[Peer]:
    """Parses "a,b" or "all" into peers.

    Raises:
        ValueError: An unknown name.
    """
    names = list(PEERS) if text == "all" else [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise ValueError(f"unknown peer {unknown[0]!r}, expected all or some of {','.join(PEERS)}")
    return [PEERS[name] for name in dict.fromkeys(names)]


def environment_python(peer: Peer | Environment) -> Path | None:
    """The Python of the peer's environment; None if it has not been set up (for these versions)."""
    python = _folder(peer) / "bin" / "python"
    return python if _stamp(peer).is_file() else None


def set_up(peer: Peer | Environment, progress: Callable[[str], None] = lambda text: None) -> Path:
    """Makes the peer's environment if it is not there, and returns its Python.

    Raises:
        ValueError: pip failed; the text ends with its last lines.
    """
    python = _folder(peer) / "bin" / "python"
    with locked(cache_folder("peers")):
        if not _stamp(peer).is_file():
            progress(f"installing {', '.join(peer.requirements)} into {_folder(peer)}")
            _make(peer, python)
    return python


def _make(peer: Peer | Environment, python: Path) -> None:
    folder = _folder(peer)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
        _pip(python, peer, peer.requirements)
        if peer.without_dependencies:
            _pip(python, peer, ("--no-deps", *peer.without_dependencies))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _stamp(peer).touch()


def _pip(python: Path, peer: Peer | Environment, arguments: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        last = "\n".join(result.stderr.strip().splitlines()[-5:])
        raise ValueError(f"{peer.name}: pip could not install {' '.join(arguments)}:\n{last}")


def _folder(peer: Peer | Environment) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [version, *peer.requirements, *peer.without_dependencies]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:8]
    return cache_folder("peers") / f"{peer.name}-{digest}"


def _stamp(peer: Peer | Environment) -> Path:
    return _folder(peer) / ".complete"
