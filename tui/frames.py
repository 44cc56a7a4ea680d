"""What is sent of a frame: the cells that changed, and nothing that could steer the terminal.

Textual sends every line of a widget that scrolled, and the colours of each segment anew. Over a bad line
that is most of what goes through, so what the terminal shows is remembered here, cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

GAP = 4
"""Unchanged cells between changed ones that are sent again: to step over them costs as much."""

LONGEST_CELL = 16
"""Characters of one cell that are sent, more than any script needs: a field shows what is typed as it is."""

_STEERING = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")
"""What no cell may hold. safe_text has seen to it; this is the last door, whatever was forgotten."""


_DISPUTED = re.compile("[\U0001f000-\U0010ffff]|.[^\u0300-\u036f]", re.DOTALL)
"""Cells for which terminals count different columns: emoji, and all that is put together but Latin marks."""


class Look(NamedTuple):
    """attributes: Rich's bits. fg, bg: parameters of SGR; fg is empty where no ink is seen."""

    attributes: int = 0
    fg: str = "39"
    bg: str = "49"


Cell = tuple[str, Look]
"""A character with what stands on it; the second cell of a wide one is empty."""

PLAIN = Look()
_OFF = ("22", "22", "23", "24", "25", "25", "27", "28", "29", "24", "54", "54", "55")
_ON = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53")
_INK = sum(1 << bit for bit in (3, 6, 8, 9, 10, 11, 12))
"""Attributes that are seen on a space."""


class Shown:
    """What the terminal shows, as far as it is known."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Cell | None]] = {}
        self._left: int | None = None
        self._doubt: dict[int, int] = {}
        """For a row the column from which on a terminal that counts in another way shows something else."""

    def forget(self) -> None:
        """Another has drawn on the terminal, or its size changed: the next frame is sent in full."""
        self._rows.clear()
        self._doubt.clear()
        self._left = None

    @property
    def whole(self) -> bool:
        """Whether the last frame was sent to its end."""
        return self._left is None

    def send(self, update: CompositorUpdate, console: Console, room: float = float("inf")) -> str:
        """What turns the terminal's screen into that of `update`, leaving its pen plain.

        room: characters after which no other row is begun; the next frame begins with those left.
        """
        sent: list[str] = []
        size, counted, row_before = 0, 0, -1
        pen, place = PLAIN, (-1, -1)
        colours = console._color_system or ColorSystem.TRUECOLOR
        first, self._left = self._left or 0, None
        for y, x, strip in sorted(_pieces(update), key=lambda piece: piece[0] < first):
            if y != row_before:
                size += sum(map(len, sent[counted:]))
                counted, row_before = len(sent), y
                if size > room:
                    self._left = y
                    break
            new = _cells(strip, colours)
            row = self._rows.setdefault(y, [])
            if len(row) < x + len(new):
                row += [None] * (x + len(new) - len(row))
            old = row[x : x + len(new)]
            if old == new:
                continue
            doubt = self._doubt.get(y, len(row))
            unsure = max(doubt, x)
            if unsure < x + len(new) and old[unsure - x :] != new[unsure - x :]:
                row[unsure:] = [None] * (len(row) - unsure)
                old = row[x : x + len(new)]
                if doubt >= x:
                    del self._doubt[y]
            certain = _certain(new)
            row[x : x + len(new)] = new
            for start, end in _changes(old, new, certain):
                if place[0] == y and place[1] <= x + start:
                    if x + start > place[1]:
                        sent.append(f"\x1b[{x + start - place[1]}C")
                else:
                    sent.append(f"\x1b[{y + 1};{x + start + 1}H")
                behind = -1
                for at, (text, look) in enumerate(new[start:end], start):
                    if look is not pen:
                        turn, pen = _turn(pen, look)
                        sent.append(turn)
                    if at > behind and _DISPUTED.search(text):
                        behind = next(
                            (after for after in range(at, end) if " " < new[after][0] < "\x7f"), end
                        )
                        sent.append(f"\x1b[{behind - at}X")  # where it counts less nothing old is seen
                    elif at == behind:
                        sent.append(f"\x1b[{x + at + 1}G")  # and what follows stands where it should
                    sent.append(text)
                place = (y, x + end)
                if end > certain:
                    self._doubt[y] = min(x + certain, self._doubt.get(y, len(row)))
                    row[x + end :] = [None] * (len(row) - x - end)
                    place = (-1, -1)
        if pen != PLAIN:
            sent.append("\x1b[m")
        return "".join(sent)


class Frame(CompositorUpdate):
    """In place of `update`: the same screen, less to send; `room` as in Shown.send.

    size: characters sent.
    """

    def __init__(self, shown: Shown, update: CompositorUpdate, room: float = float("inf")) -> None:
        self._shown, self._update, self._room = shown, update, room
        self.size = 0

    def render_segments(self, console: Console) -> str:
        sent = self._shown.send(self._update, console, self._room)
        self.size = len(sent)
        return sent


def _pieces(update: CompositorUpdate) -> Iterator[tuple[int, int, Strip]]:
    """(row, column, what stands there)."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield y, x, strip
                x += strip.cell_length
    elif isinstance(update, ChopsUpdate):
        for y, left, right in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is not None and x < right and end > left:
                    yield y, x, chop if end <= right else chop.crop(0, right - x)


