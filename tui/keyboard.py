"""What is typed, read and taken in its order, however the line bunches it.

Textual hands each key to what has the focus when the key arrives. Over a slow line many arrive at once:
of `/`, a word and enter every letter would be a command of the list, for the first key has not moved the
focus yet. And a key right behind `esc` comes as the same bytes as that key with alt held down.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from textual import events
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.app import App
from textual.dom import DOMNode
from textual.keys import Keys
from textual.message import Message
from textual.timer import Timer

from tui.pacing import ANSWER

ESC = "\x1b"

PATIENCE = 1.0
"""Seconds that a key may take before the next one goes on without it."""

_ANSWER = re.compile(r"\x1b\[[?>=][\d;]*[a-zA-Z]|\x1b\][^\x07]*\x07")
"""What a terminal answers to a question that is not ours: of whoever had it before, over a slow line."""

_STRING = tuple(f"{ESC}{opener}" for opener in "]PX^_")
"""How a longer answer begins."""

Typed = events.Key | events.Paste


class Parser(XTermParser):
    """Keys behind an escape keep it, in front of their character; answers to others are no keys."""

    _sequence = ""
    _dropped = 0
    _begun = ""
    _pasted: str | None = None
    pixels = False
    """Whether the terminal was asked to report the mouse in pixels."""
    answered: Callable[[], None] = staticmethod(lambda: None)
    """Called for each answer of the terminal to our own question."""

    def feed(self, data: str) -> Iterable[Message]:
        """As in XTermParser, which takes what follows an escape in a paste for keys."""
        while data:
            if self._pasted is None:
                known = len(self._begun)
                typed, begins, rest = (self._begun + data).partition(BRACKETED_PASTE_START)
                if begins:
                    # What XTermParser still waits to see the end of ends here.
                    heard = list(super().feed(f"{typed}{begins}"[known:] + BRACKETED_PASTE_END))
                    if typed or not known:  # else it gave up waiting, and takes the rest for keys
                        yield from (one for one in heard if not isinstance(one, events.Paste))
                    self._pasted, self._begun, data = "", "", rest
                else:
                    yield from super().feed(data)
                    self._begun, data = _beginning(typed), ""
            elif data == "\x03":  # the line lost the end of the paste
                self._pasted = None
            else:
                pasted, ends, data = (self._pasted + data).partition(BRACKETED_PASTE_END)
                self._pasted = pasted.replace(ANSWER, "")
                for _ in range(pasted.count(ANSWER)):  # the terminal does not wait for the end of a paste
                    self.answered()
                if ends:
                    yield events.Paste(self._pasted.replace("\0", ""))
                    self._pasted = None

    def parse_mouse_code(self, code: str) -> Message | None:
        sizes = (*(self.terminal_size or (0,)), *(self.terminal_pixel_size or (0,)))
        self.mouse_pixels = self.pixels and 0 not in sizes
        return super().parse_mouse_code(code)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if len(sequence) > 1:
            self._sequence, self._dropped = sequence, 0
            if sequence == ANSWER:
                self.answered()
                return [events.Key(Keys.Ignore, sequence)]
            if _ANSWER.fullmatch(sequence):
                return [events.Key(Keys.Ignore, sequence)]
        elif sequence == ESC and not alt:
            # Given up because another escape came: Textual would make it a `^`.
            if self._sequence.startswith(_STRING):
                self._dropped = len(self._sequence)
            elif not self._sequence.startswith(f"{ESC}["):
                return [events.Key("esc", ESC)]
        if len(sequence) == 1 and self._dropped:
            self._dropped -= 1
            return ()
        try:
            keys = list(super()._sequence_to_key_events(sequence))
        except (ValueError, OverflowError):  # looks like a key's number, and is none
            return [events.Key(Keys.Ignore, sequence)]
        if any("\ud800" <= letter <= "\udfff" for key in keys for letter in key.character or ""):
            return [events.Key(Keys.Ignore, sequence)]
        if alt or (len(sequence) == 2 and sequence[0] == ESC and keys):
            return [events.Key(_named(key.key), ESC + sequence[-1]) for key in keys]
        return keys


def _beginning(typed: str) -> str:
    """As much of a paste's start as stands at the end of what was typed."""
    lengths = range(len(BRACKETED_PASTE_START) - 1, 0, -1)
    return next((BRACKETED_PASTE_START[:n] for n in lengths if typed.endswith(BRACKETED_PASTE_START[:n])), "")


def _named(key: str) -> str:
    """A key with alt held down. What has a modifier already is a name of its own."""
    return key if "+" in key else f"alt+{f'shift+{key.lower()}' if key.isupper() else key}"


def apart(key: events.Key) -> list[events.Key]:
    """The escape, and the key behind it. Any other key is itself."""
    typed = key.character or ""
    if typed[:1] != ESC or key.key == "escape":
        return [key]
    behind = XTermParser()._sequence_to_key_events(typed[1:]) if typed[1:] else ()
    return [events.Key("escape", ESC), *behind]


class InOrder:
    """Hands on what is typed, each when the one before has done what it does.

    take: gives a key or a paste to what has the focus. ready: whether there is something that can take it.
    """

    def __init__(
        self, app: App[Any], take: Callable[[Typed], Awaitable[None]], ready: Callable[[], bool]
    ) -> None:
        self._app, self._take, self._ready = app, take, ready
        self._waiting: deque[Typed] = deque()
        self._number = 0
        self._until = 0.0
        self._waking: Timer | None = None

    async def add(self, typed: Typed) -> None:
        self._waiting.append(typed)
        await self._go_on()

    async def _go_on(self) -> None:
        while self._waiting and monotonic() >= self._until:
            if not self._ready():
                self._app.call_later(self._go_on)
                return
            typed = self._waiting.popleft()
            if isinstance(typed, events.Key) and typed.key not in self._app.screen.active_bindings:
                typed, *behind = apart(typed)
                self._waiting.extendleft(reversed(behind))
            self._number += 1
            self._until = monotonic() + PATIENCE
            # From what has the focus up to the app; and what it says then goes there once more.
            way = list((self._app.focused or self._app.screen).ancestors_with_self)
            await self._take(typed)
            if not self._hand_on(self._number, iter(way * 2)):
                self._until = 0.0
        if self._waiting and self._waking is None:
            self._waking = self._app.set_timer(PATIENCE, self._wake)

    async def _wake(self) -> None:
        self._waking = None
        await self._go_on()

    async def _follow(self, number: int, way: Iterator[DOMNode]) -> None:
        """Go behind a key from queue to queue."""
        if not self._hand_on(number, way) and number == self._number:
            self._until = 0.0
            await self._go_on()

    def _hand_on(self, number: int, way: Iterator[DOMNode]) -> bool:
        """Whether somebody is left on the way; whoever is gone takes nothing any more."""
        return any(node.call_later(self._follow, number, way) for node in way)
