"""Text in columns: cut, padded and right-aligned by terminal cells; counts and times as we write them."""

from __future__ import annotations

import re
from datetime import date, datetime

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from engine.conversation import when
from tui.safe_text import safe_line

_WORDS = re.compile(r"\s*\S+\s*|\s+")


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells, with an ellipsis where it was cut."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


def fit_end(text: str, width: int) -> str:
    """As `fit`, but it is the end of `text` that stays."""
    if width <= 0 or cell_len(text) <= width:
        return fit(text, width)
    text = text[1 - width :] if width > 1 else ""
    while cell_len(text) > width - 1:
        text = text[1:]
    return fit(f"…{text}", width)


def right(text: str, width: int) -> str:
    """`text` at the right end of `width` cells."""
    spare = width - cell_len(text)
    return " " * spare + text if spare >= 0 else fit(text, width)


def spread(left: Content, end: Content, width: int) -> Content:
    """`left` at one end of `width` cells and `end` at the other; `left` gives way."""
    room = width - end.cell_length
    if room <= 0:
        return end.truncate(width)
    left = left.truncate(room - 1, ellipsis=True)
    return Content.assemble(left, " " * (room - left.cell_length), end)


def number(value: int) -> str:
    """48,211"""
    return f"{value:,}"


SOURCES = {"messenger": "Messenger", "instagram": "Instagram", "imessage": "iMessage"}
"""How the families of exports write their own names."""


def source_name(name: str) -> str:
    """A source as it is shown. Its name is foreign text where the user gave it one."""
    return SOURCES.get(name) or safe_line(name)


def plural(value: int, one: str, many: str | None = None) -> str:
    """`1 message`, `48,211 messages`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def local(time: int) -> datetime:
    """UTC milliseconds as local time."""
    return when(time).astimezone()


def clock(time: int) -> str:
    """14:06"""
    return f"{local(time):%H:%M}"


def day(time: int) -> str:
    """Sat 27 Aug 2023"""
    at = local(time)
    return f"{at:%a} {at.day} {at:%b %Y}"


def month(time: int | None) -> str:
    """Aug 2023"""
    return f"{local(time):%b %Y}" if time is not None else ""


def today() -> date:
    """The day it is here."""
    return datetime.now().astimezone().date()


def short_date(time: int | None) -> str:
    """At most six cells: `14:06` today, `Tue` within a week, `27 Aug` within a year, `Aug ’23` before."""
    if time is None:
        return ""
    at = local(time)
    days = (today() - at.date()).days
    if days == 0:
        return f"{at:%H:%M}"
    if 0 < days < 7:
        return f"{at:%a}"
    if 0 < days < 300:
        return f"{at.day} {at:%b}"
    return f"{at:%b} ’{at:%y}"


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces, and inside words too long for one."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if len(paragraph) <= width and paragraph.isascii():
            lines.append(paragraph)
            continue
        line, used = "", 0
        for word in _WORDS.findall(paragraph):
            size = cell_len(word.rstrip())
            if used and used + size > width:
                lines.append(line.rstrip())
                line, used = "", 0
            if size > width:
                *full, word = _chop(word, width)
                lines += full
            line += word
            used += cell_len(word)
        lines.append(line.rstrip())
    return lines


def _chop(word: str, width: int) -> list[str]:
    pieces, piece, used = [], "", 0
    for character in word:
        size = cell_len(character)
        if used + size > width:
            pieces.append(piece)
            piece, used = "", 0
        piece += character
        used += size
    return [*pieces, piece]
