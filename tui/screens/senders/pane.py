"""The pane: its table, the preview beside it, and what its keys do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.pane import Pane
from tui.safe_text import safe_line
from tui.screens.conversations.narrowing import Person
from tui.screens.senders import changes
from tui.screens.senders.preview import Preview, PreviewView, preview
from tui.screens.senders.question import SamePerson
from tui.screens.senders.table import ORDERS, Heading, People
from tui.widgets.cells import month, number, plural, source_name
from tui.widgets.choose import Choose
from tui.widgets.field import Field

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ConversationRow, PersonRow
    from engine.archive.suggestions import Suggestion

Change = Callable[["Studio"], Awaitable[changes.Undo]]

REST = 0.3
"""Seconds that the bar must rest before the preview follows it."""

NOBODY = """\
Nobody has written anything yet.

[{app.pane-1}]  Conversations, and there [{conversations.import}] imports an export."""

UNKNOWN = "Nobody is called that.\n{pane.back} shows everybody."


class SendersPane(Pane):
    """Everybody, most messages first."""

    DIGIT = 2
    BINDINGS = bindings("senders")
    DEFAULT_CSS = """
    SendersPane {
        .list { width: 5fr; }
        .detail { width: 4fr; }
        &.-three .list { width: 60%; max-width: 112; }
        &.-narrow .list { width: 1fr; }
        #find { height: 1; display: none; }
        #slash { width: 3; color: $muted; }
        &.-finding #find { display: block; }
        #about { height: 2; color: $muted; padding: 0 3; text-wrap: nowrap; text-overflow: ellipsis; }
        #many { text-wrap: nowrap; text-overflow: ellipsis; }
        #nobody { display: none; width: 1fr; height: 1fr; content-align: center middle; }
        &.-empty #nobody { display: block; }
        &.-empty .list, &.-empty .detail { display: none; }
    }
    """

    @dataclass
    class Loaded(Message):
        people: Sequence[PersonRow]
        edition: int
        on: int | None = None

    @dataclass
    class Suggested(Message):
        suggestions: Sequence[Suggestion]

    @dataclass
    class Places(Message):
        """The conversations of a person are known: ask in which to leave them out, or to take them in."""

        person: PersonRow
        conversations: Sequence[ConversationRow]

    @dataclass
    class Changed(Message):
        """A change was made; undo takes it back."""

        said: str
        undo: changes.Undo | None
        on: int | None

    @dataclass
    class Previewed(Message):
        preview: Preview

    def __init__(self) -> None:
        super().__init__()
        self._edition = -1
        self._everybody: Sequence[PersonRow] = ()
        self._suggested: Sequence[Suggestion] = ()
        self._undo: list[tuple[str, changes.Undo]] = []
        self._order = ORDERS[0]
        self._said = ""
        self._keys: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            with Horizontal(id="find"):
                yield Static(" / ", id="slash")
                yield Field(placeholder="find a name", classes="field")
            yield Heading()
            yield People()
            yield SamePerson()
            yield Static("", id="about")
            yield Static("", classes="line", id="many")
        with Vertical(classes="detail"):
            yield PreviewView()
        yield Static(Content(keyed(NOBODY, self)), id="nobody")

    def arrive(self) -> None:
        if self._edition != self.studio_app.edition:
            self.work("load", self._load, None)

    # Loading and changing, in workers

    async def _load(self, on: int | None) -> None:
        edition = self.studio_app.edition
        studio = await self.studio_app.studio()
        from engine.archive import people, suggestions

        everybody = await people.people(studio)
        self.post_message(self.Loaded(everybody, edition, on))
        self.post_message(self.Suggested(await suggestions.suggestions(studio, everybody)))

    async def _change(self, change: Change, said: str, on: int | None) -> None:
        undo = await change(await self.studio_app.studio())
        self.studio_app.touched(self)
        self.post_message(self.Changed(said, undo, on))

    async def _take_back(self, said: str, undo: changes.Undo) -> None:
        await undo(await self.studio_app.studio())
        self.studio_app.touched(self)
        self.post_message(self.Changed(f"Took back that {said.replace('You are', 'you are', 1)}", None, None))

    async def _look(self, pause: float) -> None:
        await asyncio.sleep(pause)
        table = self.query_one(People)
        person = table.current
        if person is not None:
            studio = await self.studio_app.studio()
            self.post_message(self.Previewed(await preview(studio, table.ai, person, table.left_out)))

    async def _places(self, person: PersonRow) -> None:
        studio = await self.studio_app.studio()
        from engine.archive import reading

        self.post_message(self.Places(person, await reading.conversations(studio, person=person.id)))

    # What the workers said

    def on_senders_pane_loaded(self, event: Loaded) -> None:
        self._edition = event.edition
        self._everybody = event.people
        self.set_class(not event.people, "-empty")
        self._list(event.on)
        self._say_who()
        self._preview()
        self.refresh_bindings()

    def on_senders_pane_suggested(self, event: Suggested) -> None:
        self._suggested = event.suggestions
        self._ask()

    def on_senders_pane_places(self, event: Places) -> None:
        person = event.person
        titles = Counter(row.title.casefold() for row in event.conversations)
        rows = [
            (
                (row.title or "(no title)")
                + (f" · {source_name(row.source)}" if titles[row.title.casefold()] > 1 else ""),
                "left out" if row.id in person.out_of else plural(row.messages, "message"),
            )
            for row in event.conversations
        ]

        def choose(index: int | None) -> None:
            if index is not None:
                row = event.conversations[index]
                said = "in again" if row.id in person.out_of else "left out"
                self._do(
                    lambda studio: changes.leave_out_there(studio, person, row),
                    f"{person.name} is {said} in {row.title or 'this conversation'}.",
                    person.id,
                )

        question = f"Leave {person.name} out of which conversation?"
        if person.out_of:
            question += "\nWhere they are left out, they are let in again."
        self.app.push_screen(Choose(question, rows), choose)

    def on_senders_pane_changed(self, event: Changed) -> None:
        if event.undo is not None:
            self._undo.append((event.said, event.undo))
        self.say(event.said, keyed("{senders.undo} takes it back.", self) if event.undo else "")
        self.work("load", self._load, event.on)

    def on_senders_pane_previewed(self, event: Previewed) -> None:
        self.query_one(PreviewView).show(event.preview)

    def on_line_list_moved(self) -> None:
        self._say_who()
        offered = self._offered()
        if offered != self._keys:  # the line of keys costs as many bytes as the rest of a move
            self._keys = offered
            self.refresh_bindings()
        self._preview(REST)

    def on_line_list_opened(self) -> None:
        person = self.query_one(People).current
        if person is not None:
            self.studio_app.go(1, Person(person.id, person.name))

    def on_input_changed(self) -> None:
        self._list()
        self._say_who()
        self._preview(REST)

    def on_input_submitted(self) -> None:
        self.set_focus(self.query_one(People))

    def on_resize(self) -> None:
        self._preview(REST)

    def _list(self, on: int | None = None) -> None:
        """Show everybody, or those whose names hold what was typed."""
        wanted = self.query_one(Field).value.strip().casefold()
        shown = [
            person
            for person in self._everybody
            if not wanted or any(wanted in name.casefold() for name in (person.name, *person.aliases))
        ]
        self.query_one(People).list(shown, self._everybody, self._order, on)

    def _preview(self, pause: float = 0) -> None:
        """Look again at what the next chunk would be, where there is room to show it."""
        if self.query_one(People).rows and any(part.display for part in self.query(".detail")):
            self.work("preview", self._look, pause)

    def _say_who(self) -> None:
        """A line of the person under the bar, and what the table has no room for."""
        table = self.query_one(People)
        person = table.current
        if person is not None:
            sample = safe_line(person.sample).strip()
            parts = [f"also {', '.join(person.aliases)}"] if person.aliases else []
            parts += [", ".join(map(source_name, person.sources))]
            since, until = month(person.first), month(person.last)
            parts += [since if since == until else f"{since} - {until}"]
            said = f"“{sample}”" if sample else "(nothing in words)"
            more = safe_line(" · ".join(filter(None, parts)))
            self.query_one("#about", Static).update(Content(f"{said}\n{more}"), layout=False)
        elif self._everybody:
            self.query_one("#about", Static).update(Content(keyed(UNKNOWN, self)), layout=False)
        narrow = self.has_class("-narrow")
        many = [plural(len(table.people), "person", "people")]
        if len(table.people) < len(self._everybody):
            many[0] += f" of {number(len(self._everybody))}"
        many += [f"{len(table.marked)} marked"] if table.marked else []
        many += [self._order]
        many += [f"share of {plural(table.messages, 'message')}"] if not (narrow and table.marked) else []
        many += [keyed("{pane.zoom} next chunk", self)] if narrow else []
        line, said = self.query_one("#many", Static), " · ".join(many)
        if said != self._said:
            self._said = said
            line.update(Content(said), layout=False)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        table = self.query_one(People)
        person = table.current
        if action in ("ai", "leave_out", "leave_out_there", "mark", "me", "order", "zoom"):
            return person is not None
        if action == "find":
            return bool(self._everybody) and not self.query_one(Field).has_focus
        if action == "back" and self.has_class("-finding"):
            return True
        if action == "join":
            return person is not None and bool(table.marked - {person.id})
        if action == "split":
            return person is not None and bool(person.aliases or len(person.sources) > 1)
        if action in ("same", "not_same"):
            return self._asked is not None or (action == "same" and bool(self.get_selected_text()))
        if action == "undo":
            return bool(self._undo)
        return super().check_action(action, parameters)

    def action_zoom(self) -> None:
        super().action_zoom()
        self._preview()

    def action_find(self) -> None:
        self.remove_class("-zoom")
        self.add_class("-finding")
        self.set_focus(self.query_one(Field))

    def action_back(self) -> None:
        """From the chunk to the list, then from those found to everybody."""
        if not self.has_class("-zoom"):
            self.remove_class("-finding")
            with self.prevent(Input.Changed):
                self.query_one(Field).value = ""
            self._list()
            self._say_who()
        super().action_back()

    def action_ai(self) -> None:
        person = self._person
        self._do(
            lambda studio: changes.make_ai(studio, person), f"{person.name} is the AI sender.", person.id
        )

    def action_leave_out(self) -> None:
        person = self._person
        said = "is in again." if person.role == "left out" else "is left out of every chunk."
        self._do(lambda studio: changes.leave_out(studio, person), f"{person.name} {said}", person.id)

    def action_me(self) -> None:
        person = self._person
        said = f"You are {person.name} in {' and '.join(map(source_name, person.sources))}."
        self._do(lambda studio: changes.be_me(studio, person), said, person.id)

    def action_leave_out_there(self) -> None:
        self.work("ask", self._places, self._person)

    def action_order(self) -> None:
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._list()
        self._say_who()

    def action_mark(self) -> None:
        table = self.query_one(People)
        table.marked ^= {self._person.id}
        table.refresh_lines(table.cursor)
        table.action_move(1)
        self._say_who()
        self._ask()

    def action_join(self) -> None:
        """The marked ones become one, and only they where several are marked: marking moves the bar on to
        somebody else. The one under the bar keeps its name where it is among them or is joined to a single
        mark, else the one that wrote most."""
        table, here = self.query_one(People), self._person
        marked = [person for person in self._everybody if person.id in table.marked]
        alone = here.id in table.marked or len(marked) == 1
        keep = here if alone else max(marked, key=lambda person: person.messages)
        others = [person for person in marked if person.id != keep.id]
        said = f"{', '.join(person.name for person in others)} and {keep.name} are one person."
        table.marked.discard(keep.id)  # the others are gone when the table is read again
        self._do(lambda studio: changes.join(studio, keep, others), said, keep.id)

    def action_split(self) -> None:
        person = self._person
        self._do(lambda studio: changes.split(studio, person), f"{person.name} is split.", person.id)

    def action_undo(self) -> None:
        if self._undo:
            self.work("", self._take_back, *self._undo.pop())

    def action_same(self) -> None:
        if self.get_selected_text():
            self.action_copy_selected()
        elif self.query_one(People).marked:
            self.say("Some people are marked.", keyed("{senders.join} joins the marked ones.", self))
        elif self._asked is not None:
            keep, other = self._answered()
            names = keep.name if keep.name == other.name else f"{other.name} and {keep.name}"
            self._do(
                lambda studio: changes.join(studio, keep, [other]),
                f"{names} {'is' if keep.name == other.name else 'are'} one person.",
                keep.id,
            )

    def action_not_same(self) -> None:
        if self._asked is not None:
            one, other = self._answered()
            self._do(
                lambda studio: changes.call_different(studio, one, other),
                f"{one.name} and {other.name} are two people.",
            )

    @property
    def _asked(self) -> Suggestion | None:
        """The two that are asked about."""
        return self._suggested[0] if self._suggested else None

    def _offered(self) -> tuple[object, ...]:
        """Which of the keys that depend on the person under the bar can be pressed."""
        return tuple(self.check_action(action, ()) for action in ("join", "split"))

    def _answered(self) -> tuple[PersonRow, PersonRow]:
        """The two that were asked about. A quick second key answers no question that was not yet shown."""
        two, *_ = self._suggested
        self._suggested = ()
        return two.keep, two.other

    def _ask(self) -> None:
        waits = bool(self.query_one(People).marked)
        self.query_one(SamePerson).ask(self._asked, len(self._suggested), waits)
        self.refresh_bindings()

    def _do(self, change: Change, said: str, on: int | None = None) -> None:
        self.work("", self._change, change, said, on)

    @property
    def _person(self) -> PersonRow:
        """The person under the bar; the keys that ask are disabled where there is none."""
        person = self.query_one(People).current
        assert person is not None
        return person
