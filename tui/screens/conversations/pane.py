"""The pane: what is loaded, what is shown, and what its keys do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from engine.errors import StudioError
from tui.actions import bindings
from tui.keymap import keyed
from tui.pane import Pane
from tui.safe_text import content, safe_line
from tui.screens.conversations import places
from tui.screens.conversations.details import Details, details
from tui.screens.conversations.lists import ConversationList, HitList
from tui.screens.conversations.narrowing import Narrowed, Person, keeps, known, words
from tui.screens.conversations.search import SYNTAX, Search, marks
from tui.screens.conversations.texts import ORDERS, WELCOME, TitleLine
from tui.widgets.cells import day, fit, number, plural
from tui.widgets.field import Field
from tui.widgets.line_list import LineList
from tui.widgets.page import Page
from tui.widgets.transcript import Load, Transcript

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, Counts, MessageRow, PersonRow


MOST = 200
"""Hits of a search that are listed."""


class ConversationsPane(Pane):
    """List and transcript; `/` searches every message; `i` imports."""

    DIGIT = 1
    BINDINGS = bindings("conversations")
    DEFAULT_CSS = """
    ConversationsPane {
        #welcome { display: none; width: 1fr; height: 1fr; content-align: center middle; }
        &.-empty #welcome { display: block; }
        &.-empty .list, &.-empty .detail, &.-empty .inspector { display: none; }
    }
    """

    @dataclass
    class Loaded(Message):
        """The archive was read: `edition` says which state of it."""

        conversations: Sequence[ConversationRow]
        counts: Counts
        ai: PersonRow | None
        edition: int

    @dataclass
    class Show(Message):
        """Open this conversation at message `at` (the last by default)."""

        conversation: ConversationRow
        at: int | None = None
        found: str = ""

    @dataclass
    class Renewed(Message):
        """The conversation that is shown may have changed; the message under the bar is the `at`-th now."""

        conversation: ConversationRow
        at: int

    @dataclass
    class Asked(Message):
        """The people of a conversation are known: ask who shall be the AI sender, or be left out here."""

        people: Sequence[PersonRow]
        preferred: int
        leave_out_of: ConversationRow | None = None

    @dataclass
    class Said(Message):
        """A change was made."""

        what: str
        hint: str

    def __init__(self) -> None:
        super().__init__()
        self.everything: Sequence[ConversationRow] = ()
        self.counts: Counts | None = None
        self.ai: PersonRow | None = None
        self.shown: ConversationRow | None = None
        self.narrowed: Narrowed = {}
        self.order = ORDERS[0]
        self.searching = False
        self._open_first = False
        self._edition = -1
        self._before: tuple[int, int] | None = None
        self._from_detail = self._from_zoom = False
        self._seen: int | None = None
        self._found: Search.Found | None = None
        self.places: places.Places | None = None
        self._last_read: int | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            yield Search(id="find")
            yield Static("", classes="line over", id="narrowed")
            yield ConversationList()
            hits = HitList()
            hits.display = False
            yield hits
            yield Static("", classes="line", id="many")
        with Vertical(classes="detail"):
            yield TitleLine(classes="line over", id="title")
            yield Transcript()
            yield Static("", classes="line", id="place")
        with Vertical(classes="inspector"):
            yield Page(id="message")
        yield Static(Content.assemble(*((keyed(text, self), style) for text, style in WELCOME)), id="welcome")

    def arrive(self) -> None:
        wanted = self.studio_app.wanted(self.DIGIT)
        if isinstance(wanted, Person):
            self.narrowed, self.shown = {"with": wanted}, None
            self._end_search()
            super().action_back()
        if self._edition != self.studio_app.edition:
            self.work("load", self._load, self.studio_app.edition)
        elif isinstance(wanted, Person):
            self._list()
        if isinstance(wanted, tuple) and not isinstance(wanted, Person):
            conversation, message = wanted
            self.work("show", self._go_to_message, conversation, message)
            self.open_detail()

    # Loading, in workers

    async def _load(self, edition: int) -> None:
        studio = await self.studio_app.studio()
        if self.places is None:
            self.places = places.load(self.studio_app.studio_path)
            self._last_read = self.places.conversation
            self.order = self.places.order if self.places.order in ORDERS else ORDERS[0]
        from engine.archive import people, reading

        rows = await reading.conversations(studio)
        counts, ai = await reading.counts(studio), await people.ai(studio)
        self.post_message(self.Loaded(rows, counts, ai, edition))

    async def _go_to_message(self, conversation: int, message: int, found: str = "") -> None:
        studio = await self.studio_app.studio()
        from engine.archive import reading

        row = await reading.conversation(studio, conversation)
        self.post_message(self.Show(row, await reading.position(studio, message), found))

    async def _go_back_to(self, row: ConversationRow, message: int) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import reading

        at = None
        with suppress(StudioError):  # it was forgotten since
            at = await reading.position(studio, message)
        self.post_message(self.Show(row, at))

    async def _find_again(self, row: ConversationRow, message: int) -> None:
        """The same message, wherever it stands now: names, reactions and what was said may be others."""
        studio = await self.studio_app.studio()
        from engine.archive import reading

        try:
            self.post_message(self.Renewed(row, await reading.position(studio, message)))
        except StudioError:  # it is gone
            self.post_message(self.Show(row))

    async def _go_to_day(self, row: ConversationRow, time: int) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import reading

        self.post_message(self.Show(row, await reading.place_at(studio, row.id, time)))

    async def _people_of(self, row: ConversationRow, preferred: int, leave_out: bool = False) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import people

        found = await people.people(studio, row.id)
        self.post_message(self.Asked(found, preferred, row if leave_out else None))

    async def _set_ai(self, person: PersonRow) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import people

        await people.set_ai(studio, person.id)
        self.studio_app.touched()
        await self._load(self.studio_app.edition)

    async def _leave_out(self, row: ConversationRow, person: PersonRow | None = None) -> None:
        studio = await self.studio_app.studio()
        from tui.screens.conversations.leaving_out import leave_out

        self.post_message(self.Said(*await leave_out(studio, row, person)))
        self.studio_app.touched()
        await self._load(self.studio_app.edition)

    # What the workers said

    def on_conversations_pane_loaded(self, event: Loaded) -> None:
        self._edition, self.everything, self.counts, self.ai = (
            event.edition,
            event.conversations,
            event.counts,
            event.ai,
        )
        self.narrowed = known(self.narrowed, event.conversations)
        if self.shown is not None:  # what is known of it may have changed, as what is left out of it
            before = self.shown
            self.shown = next((row for row in event.conversations if row.id == before.id), before)
            self.query_one(TitleLine).show(self.shown)
            message = self.query_one(Transcript).message
            if message is not None and message.conversation == self.shown.id:
                self.work("show", self._find_again, self.shown, message.id)
        self.set_class(not event.conversations, "-empty")
        self.query_one(Field).placeholder = f"find in {plural(event.counts.messages, 'message')}"
        self.query_one(Transcript).mark_ai(event.ai.id if event.ai else None)
        self._show_details()
        self._list()
        self.refresh_bindings()
        if self._open_first:
            self._open_first = False
            self.open_detail()

    def on_search_found(self, event: Search.Found) -> None:
        if event.text != self.query_one(Field).value.strip():
            return
        listed = self.query_one(HitList)
        if event.ranked and listed.cursor and listed.text == event.text:
            return  # somebody moves in the first hits already
        listed.list(event.hits, event.text)
        self._found = event
        self._say_found()
        self.refresh_bindings()

    def _say_found(self) -> None:
        """How much was found, and, while one types, how to come to it."""
        event = self._found
        if event is None:
            return
        many = plural(len(event.hits), "hit") + (" or more" if len(event.hits) >= MOST else "")
        many = event.problem or (many if event.ranked else f"{many}, ranking them")
        if event.hits and self.focused is self.query_one(Field):
            many += keyed(" · {field.submit} goes to them", self)
        self.query_one("#many", Static).update(content(safe_line(many)), layout=False)

    def on_search_rested(self) -> None:
        if not self.has_class("-narrow"):
            self._show_hit()

    def on_conversations_pane_show(self, event: Show) -> None:
        row = self.shown = event.conversation
        self.query_one(TitleLine).show(row)
        self.query_one(ConversationList).mark_open(row.id)
        pages, found = self._pages(row), marks(event.found)
        self.query_one(Transcript).open(row.messages, pages, event.at, found, _times(row))
        self.refresh_bindings()

    def on_conversations_pane_renewed(self, event: Renewed) -> None:
        row = event.conversation
        if self.shown is not None and row.id == self.shown.id:
            self.query_one(Transcript).renew(row.messages, self._pages(row), event.at, _times(row))

    def on_conversations_pane_asked(self, event: Asked) -> None:
        if not event.people:
            return
        from tui.screens.conversations import asking

        chosen = next((at for at, person in enumerate(event.people) if person.id == event.preferred), 0)

        there = event.leave_out_of

        def choose(index: int | None) -> None:
            if index is not None and there is not None:
                self.work("", self._leave_out, there, event.people[index])
            elif index is not None:
                self.work("", self._set_ai, event.people[index])

        if there is not None:
            asking.left_out(self.app, there, event.people, chosen, choose)
            return
        asking.voice(self.app, event.people, chosen, choose)

    def on_conversations_pane_said(self, event: Said) -> None:
        self.say(event.what, keyed(event.hint, self))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        empty = self.counts is not None and not self.everything
        if action == "sample":
            return empty
        if action == "forget":
            return bool(self.everything)
        if action in ("find", "filter", "order"):
            return bool(self.everything) and not self.query_one(Field).has_focus
        if action in ("ai", "leave_out", "leave_out_there"):
            return self._meant is not None
        if action == "date":
            return self.shown is not None
        if action == "details":
            return self.query_one(Transcript).has_focus and not self.has_class("-three")
        if action == "back" and (self.searching or self.narrowed or self.query_one(Field).has_focus):
            return True
        if action == "hit":
            return self.searching and bool(self.query_one(HitList).rows)
        return super().check_action(action, parameters)

    def action_find(self) -> None:
        if not self.searching:
            self._from_detail = self.query_one(Transcript).has_focus
            self._from_zoom = self.has_class("-zoom")
        self.remove_class("-detail", "-zoom")
        self.set_focus(self.query_one(Field))
        self._say_found()

    def action_hit(self, step: int) -> None:
        hits = self.query_one(HitList)
        if hits.current is not None and hits.current.message.id == self._seen:
            before = hits.cursor
            hits.action_move(step)
            if hits.cursor == before:
                more = len(hits.hits) >= MOST and step > 0
                self.say(
                    f"This is the {'last' if step > 0 else 'first'} hit.",
                    "There are more: another word finds fewer." if more else "",
                )
                return
        self._show_hit()
        if self.has_class("-narrow"):
            self.open_detail()

    def action_filter(self) -> None:
        from tui.screens.conversations import asking

        asking.narrowing(self.app, self.everything, self.narrowed, self._narrow)

    def _narrow(self, narrowed: Narrowed) -> None:
        self.narrowed = narrowed
        self._list()
        self.refresh_bindings()

    def action_date(self) -> None:
        from tui.screens.conversations import asking

        row, message = self.shown, self.query_one(Transcript).message
        if row is not None:
            here = message.time if message is not None else None
            asking.day(self.app, here, lambda time: self.work("show", self._go_to_day, row, time))

    def action_details(self) -> None:
        if self._message is not None:
            self.app.push_screen(Details(*self._message))

    def action_order(self) -> None:
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self._list()

    def action_ai(self) -> None:
        row = self._meant
        if row is not None:
            message = self.query_one(Transcript).message
            self.work("ask", self._people_of, row, message.person if message else 0)

    def action_leave_out(self) -> None:
        row = self._meant
        if row is not None:
            self.work("", self._leave_out, row)

    def action_leave_out_there(self) -> None:
        row = self._meant
        if row is not None:
            message = self.query_one(Transcript).message if row == self.shown else None
            self.work("ask", self._people_of, row, message.person if message else 0, leave_out=True)

    def action_import(self) -> None:
        from tui.screens.importing import Importing

        self.app.push_screen(Importing(), self._imported)

    def action_forget(self) -> None:
        from tui.screens.conversations.forgetting import Forgetting

        self.app.push_screen(Forgetting(), self._forgotten)

    def action_sample(self) -> None:
        from tui.screens.importing import Importing

        self.app.push_screen(Importing(sample=True), self._imported)

    def action_back(self) -> None:
        """From the transcript to the list, then from the hits to where one was, then to everything."""
        if self.has_class("-detail") or self.has_class("-zoom") or self.query_one(Transcript).has_focus:
            super().action_back()
        elif self.searching:
            self._end_search()
        elif self.narrowed and not self.query_one(Field).has_focus:
            self._narrow({})
        else:
            self._go_back()

    def _go_back(self) -> None:
        """Give the focus back to what had it before the search."""
        if self._from_detail:
            self._from_detail = False
            self.set_class(self._from_zoom, "-zoom")
            self.open_detail()
        else:
            self.set_focus(self.query_one(ConversationList))

    def _imported(self, open_first: bool | None) -> None:
        self._open_first = bool(open_first)
        if open_first:
            self._edition = -1  # read again, for the first of them
            self.shown = None

    def _forgotten(self, gone: bool | None) -> None:
        if gone:
            self.narrowed, self.shown, self._before, self._from_detail = {}, None, None, False
            self.places = places.Places()  # a number that is free again may be given to another
            self._end_search()

    # Search

    def on_input_changed(self, event: Input.Changed) -> None:
        text = event.value.strip()
        if not text:
            self._end_search(keep_focus=True)
            return
        if self._before is None and self.shown is not None:
            message = self.query_one(Transcript).message
            self._before = (self.shown.id, message.id if message is not None else 0)
        self._show_hits(True)
        self._seen = None
        self.refresh_bindings()
        self.query_one(Search).begin(text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        listed = self.query_one(HitList)
        if self.searching:
            if listed.hits or listed.text != event.value.strip():
                self.set_focus(listed)
                self._say_found()
        else:
            self.set_focus(self.query_one(ConversationList))

    def _end_search(self, keep_focus: bool = False) -> None:
        if not self.searching:
            if not keep_focus:
                self._go_back()
            return
        self.query_one(Search).stop()
        self._found = None
        self._show_hits(False)
        with self.prevent(Input.Changed):
            self.query_one(Field).value = ""
        if not keep_focus:
            self._go_back()
        if self._before is not None:
            id, message = self._before
            self._before = None
            if row := next((row for row in self.everything if row.id == id), None):
                self.work("show", self._go_back_to, row, message)
        self._list()
        self.refresh_bindings()

    def _show_hits(self, shown: bool) -> None:
        self.searching = shown
        self.query_one(HitList).display = shown
        self.query_one(ConversationList).display = not shown
        if shown:
            self.query_one("#narrowed", Static).update(Content(SYNTAX), layout=False)

    def _show_hit(self) -> None:
        hit = self.query_one(HitList).current
        if hit is not None:
            self._seen = hit.message.id
            text = self.query_one(Field).value
            self.work("show", self._go_to_message, hit.message.conversation, hit.message.id, text)

    # Lists and transcript

    @on(LineList.Opened, "#conversations")
    def _open_conversation(self) -> None:
        row = self.query_one(ConversationList).current
        if row is None:
            return
        if self.shown is None or row.id != self.shown.id:
            self._read_on(row)
        self.open_detail()

    def _read_on(self, row: ConversationRow) -> None:
        """Open a conversation where it was left."""
        message = self.places.messages.get(row.id) if self.places else None
        if message is None:
            self.on_conversations_pane_show(self.Show(row))
        else:
            self.work("show", self._go_back_to, row, message)

    @on(LineList.Opened, "#hits")
    def _open_hit(self) -> None:
        self._show_hit()
        self.open_detail()

    def on_mount(self) -> None:
        self.watch(self.query_one(Transcript), "place", self._show_place, init=False)

    def on_unmount(self) -> None:
        if self.places is not None and not self.studio_app.demo:
            self.places.order = self.order
            places.save(self.studio_app.studio_path, self.places)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        if self.shown is None and self.everything and not self.searching:
            self._list()  # where the screen grew: beside the list there is room for a conversation
        self._show_details()

    def _show_place(self, place: tuple[int, int]) -> None:
        index, total = place
        message = self.query_one(Transcript).message
        if (
            message
            and self.shown
            and self.places
            and not self.searching
            and message.conversation == self.shown.id
        ):
            self.places.leave(self.shown.id, message.id if index + 1 < total else None)
        when = f"   {day(message.time)}" if message else ""
        text = f"{number(index + 1)} of {number(total)}{when}"
        self.query_one("#place", Static).update(Content(text), layout=False)
        self._show_details()

    def _show_details(self) -> None:
        """The message under the bar, where there is a third column."""
        about, page = self._message, self.query_one("#message", Page)
        if about is not None and self.has_class("-three"):
            page.show(lambda width: details(*about, width))

    @property
    def _message(self) -> tuple[MessageRow, ConversationRow, int | None] | None:
        """The message under the transcript's bar, its conversation, and who the AI sender is."""
        message = self.query_one(Transcript).message
        if message is None or self.shown is None:
            return None
        return message, self.shown, self.ai.id if self.ai else None

    @property
    def _meant(self) -> ConversationRow | None:
        """The conversation that a key is about: the one under the bar, or the one that is read."""
        listed = self.query_one(ConversationList)
        return listed.current if listed.has_focus else self.shown

    def _pages(self, row: ConversationRow) -> Load:
        async def load(offset: int, limit: int, known: tuple[int, int] | None) -> list[MessageRow]:
            studio = await self.studio_app.studio()
            from engine.archive import reading

            return await reading.page(
                studio, row.id, offset=offset, limit=limit, total=row.messages, known=known
            )

        return load

    def _list(self) -> None:
        rows = [row for row in self.everything if keeps(self.narrowed, row)]
        if self.order == ORDERS[1]:
            rows.sort(key=lambda row: -row.messages)
        elif self.order == ORDERS[2]:
            rows.sort(key=lambda row: row.title.casefold())
        first = next((row for row in rows if row.id == self._last_read and not self._open_first), None)
        self._last_read = None
        self.query_one(ConversationList).list(rows, first)
        if self.shown is None and rows and (self._open_first or not self.has_class("-narrow")):
            self._read_on(first or rows[0])
        back = keyed("{pane.back}", self)
        narrowed = f"{fit(safe_line(words(self.narrowed)), 21).rstrip()} · {back} shows everything"
        if not self.narrowed:
            narrowed = f"everything · {self.order}"
        self.query_one("#narrowed", Static).update(content(narrowed), layout=False)
        many = plural(len(rows), "conversation")
        if len(rows) < len(self.everything):
            many += f" of {number(len(self.everything))}"
        self.query_one("#many", Static).update(content(many), layout=False)


def _times(row: ConversationRow) -> tuple[int, int] | None:
    """When its first and its last message was."""
    return (row.first, row.last) if row.first is not None and row.last is not None else None
