"""How much of a reply was lifted word for word from one training line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec


class Overlap(msgspec.Struct, frozen=True):
    """The longest run of words that `reply` shares with one line; `share` of the reply's words."""

    line: str
    words: int
    share: float


class Overlaps:
    """An index over training lines; each question costs in proportion to the reply."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = [line for line in lines if line.split()]
        self._words = [line.lower().split() for line in self._lines]
        self._places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for place, word in enumerate(words):
                self._places[word].append((number, place))

    def longest(self, reply: str) -> Overlap:
        """The longest shared run of words, with the line it stands in ("" where nothing is shared)."""
        words = reply.lower().split()
        best, best_line = 0, ""
        # runs[(line, place)]: length of the shared run that ends there; one pass over the reply.
        runs: dict[tuple[int, int], int] = {}
        for word in words:
            runs = {
                (number, place): runs.get((number, place - 1), 0) + 1
                for number, place in self._places.get(word, ())
            }
            for (number, _), length in runs.items():
                if length > best:
                    best, best_line = length, self._lines[number]
        return Overlap(line=best_line, words=best, share=best / len(words) if words else 0.0)
