"""The lines of a thread in spoken order, packed where they are many: a thread may have 300,000."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from operator import attrgetter

import msgspec

from engine.importers.messenger_rows import Line

PACKED_FROM = 20_000  # lines; fewer stay as they are

_time = attrgetter("time")
_unpack = msgspec.msgpack.Decoder(list[Line]).decode


class Spoken:
    """Takes the chunks of one copy of a thread from the newest to the oldest; iterates over their
    lines in spoken order, as often as asked. first, last: times of the lines, where there are any."""

    def __init__(self) -> None:
        self.count = 0
        self._chunks: list[list[Line] | bytes] = []
        self._ends: list[tuple[int, int]] = []  # first and last time of each chunk

    def add(self, lines: list[Line]) -> None:
        """Add a chunk, newest first as exports have it. `lines` is not left as it was."""
        if not lines:
            return
        if lines[0].time >= lines[-1].time:  # else written oldest first, as no export of Facebook's is
            lines.reverse()
        # Two messages of one millisecond keep their order: reversed first, then sorted stably.
        lines.sort(key=_time)
        self.count += len(lines)
        self._ends.append((lines[0].time, lines[-1].time))
        self._chunks.append(lines)
        self._pack()

    @property
    def first(self) -> int:
        return min(first for first, _ in self._ends)

    @property
    def last(self) -> int:
        return max(last for _, last in self._ends)

    def extend(self, older: Spoken) -> None:
        """Add the chunks of another, which holds what is older."""
        self.count += older.count
        self._ends += older._ends
        self._chunks += older._chunks
        self._pack()

    def _pack(self) -> None:
        if self.count >= PACKED_FROM:
            self._chunks = [
                chunk if isinstance(chunk, bytes) else msgspec.msgpack.encode(chunk) for chunk in self._chunks
            ]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Spoken) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Line]:
        ends = self._ends[::-1]
        chunks = (_unpack(c) if isinstance(c, bytes) else c for c in reversed(self._chunks))
        if all(one[1] <= next_[0] for one, next_ in pairwise(ends)):
            for chunk in chunks:
                yield from chunk
        else:  # the chunks overlap: files that are not numbered from the newest
            yield from sorted((line for chunk in chunks for line in chunk), key=_time)
