"""The column at the left: the conversations, narrowed and in order, or what a search found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tui.keymap import keyed
from tui.safe_text import content, safe_line
from tui.screens.conversations.lists import ConversationList, HitList
from tui.screens.conversations.narrowing import Narrowed, keeps, words
from tui.screens.conversations.search import SYNTAX, Search
from tui.screens.conversations.texts import ORDERS
from tui.widgets.cells import fit, number, plural
from tui.widgets.field import Field

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, Hit


MOST = 200
"""Hits of a search that are listed."""


class Listing(Vertical):
    """everything: all conversations. narrowed, order: which of them are listed, and how. searching: whether
    the hits stand in their place."""

    def __init__(self) -> None:
        super().__init__(classes="list")
        self.everything: Sequence[ConversationRow] = ()
        self.narrowed: Narrowed = {}
        self.order = ORDERS[0]
        self.searching = False
        self._found: Search.Found | None = None
        self._seen: int | None = None

    def compose(self) -> ComposeResult:
        yield Search(id="find")
        yield Static("", classes="line over", id="narrowed")
        yield ConversationList()
        hits = HitList()
        hits.display = False
        yield hits
        yield Static("", classes="line", id="many")

    def rows(self) -> list[ConversationRow]:
        """The conversations that are listed."""
        rows = [row for row in self.everything if keeps(self.narrowed, row)]
        if self.order == ORDERS[1]:
            rows.sort(key=lambda row: -row.messages)
        elif self.order == ORDERS[2]:
            rows.sort(key=lambda row: row.title.casefold())
        return rows

    def show(self, rows: Sequence[ConversationRow], on: ConversationRow | None) -> None:
        """List these, with the bar on one of them, or where it was."""
        self.query_one(ConversationList).list(rows, on)
        back = keyed("{pane.back}", self)
        narrowed = f"{fit(safe_line(words(self.narrowed)), 21).rstrip()} · {back} shows everything"
        if not self.narrowed:
            narrowed = f"everything · {self.order}"
        self.query_one("#narrowed", Static).update(content(narrowed), layout=False)
        many = plural(len(rows), "conversation")
        if len(rows) < len(self.everything):
            many += f" of {number(len(self.everything))}"
        self.query_one("#many", Static).update(content(many), layout=False)

    def next_order(self) -> None:
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]

    # Search

    def search(self, text: str) -> None:
        self._seen = None
        self._show_hits(True)
        self.query_one(Search).begin(text)

    def end_search(self) -> None:
        self.query_one(Search).stop()
        self._found = None
        self._show_hits(False)
        with self.prevent(Input.Changed):
            self.query_one(Field).value = ""

    def hit(self) -> Hit | None:
        """The hit under the bar, which is seen from now on."""
        hit = self.query_one(HitList).current
        if hit is not None:
            self._seen = hit.message.id
        return hit

    def step(self, step: int) -> bool:
        """To the next hit, where the one under the bar is seen; False where there is none."""
        hits = self.query_one(HitList)
        if hits.current is None or hits.current.message.id != self._seen:
            return True
        before = hits.cursor
        hits.action_move(step)
        return hits.cursor != before

    @property
    def all_found(self) -> bool:
        """Whether no more was found than is listed."""
        return len(self.query_one(HitList).hits) < MOST

    def on_input_submitted(self, event: Input.Submitted) -> None:
        listed = self.query_one(HitList)
        if self.searching:
            if listed.hits or listed.text != event.value.strip():
                self.screen.set_focus(listed)
                self.say_found()
        else:
            self.screen.set_focus(self.query_one(ConversationList))

    def on_search_found(self, event: Search.Found) -> None:
        if event.text != self.query_one(Field).value.strip():
            return
        listed = self.query_one(HitList)
        if event.ranked and listed.cursor and listed.text == event.text:
            return  # somebody moves in the first hits already
        listed.list(event.hits, event.text)
        self._found = event
        self.say_found()
        self.screen.refresh_bindings()

    def say_found(self) -> None:
        """How much was found, and, while one types, how to come to it."""
        event = self._found
        if event is None:
            return
        many = plural(len(event.hits), "hit") + ("" if self.all_found else " or more")
        said = event.problem or (many if event.ranked else f"{many}, ranking them")
        if event.hits and self.screen.focused is self.query_one(Field):
            said += keyed(" · {field.submit} goes to them", self)
        self.query_one("#many", Static).update(content(safe_line(said)), layout=False)

    def _show_hits(self, shown: bool) -> None:
        self.searching = shown
        self.query_one(HitList).display = shown
        self.query_one(ConversationList).display = not shown
        if shown:
            self.query_one("#narrowed", Static).update(Content(SYNTAX), layout=False)
