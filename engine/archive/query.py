"""What a search asks for: words, "exact phrases", begin*, from:NAME, in:TITLE, before:DAY, after:DAY."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from engine.archive.dates import span
from engine.indexed_text import ALONE, indexed_text, is_alone

_PART = re.compile(r'(?:(from|in|before|after):)?(?:"([^"]*)(?:"|$)|(\S+))', re.IGNORECASE)
_UNFINISHED = re.compile(r"(from|in|before|after):", re.IGNORECASE)


class Term(msgspec.Struct, frozen=True):
    """One thing that must have been said. whole: nothing may be grown onto its last word."""

    text: str
    whole: bool = False

    @property
    def indexed(self) -> str:
        """The term as a phrase of the full-text index; "" where the index holds none of it."""
        words = indexed_text(self.text).replace("\0", " ")
        if not any(letter.isalnum() or letter >= "\U000f0000" for letter in words):
            return ""
        quoted = '"' + words.replace('"', '""') + '"'
        return quoted if self.whole else quoted + "*"


class Query(msgspec.Struct, frozen=True):
    """sender, title: parts of names, "" for any. since, until: UTC ms, since <= time < until.
    problems: what could not be understood, a sentence each."""

    terms: tuple[Term, ...] = ()
    sender: str = ""
    title: str = ""
    since: int | None = None
    until: int | None = None
    problems: tuple[str, ...] = ()

    @property
    def narrowed(self) -> bool:
        return bool(self.sender or self.title) or self.since is not None or self.until is not None

    def __bool__(self) -> bool:
        return bool(self.terms) or self.narrowed


def parse(text: str, now: datetime) -> Query:
    """Any text is a query. The last word may be incomplete, the others only with a star."""
    terms: list[Term] = []
    sender = title = ""
    since: int | None = None
    until: int | None = None
    problems: list[str] = []
    text = text.encode("utf-8", "replace").decode().replace("\0", " ")
    parts = [part for part in _PART.finditer(text) if not _UNFINISHED.fullmatch(part[0])]
    for part in parts:
        operator, phrase, word = (part[1] or "").lower(), part[2], part[3]
        value = phrase if phrase is not None else word
        if operator in ("before", "after"):
            day = span(value, now)
            if day is None:
                problems.append(f'"{value}" names no day: write 2023-08-27 or "Aug 2023".')
            elif operator == "before":
                until = day[0] if until is None else min(until, day[0])
            else:
                since = day[0] if since is None else max(since, day[0])
        elif operator == "from":
            sender = value
        elif operator == "in":
            title = value
        elif phrase is not None:
            terms += [Term(phrase, whole=True)] if phrase.strip() else []
        else:
            begins = word.endswith("*") or part is parts[-1]
            terms.append(Term(word.rstrip("*") or word, whole=not begins))
    return Query(tuple(dict.fromkeys(terms)), sender, title, since, until, tuple(problems))


def marks(terms: Sequence[Term], text: str) -> list[tuple[int, int]]:
    """Where the terms stand in the text, from start to end of each whole word, in order, none over another.

    As the index compares: without regard to case and accents.
    """
    folded, places = _folded(text)
    found: list[tuple[int, int]] = []
    for term in terms:
        pattern = _pattern(term, folded.isascii())
        if pattern is not None:
            found += [match.span() for match in pattern.finditer(folded)]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [(places[start], _after_marks(text, places[end])) for start, end in merged if start < end]


def _after_marks(text: str, at: int) -> int:
    """Behind what stands on the letter before `at`."""
    while at < len(text) and not text[at].isascii() and unicodedata.category(text[at])[0] == "M":
        at += 1
    return at


@lru_cache(maxsize=256)
def _pattern(term: Term, in_ascii: bool) -> re.Pattern[str] | None:
    """What a term looks like in a folded text. in_ascii: no letter is a word of its own there."""
    folded = _folded(term.text)[0].strip()
    if not folded:
        return None
    if not term.indexed:
        return re.compile(re.escape(folded))
    # As the index cuts it: letters of their own, and words between which stands what is neither.
    alone = "" if in_ascii else ALONE
    letter = f"[^\\W_{alone}]"
    words = re.findall(f"{letter}+|[{alone}]" if alone else f"{letter}+", folded)
    if not words:  # letters of their own, in a text without any
        return None
    parts = [
        f"(?<!{letter}){re.escape(word)}(?!{letter})" if re.match(letter, word) else re.escape(word)
        for word in words
    ]
    if not term.whole and parts[-1].endswith(f"(?!{letter})"):
        parts[-1] = parts[-1].removesuffix(f"(?!{letter})") + f"{letter}*"
    return re.compile(f"(?:(?!{letter}|[{alone}])[\\s\\S])*?".join(parts) if alone else r"[\W_]+".join(parts))


def folded_name(text: str) -> str:
    """A name as it is compared: without case and accents."""
    apart = unicodedata.normalize("NFD", text).lower()
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _folded(text: str) -> tuple[str, list[int]]:
    """The text without case and accents, and for each of its letters, and its end, the place in `text`.

    A sign on a letter that the index does not know as an accent parts words, and so is a space.
    """
    if text.isascii():
        return text.lower(), list(range(len(text) + 1))
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        for part in (letter,) if is_alone(letter) else unicodedata.normalize("NFD", letter).lower():
            if "\u0300" <= part <= "\u0331":
                continue
            letters.append(" " if unicodedata.category(part)[0] == "M" else part)
            places.append(place)
    places.append(len(text))
    return "".join(letters), places
