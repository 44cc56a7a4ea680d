"""The pane: its table, the preview beside it, and what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.pane import Pane
from tui.safe_text import safe_line
from tui.screens.senders import changes
from tui.screens.senders.preview import Preview, PreviewView, preview
from tui.screens.senders.table import Heading, People, namesakes
from tui.widgets.cells import plural

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import PersonRow

Change = Callable[["Studio"], Awaitable[changes.Undo]]

REST = 0.3
"""Seconds that the bar must rest before the preview follows it, where nobody is the AI sender."""

NOBODY = "Nobody has written anything yet.\n\nGo to {app.pane-1} and import an export, or load the sample."


class SendersPane(Pane):
    """Everybody, most messages first."""

    DIGIT = 2
    BINDINGS = bindings("senders")
    DEFAULT_CSS = """
    SendersPane {
        .list { width: 5fr; }
        .detail { width: 4fr; }
        &.-three .list { width: 94; }
        &.-narrow .list { width: 1fr; }
        #same { display: none; height: 4; padding: 1 3; text-wrap: nowrap; text-overflow: ellipsis; }
        #sample { height: 1; color: $muted; padding: 0 3; text-wrap: nowrap; text-overflow: ellipsis; }
        #nobody { display: none; width: 1fr; height: 1fr; content-align: center middle; text-align: center; }
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
        self._undo: list[changes.Undo] = []
        self._asked: tuple[PersonRow, PersonRow] | None = None
        self._different: set[frozenset[int]] = set()

    def compose_body(self) -> ComposeResult:
        with Vertical(classes="list"):
            yield Heading()
            yield People()
            yield Static("", id="same")
            yield Static("", id="sample")
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
        from engine.archive import people

        self.post_message(self.Loaded(await people.people(studio), edition, on))

    async def _change(self, change: Change, said: str, on: int) -> None:
        undo = await change(await self.studio_app.studio())
        self.studio_app.touched()
        self.post_message(self.Changed(said, undo, on))

    async def _take_back(self, undo: changes.Undo) -> None:
        await undo(await self.studio_app.studio())
        self.studio_app.touched()
        self.post_message(self.Changed("Taken back.", None, None))

    async def _look(self, person: PersonRow, left_out: frozenset[int], pause: float = 0) -> None:
        await asyncio.sleep(pause)
        studio = await self.studio_app.studio()
        self.post_message(self.Previewed(await preview(studio, person, left_out)))

    # What the workers said

    def on_senders_pane_loaded(self, event: Loaded) -> None:
        self._edition = event.edition
        self.set_class(not event.people, "-empty")
        table = self.query_one(People)
        table.list(event.people, event.on)
        self._say_counts()
        self._ask()
        ai = next((person for person in event.people if person.role == "ai"), None)
        subject = ai or table.current
        if subject is not None:
            self.work("preview", self._look, subject, table.left_out)
        self.refresh_bindings()

    def on_senders_pane_changed(self, event: Changed) -> None:
        if event.undo is not None:
            self._undo.append(event.undo)
        self.say(event.said, keyed("{senders.undo} takes it back.", self) if event.undo else "")
        self.work("load", self._load, event.on)

    def on_senders_pane_previewed(self, event: Previewed) -> None:
        self.query_one(PreviewView).show(event.preview)

    def on_line_list_moved(self) -> None:
        table = self.query_one(People)
        self._say_counts()
        self.refresh_bindings()
        if table.current is not None and not any(person.role == "ai" for person in table.people):
            self.work("preview", self._look, table.current, table.left_out, REST)

    def on_line_list_opened(self) -> None:
        person = self.query_one(People).current
        if person is not None:
            self.studio_app.go(1, person.name)

    def _say_counts(self) -> None:
        table = self.query_one(People)
        person = table.current
        if person is not None:
            sample = person.sample.strip() or ", ".join(person.aliases)
            said = safe_line(f"“{sample}”" if person.sample.strip() else sample)
            self.query_one("#sample", Static).update(Content(said), layout=False)
        many = plural(len(table.people), "person", "people")
        marked = f" · {len(table.marked)} marked" if table.marked else ""
        self.query_one("#many", Static).update(Content(many + marked), layout=False)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        table = self.query_one(People)
        person = table.current
        if action in ("ai", "leave_out", "mark", "me"):
            return person is not None
        if action == "join":
            return bool(table.marked - {person.id if person else 0})
        if action == "split":
            return person is not None and bool(person.aliases or len(person.sources) > 1)
        if action in ("same", "not_same"):
            return self._asked is not None
        if action == "undo":
            return bool(self._undo)
        return super().check_action(action, parameters)

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
        said = f"You are {person.name} in {' and '.join(person.sources)}."
        self._do(lambda studio: changes.be_me(studio, person), said, person.id)

    def action_mark(self) -> None:
        table = self.query_one(People)
        table.marked ^= {self._person.id}
        table.refresh_lines(table.cursor)
        table.action_move(1)
        self._say_counts()
        self._ask()

    def action_join(self) -> None:
        """The one under the bar keeps its name; the marked ones become it."""
        table, keep = self.query_one(People), self._person
        others = [person for person in table.people if person.id in table.marked and person.id != keep.id]
        said = f"{', '.join(person.name for person in others)} and {keep.name} are one person."
        table.marked.discard(keep.id)  # the others are gone when the table is read again
        self._do(lambda studio: changes.join(studio, keep, others), said, keep.id)

    def action_split(self) -> None:
        person = self._person
        self._do(lambda studio: changes.split(studio, person), f"{person.name} is split.", person.id)

    def action_undo(self) -> None:
        if self._undo:
            self.work("", self._take_back, self._undo.pop())

    def action_same(self) -> None:
        if self.query_one(People).marked:
            self.say("Some people are marked.", "J joins the marked ones.")
        elif self._asked is not None:
            keep, other = self._asked
            said = f"{keep.name} is one person."
            self._do(lambda studio: changes.join(studio, keep, [other]), said, keep.id)

    def action_not_same(self) -> None:
        if self._asked is not None:
            self._different.add(frozenset(person.id for person in self._asked))
            self._ask()

    def _ask(self) -> None:
        """Ask whether two of the same name in different sources are one person."""
        self._asked = namesakes(self.query_one(People).people, self._different)
        line = self.query_one("#same", Static)
        line.display = self._asked is not None
        if self._asked is not None:
            keep, other = self._asked
            answers: list[str | tuple[str, str]] = (
                ["J", (" joins the marked ones", "$muted")]
                if self.query_one(People).marked
                else ["y", (" join   ", "$muted"), "n", (" not the same", "$muted")]
            )
            where = f"{' '.join(keep.sources)} and {' '.join(other.sources)}"
            line.update(
                Content.assemble(
                    ("same person?  ", "$muted"),
                    safe_line(keep.name),
                    (f" · {safe_line(where)}\n", "$muted"),
                    *answers,
                ),
                layout=False,
            )
        self.refresh_bindings()

    def _do(self, change: Change, said: str, on: int) -> None:
        self.work("", self._change, change, said, on)

    @property
    def _person(self) -> PersonRow:
        """The person under the bar; the keys that ask are disabled where there is none."""
        person = self.query_one(People).current
        assert person is not None
        return person
