"""Child processes for tests of Ctrl-C."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible(code: str, **options) -> Iterator[subprocess.Popen]:
    """Runs Python code that SIGINT interrupts; kills it at the end.

    A shell starts its background jobs with SIGINT ignored, which children inherit.
    """
    with subprocess.Popen(
        [sys.executable, "-c", code],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
