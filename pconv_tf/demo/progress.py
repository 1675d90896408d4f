"""What the demo tells while it works: numbered steps, and the time that training still takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Progress:
    """Numbers the demo's steps and estimates the time left from the batches trained so far."""

    def __init__(
        self,
        steps: int,
        batches: int,
        note: Callable[[str], None],
        advance: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins before the first step.

        Args:
            steps: How many steps there are.
            batches: Batches that all networks together are trained on.
            note: Is given a line of text whenever something begins or is done.
            advance: Is given the number of batches that were done since the last call.
            clock: Seconds.
        """
        self._steps = steps
        self._batches = batches
        self._note = note
        self._advance = advance
        self._clock = clock
        self._step = 0
        self._done = 0
        self._timed = 0
        self._seconds = 0.0
        self._last: float | None = None

    def begin(self, what: str) -> None:
        """Tells that the next step begins."""
        self._step += 1
        self._last = None
        self._note(f"[{self._step}/{self._steps}] {what}")

    def skip(self, batches: int) -> None:
        """Counts batches that an earlier run has trained."""
        self._done += batches
        self._advance(batches)

    def trained(self, batches: int = 1) -> None:
        """Counts batches that were trained just now."""
        now = self._clock()
        # The first batches of a step waited for TensorFlow to build its graph.
        if self._last is not None:
            self._seconds += now - self._last
            self._timed += batches
        self._last = now
        self.skip(batches)

    def epoch(self, number: int, count: int, accuracy: float) -> None:
        """Tells how an epoch ended."""
        left = (self._batches - self._done) * self._seconds / max(self._timed, 1)
        self._note(
            f"      epoch {number}/{count}: training accuracy {100 * accuracy:.2f} %, "
            f"training ends in about {int(left) // 60}:{int(left) % 60:02}"
        )
