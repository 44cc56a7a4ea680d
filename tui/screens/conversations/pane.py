"""The pane: what is loaded, what is shown, and what its keys do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.pane import Pane
from tui.screens.conversations import places, reads
from tui.screens.conversations.details import Details, details
from tui.screens.conversations.listing import Listing
from tui.screens.conversations.lists import ConversationList, HitList
from tui.screens.conversations.narrowing import Narrowed, Person, known
from tui.screens.conversations.search import marks
from tui.screens.conversations.texts import ORDERS, WELCOME, TitleLine
from tui.widgets.cells import day, number, plural
from tui.widgets.field import Field
from tui.widgets.line_list import LineList
from tui.widgets.page import Page
from tui.widgets.transcript import Transcript

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ConversationRow, Counts, MessageRow, PersonRow

P = ParamSpec("P")


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
    class Said(Message):
        """A change was made, or something goes on. what: "" takes back what was said before."""

        what: str
        hint: str = ""

    def __init__(self) -> None:
        super().__init__()
        self.listing = Listing()
        self.counts: Counts | None = None
        self.ai: PersonRow | None = None
        self.shown: ConversationRow | None = None
        self._open_first = self._going = False
        self._edition = -1
        self._before: tuple[int, int] | None = None
        self._from_detail = self._from_zoom = False
        self.places: places.Places | None = None
        self._last_read: int | None = None

    def compose_body(self) -> ComposeResult:
        yield self.listing
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
            self.listing.narrowed, self.shown = {"with": wanted}, None
            self._end_search()
            super().action_back()
        if self._edition != self.studio_app.edition:
            self.work("load", self._load, self.studio_app.edition)
        elif isinstance(wanted, Person):
            self._list()
        if isinstance(wanted, tuple) and not isinstance(wanted, Person):
            conversation, message = wanted
            self._read("show", reads.at_message, conversation, message)
            self.open_detail()

    # Loading, in workers

    async def _load(self, edition: int) -> None:
        studio = await self.studio_app.studio()
        if self.places is None:
            self.places = places.load(self.studio_app.studio_path)
            self._last_read = self.places.conversation
            self.listing.order = self.places.order if self.places.order in ORDERS else ORDERS[0]
        self.post_message(await reads.everything(studio, edition))

    def _read(
        self,
        group: str,
        read: Callable[Concatenate[Studio, P], Awaitable[Message]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Read in the studio, in a worker, and be told what was read."""

        async def reading() -> None:
            self.post_message(await read(await self.studio_app.studio(), *args, **kwargs))

        self.work(group, reading)

    async def _set_ai(self, person: PersonRow) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import people

        await people.set_ai(studio, person.id)
        self.studio_app.touched(self)
        await self._load(self.studio_app.edition)

    async def _leave_out(self, row: ConversationRow, person: PersonRow | None = None) -> None:
        studio = await self.studio_app.studio()
        from tui.screens.conversations.leaving_out import leave_out

        self.post_message(self.Said(*await leave_out(studio, row, person)))
        self.studio_app.touched(self)
        await self._load(self.studio_app.edition)

    async def _read_in_editor(self, row: ConversationRow, place: int) -> None:
        studio = await self.studio_app.studio()
        from tui.screens.conversations.in_editor import read_in_editor

        def written(messages: int, total: int) -> None:
            done = f"{number(messages)} of {plural(total, 'message')} are written for the editor."
            self.post_message(self.Said(done, "{pane.back} stops it."))

        self.post_message(self.Said(await read_in_editor(self.app, studio, row.id, place, written)))

    # What the workers said

    def on_loaded(self, event: reads.Loaded) -> None:
        self._edition, self.listing.everything, self.counts, self.ai = (
            event.edition,
            event.conversations,
            event.counts,
            event.ai,
        )
        self.listing.narrowed = known(self.listing.narrowed, event.conversations)
        if self.shown is not None:  # what is known of it may have changed, as what is left out of it
            before = self.shown
            self.shown = next((row for row in event.conversations if row.id == before.id), before)
            self.query_one(TitleLine).show(self.shown)
            message = self.query_one(Transcript).message
            if message is not None and message.conversation == self.shown.id:
                self._read("show", reads.again, self.shown, message.id)
        self.set_class(not event.conversations, "-empty")
        self.query_one(Field).placeholder = f"find in {plural(event.counts.messages, 'message')}"
        self.query_one(Transcript).mark_ai(event.ai.id if event.ai else None)
        self._show_details()
        self._list()
        self.refresh_bindings()
        if self._open_first:
            self._open_first = False
            self.open_detail()

    def on_search_rested(self) -> None:
        if not self.has_class("-narrow"):
            self._show_hit()

    def on_open_at(self, event: reads.OpenAt) -> None:
        row = self.shown = event.conversation
        self.query_one(TitleLine).show(row)
        self.query_one(ConversationList).mark_open(row.id)
        pages = reads.pages(self.studio_app.studio, row, event.at)
        at = event.at[0] if event.at is not None else None
        self.query_one(Transcript).open(row.messages, pages, at, marks(event.found), _times(row))
        self.refresh_bindings()

    def on_renewed(self, event: reads.Renewed) -> None:
        row = event.conversation
        if self.shown is not None and row.id == self.shown.id:
            pages = reads.pages(self.studio_app.studio, row)
            self.query_one(Transcript).renew(row.messages, pages, event.at, _times(row))

    def on_asked(self, event: reads.Asked) -> None:
        from tui.screens.conversations import asking

        if event.people:
            asking.who(self.app, event, self._answered)

    def _answered(self, person: PersonRow, there: ConversationRow | None) -> None:
        if there is not None:
            self.work("", self._leave_out, there, person)
        else:
            self.work("", self._set_ai, person)

    def on_conversations_pane_said(self, event: Said) -> None:
        if event.what:
            self.say(event.what, keyed(event.hint, self))
        else:
            self.quiet()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        empty = self.counts is not None and not self.listing.everything
        if action == "sample":
            return empty
        if action == "forget":
            return bool(self.listing.everything)
        if action in ("find", "filter", "order"):
            return bool(self.listing.everything) and not self.query_one(Field).has_focus
        if action in ("ai", "leave_out", "leave_out_there"):
            return self._meant is not None
        if action in ("date", "editor"):
            return self.shown is not None
        if action == "details":
            return self.query_one(Transcript).has_focus and not self.has_class("-three")
        if action == "back" and (
            self.listing.searching
            or self.listing.narrowed
            or self._copying
            or self.query_one(Field).has_focus
        ):
            return True
        if action == "hit":
            return self.listing.searching and bool(self.query_one(HitList).rows)
        return super().check_action(action, parameters)

    def action_find(self) -> None:
        if not self.listing.searching:
            self._from_detail = self.query_one(Transcript).has_focus
            self._from_zoom = self.has_class("-zoom")
        self.remove_class("-detail", "-zoom")
        self.set_focus(self.query_one(Field))
        self.listing.say_found()

    def action_hit(self, step: int) -> None:
        if not self.listing.step(step):
            more = "There are more: another word finds fewer."
            last = f"This is the {'last' if step > 0 else 'first'} hit."
            self.say(last, more if step > 0 and not self.listing.all_found else "")
            return
        self._show_hit()
        if self.has_class("-narrow"):
            self.open_detail()

    def action_filter(self) -> None:
        from tui.screens.conversations import asking

        asking.narrowing(self.app, self.listing.everything, self.listing.narrowed, self._narrow)

    def _narrow(self, narrowed: Narrowed) -> None:
        self.listing.narrowed = narrowed
        self._list()
        self.refresh_bindings()

    def action_date(self) -> None:
        from tui.screens.conversations import asking

        row, message = self.shown, self.query_one(Transcript).message
        if row is not None:
            here = message.time if message is not None else None
            asking.day(self.app, here, lambda time: self._go_to_day(row, time))

    def _go_to_day(self, row: ConversationRow, time: int) -> None:
        self.studio_app.delay_update(0.1)  # what the sheet lay over is not worth painting: see _show_place
        self._going = True
        if self.has_class("-narrow"):
            self.open_detail()  # the list is in front of it
        self._read("show", reads.at_day, row, time)

    def action_editor(self) -> None:
        if self.shown is not None and not self._copying:
            self.work("editor", self._read_in_editor, self.shown, self.query_one(Transcript).cursor)

    def action_details(self) -> None:
        if self._message is not None:
            self.app.push_screen(Details(*self._message))

    def action_order(self) -> None:
        self.listing.next_order()
        self._list()

    def action_ai(self) -> None:
        row = self._meant
        if row is not None:
            message = self.query_one(Transcript).message
            self._read("ask", reads.people_of, row, message.person if message else 0)

    def action_leave_out(self) -> None:
        row = self._meant
        if row is not None:
            self.work("", self._leave_out, row)

    def action_leave_out_there(self) -> None:
        row = self._meant
        if row is not None:
            message = self.query_one(Transcript).message if row == self.shown else None
            self._read("ask", reads.people_of, row, message.person if message else 0, leave_out=True)

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
        if self.workers.cancel_group(self, "editor"):
            return
        if self.has_class("-detail") or self.has_class("-zoom") or self.query_one(Transcript).has_focus:
            super().action_back()
        elif self.listing.searching:
            self._end_search()
        elif self.listing.narrowed and not self.query_one(Field).has_focus:
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
            self.listing.narrowed, self.shown, self._before, self._from_detail = {}, None, None, False
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
        self.listing.search(text)
        self.refresh_bindings()

    def _end_search(self, keep_focus: bool = False) -> None:
        searched = self.listing.searching
        if searched:
            self.listing.end_search()
        if not keep_focus:
            self._go_back()
        if not searched:
            return
        if self._before is not None:
            id, message = self._before
            self._before = None
            if row := next((row for row in self.listing.everything if row.id == id), None):
                self._read("show", reads.where_left, row, message)
        self._list()
        self.refresh_bindings()

    def _show_hit(self) -> None:
        hit = self.listing.hit()
        if hit is not None:
            text = self.query_one(Field).value
            self._read("show", reads.at_message, hit.message.conversation, hit.message.id, text)

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
            self.on_open_at(reads.OpenAt(row))
        else:
            self._read("show", reads.where_left, row, message)

    @on(LineList.Opened, "#hits")
    def _open_hit(self) -> None:
        self._show_hit()
        self.open_detail()

    def on_mount(self) -> None:
        self.watch(self.query_one(Transcript), "place", self._show_place, init=False)

    def on_unmount(self) -> None:
        if self.places is not None and not self.studio_app.demo:
            self.places.order = self.listing.order
            places.save(self.studio_app.studio_path, self.places)

    def on_screen_suspend(self) -> None:
        if self.workers.cancel_group(self, "editor"):  # whoever went elsewhere reads something else
            self.quiet()

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        if self.shown is None and self.listing.everything and not self.listing.searching:
            self._list()  # where the screen grew: beside the list there is room for a conversation
        self._show_details()

    def _show_place(self, place: tuple[int, int]) -> None:
        index, total = place
        message = self.query_one(Transcript).message
        if (
            message
            and self.shown
            and self.places
            and not self.listing.searching
            and message.conversation == self.shown.id
        ):
            self.places.leave(self.shown.id, message.id if index + 1 < total else None)
        when = f"   {day(message.time)}" if message else ""
        text = f"{number(index + 1)} of {number(total)}{when}"
        self.query_one("#place", Static).update(Content(text), layout=False)
        self._show_details()
        if self._going:
            self._going = False
            self.studio_app.update_now()

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

    @property
    def _copying(self) -> bool:
        return any(one.group == "editor" and one.node is self for one in self.workers)

    def _list(self) -> None:
        rows = self.listing.rows()
        first = next((row for row in rows if row.id == self._last_read and not self._open_first), None)
        self._last_read = None
        self.listing.show(rows, first)
        if self.shown is None and rows and (self._open_first or not self.has_class("-narrow")):
            self._read_on(first or rows[0])


def _times(row: ConversationRow) -> tuple[int, int] | None:
    """When its first and its last message was."""
    return (row.first, row.last) if row.first is not None and row.last is not None else None
