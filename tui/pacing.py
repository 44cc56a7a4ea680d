"""How much a slow line can take now, so that no stale frames wait in it.

What is written over SSH is taken at once, into buffers that hold a minute of a slow line: a key that was
held would be seen long after it was let go. So behind each frame the terminal is asked how it is, which
it answers when it has come so far. A terminal that never answers is not asked again.
"""

from __future__ import annotations

from collections import deque
from threading import RLock
from time import monotonic
from typing import NamedTuple

QUESTION, ANSWER = "\x1b[5n", "\x1b[0n"

LAG = 0.1
"""Seconds that bytes may wait for the line."""

LOST = 10.0
"""Seconds after which an answer does not come any more: it was lost, or nobody reads."""

LEAST = 256
"""Bytes worth sending, however slow the line is."""

MEMORY = 0.7
"""Of what was known of the line, the part that counts beside the next answer."""


class Asked(NamedTuple):
    at: float  # seconds
    sent: int  # bytes until then
    under_way: int  # of them, not yet answered for


class Pace:
    """`wrote`, `ask` and `heard` as it happens; `heard` may come from another thread."""

    def __init__(self) -> None:
        self._lock = RLock()
        self.forget()

    def forget(self) -> None:
        """Another had the terminal, or it does not answer any more."""
        with self._lock:
            self._asked: deque[Asked] = deque()
            self._sent = self._taken = 0
            self._travel: float | None = None
            self._seconds = self._bytes = 0.0

    def wrote(self, size: int) -> None:
        self._sent += size

    def ask(self) -> str:
        """What to write behind a frame."""
        if self._travel is None and len(self._asked) > 1:
            return ""
        sent = self._sent + len(QUESTION)
        self._asked.append(Asked(monotonic(), sent, sent - self._taken))
        return QUESTION

    def heard(self) -> None:
        """The terminal answered."""
        with self._lock:
            if not self._asked:
                return
            asked = self._asked.popleft()
            took = monotonic() - asked.at
            self._travel = took if self._travel is None else min(took, self._travel)
            self._seconds = self._seconds * MEMORY + took - self._travel
            self._bytes = self._bytes * MEMORY + asked.under_way
            self._taken = asked.sent

    @property
    def waiting(self) -> bool:
        """Whether an answer is still to come, of a terminal that does answer."""
        return bool(self._asked) and self._travel is not None

    def room(self) -> float:
        """Bytes that may be sent now; 0 while the line is behind."""
        with self._lock:
            if self._travel is None:
                return float("inf")
            waited = monotonic() - self._asked[0].at if self._asked else 0.0
            if waited > LOST:
                self.forget()
                return float("inf")
            if waited > self._travel + LAG:
                return 0
            if not self._seconds:
                return float("inf")
            room = (self._travel + LAG) * self._bytes / self._seconds - self._under_way()
            return max(room, LEAST) if not self._asked else room if room >= LEAST else 0

    def _under_way(self) -> int:
        return self._sent - self._taken if self._asked else 0
