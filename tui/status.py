"""What the line on top says: the panes, what waits in them, and the most urgent state."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.dom import DOMNode
from textual.signal import Signal


class Status:
    """One for the app. Panes publish, every top line listens to `changed`.

    panes: (digit, title) in order. counts: digit -> how many things wait there. lasting: a word that
    always stands first (`demo`).
    """

    def __init__(self, owner: DOMNode, panes: tuple[tuple[int, str], ...], lasting: str = "") -> None:
        self.panes = panes
        self.lasting = lasting
        self.counts: dict[int, int] = {}
        self.changed: Signal[Status] = Signal(owner, "status")
        self._states: dict[str, tuple[int, Sequence[str]]] = {}

    def publish(self, source: str, state: str, urgency: int = 0, shorter: Sequence[str] = ()) -> None:
        """Say `state` for `source` ("import", "job", "provider"); empty takes it back.

        urgency: 0 a lasting fact (`local · ready`), 1 something that goes on (a job, an import),
        2 something that waits for an answer. shorter: the same in ever less room.
        """
        before = self.state()
        if state:
            self._states[source] = (urgency, (state, *shorter))
        else:
            self._states.pop(source, None)
        if self.state() != before:
            self.changed.publish(self)

    def count(self, digit: int, waiting: int) -> None:
        """Say how many things wait in pane `digit`; 0 takes the number away."""
        if self.counts.get(digit, 0) != waiting:
            self.counts[digit] = waiting
            self.changed.publish(self)

    def state(self, room: int | None = None) -> str:
        """The most urgent states, two at most, the newest first among equals; in `room` cells where
        they can be said so shortly."""
        top = max((urgency for urgency, _ in self._states.values()), default=0)
        urgent = [ways for urgency, ways in self._states.values() if urgency == top][::-1][:2]
        said = ""
        for way in range(max(map(len, urgent), default=1)):
            states = [ways[min(way, len(ways) - 1)] for ways in urgent]
            said = " · ".join([self.lasting, *states] if self.lasting else states)
            if room is None or cell_len(said) <= room:
                break
        return said
