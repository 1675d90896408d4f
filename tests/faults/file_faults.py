"""Makes every file operation of a write fail in turn; a process of its own, under `failing_files`.

Prints a JSON object: how many failures were injected, and what went wrong besides them.
"""

import ctypes
import errno
import json
import sys
from pathlib import Path

import numpy as np

from pconv_tf.config import PruningConfig
from pconv_tf.conversion import convert, convert_dense
from pconv_tf.files import write_atomically
from pconv_tf.training import checkpoint

FAILURES = {"full": errno.ENOSPC, "read-only": errno.EROFS, "broken": errno.EIO}
_SHORT = 1000  # bytes of a short write


def writers(model, folder):
    """Name, written file and function of everything that writes a file."""
    config = PruningConfig()
    state = [(f"variable{i}", np.full(40_000, i, np.float32)) for i in range(3)]

    def keep():
        checkpoint.write(folder, config, {"next_epoch": 1}, state)

    target = folder / "model.tflite"
    yield "convert", target, lambda: convert(model, output=target, force=True, quiet=True)
    yield "convert_dense", target, lambda: convert_dense(model, output=target)
    yield "checkpoint", folder / checkpoint.FILE_NAME, keep
    yield "text", folder / "table.json", lambda: write_atomically(folder / "table.json", "µ" * 9999)


def main() -> None:
    model, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).resolve()
    shim = ctypes.CDLL(None)
    below = str(folder).encode()
    injected, problems = 0, []
    for name, target, write in writers(model, folder):
        write()
        right = target.read_bytes()
        shim.fail_files(below, 0, 0, _SHORT)
        write()
        shim.fail_files(b"", 0, 0, 0)
        if target.read_bytes() != right:
            problems.append(f"{name}: short writes changed the file")
        for kind, error in FAILURES.items():
            number = 0
            while True:
                number += 1
                target.write_bytes(b"old")
                shim.fail_files(below, number, error, _SHORT * 20)
                try:
                    write()
                    told = None
                except OSError as caught:
                    told = caught
                finally:
                    count = shim.count_of_operations()
                    shim.fail_files(b"", 0, 0, 0)
                where = f"{name}, {kind}, operation {number}"
                left = [path.name for path in folder.iterdir() if path.suffix.endswith("-part")]
                if left:
                    problems.append(f"{where}: left {left}")
                if count < number:
                    break
                injected += 1
                if told is None:  # only the folder's own fsync may fail without a word
                    if target.read_bytes() != right:
                        problems.append(f"{where}: no error, and a wrong file")
                elif target.read_bytes() != b"old":
                    problems.append(f"{where}: the old file is gone")
                elif told.errno != error or str(target) not in str(told):
                    problems.append(f"{where}: {told!r}")
    print(json.dumps({"injected": injected, "problems": problems}))


main()
