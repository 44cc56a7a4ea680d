"""Figures of style that need no model: length, bubbles, case, punctuation, letter habits."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec


class Style(msgspec.Struct, frozen=True):
    """Means over replies. Shares are 0 to 1; words and bubbles are counts a reply."""

    replies: int
    words: float
    bubbles: float
    lower_case: float
    exclaiming: float
    asking: float
    emoji: float


def style(replies: Sequence[str]) -> Style:
    """Measure `replies` (at least one, each possibly several lines: one a bubble)."""
    if not replies:
        raise ValueError("no replies to measure")

    def share(holds: Sequence[bool]) -> float:
        return sum(holds) / len(replies)

    return Style(
        replies=len(replies),
        words=statistics.fmean(len(reply.split()) for reply in replies),
        bubbles=statistics.fmean(sum(bool(line.strip()) for line in reply.split("\n")) for reply in replies),
        lower_case=share([reply == reply.lower() for reply in replies]),
        exclaiming=share(["!" in reply for reply in replies]),
        asking=share(["?" in reply for reply in replies]),
        emoji=share([any(_is_emoji(character) for character in reply) for reply in replies]),
    )


def trigram_distance(ones: Sequence[str], others: Sequence[str]) -> float:
    """Cosine distance of character 3-gram counts: 0 the same habits, 1 nothing in common."""
    left, right = _trigrams(ones), _trigrams(others)
    norm = math.sqrt(sum(n * n for n in left.values()) * sum(n * n for n in right.values()))
    if not norm:
        return 1.0
    return 1.0 - sum(count * right[gram] for gram, count in left.items()) / norm


def _trigrams(texts: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        padded = f"  {text}  "
        counts.update(padded[start : start + 3] for start in range(len(padded) - 2))
    return counts


def _is_emoji(character: str) -> bool:
    return 0x1F300 <= ord(character) <= 0x1FAFF or 0x2600 <= ord(character) <= 0x27BF
