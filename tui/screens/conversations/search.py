"""The line that searches as one types, and what it finds."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from tui.pane import Pane
from tui.widgets.field import Field
from tui.widgets.message_lines import Marks

if TYPE_CHECKING:
    from engine.archive.rows import Hit

PAUSE = 0.12
"""Seconds between two searches at least; over a slow line, after the last letter before one starts."""

REST = 0.4
"""Seconds after a search before its first hit is shown in its place."""

SYNTAX = '"…" word* from: in: before: after:'


class Search(Horizontal):
    """`begin` searches for a text, at once or after a pause in which more of it may be typed."""

    DEFAULT_CSS = """
    Search { height: 1; }
    Search #slash { width: 3; color: $muted; }
    Search #text { width: 1fr; }
    """

    @dataclass
    class Found(Message):
        """What a search found. ranked: the best first; otherwise only what was found soonest. problem: what
        could not be understood, or what is waited for."""

        text: str
        hits: Sequence[Hit]
        ranked: bool = True
        problem: str = ""

    class Rested(Message):
        """Nothing was typed for a while after a search."""

    _began = 0.0

    def compose(self) -> ComposeResult:
        yield Static(" / ", id="slash")
        yield Field(placeholder="find", classes="field", id="text")

    @property
    def _pane(self) -> Pane:
        return cast(Pane, self.screen)

    def begin(self, text: str) -> None:
        self._pane.work("search", self._after_pause, text)

    def stop(self) -> None:
        self.workers.cancel_group(self._pane, "search")

    async def _after_pause(self, text: str) -> None:
        slow = self._pane.studio_app.slow
        await sleep(PAUSE if slow else max(0, self._began + PAUSE - monotonic()))
        self._began = monotonic()
        await self._search(text)
        await sleep(REST)
        self.post_message(self.Rested())

    async def _search(self, text: str) -> None:
        """The first hits at once; the best ones as soon as all were looked at."""
        studio = await self._pane.studio_app.studio()
        from engine.archive import query, searching

        asked = query.parse(text, datetime.now())
        problem = next(iter(asked.problems), "")
        if not (asked or problem):  # `from:`, whose name is still to come
            self.post_message(self.Found(text, (), problem="go on typing"))
            return
        first = await searching.first_hits(studio, text)
        if len(first) == searching.LIMIT:
            self.post_message(self.Found(text, first, ranked=False))
        best = await searching.search(studio, text) if first else first
        self.post_message(self.Found(text, best, problem=problem))


def marks(found: str) -> Marks | None:
    """Where a line holds what was searched for."""
    if not found:
        return None
    from engine.archive import query

    return partial(query.marks, query.parse(found, datetime.now()).terms)