def _certain(cells: list[Cell]) -> int:
    """How many cells every terminal counts alike: up to the first that is wide, or of several characters."""
    for at, (text, _) in enumerate(cells):
        if len(text) != 1:
            return at if text else max(0, at - 1)
    return len(cells)


def _changes(old: list[Cell | None], new: list[Cell], certain: int) -> Iterable[tuple[int, int]]:
    """Runs of cells to send, from first to last. What follows an uncertain cell is one run to the end."""
    runs: list[tuple[int, int]] = []
    for at in range(certain):
        if old[at] != new[at]:
            if runs and at - runs[-1][1] <= GAP:
                runs[-1] = (runs[-1][0], at + 1)
            else:
                runs.append((at, at + 1))
    if old[certain:] != new[certain:]:
        runs.append((certain, len(new)))
    return runs


def _cells(strip: Strip, colours: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        look = _look_of(style, colours)
        blank = (" ", _blank(look))
        if text.isascii() and text.isprintable():
            cells += [(character, look) if character != " " else blank for character in text]
        else:
            marks, *split = _split(text)
            if marks and cells:
                cells[-1] = ((cells[-1][0] + marks)[:LONGEST_CELL], cells[-1][1])
            cells += [(cell, look) if cell != " " else blank for cell in split]
    return cells


@lru_cache(1024)
def _split(text: str) -> tuple[str, ...]:
    """What belongs to the cell before `text`, and then a text for each of its own cells."""
    if not text.isprintable():
        text = _STEERING.sub(lambda found: "\ufffd" if cell_len(found[0]) else "", text)
    marks, clusters = "", list[str]()
    for character in text:
        if clusters and (clusters[-1].endswith("\u200d") or not cell_len(character)):
            clusters[-1] += character
        elif cell_len(character):
            clusters.append(character)
        else:
            marks += character
    return marks[:LONGEST_CELL], *(
        cell
        for cluster in clusters
        for cell in (cluster[:LONGEST_CELL].rstrip("\u200d"), *[""] * (cell_len(cluster) - 1))
    )


def _look_of(style: Style | None, colours: ColorSystem) -> Look:
    if style is None:
        return PLAIN
    return _look(style._attributes & style._set_attributes, style.color, style.bgcolor, colours)


@lru_cache(1024)
def _look(attributes: int, fg: Color | None, bg: Color | None, colours: ColorSystem) -> Look:
    return Look(
        attributes,
        ";".join(fg.downgrade(colours).get_ansi_codes()) if fg else "39",
        ";".join(bg.downgrade(colours).get_ansi_codes(foreground=False)) if bg else "49",
    )


@lru_cache(1024)
def _blank(look: Look) -> Look:
    """How a space looks: whoever is bold, or of what colour, is not seen on it."""
    return look if look.attributes & _INK else Look(0, "", look.bg)


@lru_cache(4096)
def _turn(pen: Look, look: Look) -> tuple[str, Look]:
    """What makes the terminal write `look` after `pen`, and the pen after that."""
    if not look.fg:
        look = Look(pen.attributes & ~_INK, pen.fg, look.bg)
    if look == pen:
        return "", pen
    bits = range(len(_ON))
    lost = {_OFF[bit]: None for bit in bits if pen.attributes & ~look.attributes & 1 << bit}
    # What turns one off may turn off another: bold and dim share a parameter.
    on = [
        _ON[bit]
        for bit in bits
        if look.attributes & 1 << bit and (not pen.attributes & 1 << bit or _OFF[bit] in lost)
    ]
    colours = [after for before, after in zip(pen[1:], look[1:], strict=True) if before != after]
    return f"\x1b[{';'.join([*lost, *on, *colours])}m", look
