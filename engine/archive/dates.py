"""Days as people write them: 2023, 2023-08, Aug 2023, 2023-08-27, 27 Aug 2023, today, yesterday."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_WORDS = re.compile(r"(?:(\d{1,2})\.?\s+)?([a-z]{3,9})\.?,?\s+(\d{4})")
_AMERICAN = re.compile(r"([a-z]{3,9})\.?\s+(\d{1,2}),?\s+(\d{4})")


def span(text: str, now: datetime) -> tuple[int, int] | None:
    """The day, month or year that `text` names, from its first millisecond to the one after its last.

    In local time, as UTC milliseconds; None where it names none. now: what today is.
    """
    folded = " ".join(text.casefold().replace("-", " - ").split()).replace(" - ", "-")
    if folded in ("today", "yesterday"):
        day = now - timedelta(days=folded == "yesterday")
        return _span(day.year, day.month, day.day)
    if match := _ISO.fullmatch(folded):
        year, month, day_of = (int(part) if part else 0 for part in match.groups())
    elif match := _WORDS.fullmatch(folded):
        year, month, day_of = int(match[3]), _month(match[2]), int(match[1] or 0)
    elif match := _AMERICAN.fullmatch(folded):
        year, month, day_of = int(match[3]), _month(match[1]), int(match[2])
    else:
        return None
    return _span(year, month, day_of) if month >= 0 else None


def _month(word: str) -> int:
    """1 to 12; -1 where it is none."""
    return MONTHS.index(word[:3]) + 1 if word[:3] in MONTHS else -1


def _span(year: int, month: int, day: int) -> tuple[int, int] | None:
    try:
        first = datetime(year, month or 1, day or 1)  # local: `astimezone` gives it its zone
        if day:
            after = first + timedelta(days=1)
        elif month:
            after = (first + timedelta(days=31)).replace(day=1)
        else:
            after = first.replace(year=year + 1)
        return round(first.astimezone().timestamp() * 1000), round(after.astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
