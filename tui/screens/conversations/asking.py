"""What the pane asks in a sheet: what to narrow the list by, which day to go to, whose voice it is,
who is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.app import App

from tui.screens.conversations.narrowing import FIELDS, Field, Narrowed, choices, words
from tui.widgets.ask import Ask
from tui.widgets.cells import local, plural
from tui.widgets.choose import Choose

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, PersonRow
    from tui.screens.conversations.reads import Asked


def narrowing(
    app: App[Any], rows: Sequence[ConversationRow], now: Narrowed, take: Callable[[Narrowed], None]
) -> None:
    """First what to narrow by, then to what."""
    fields = [field for field in FIELDS if field.name in now or len(choices(field, rows, {})) > 2]

    def choose(index: int | None) -> None:
        if index is not None:
            _value(app, fields[index], rows, now, take)

    shown = [
        (field.name, words({field.name: now[field.name]}) if field.name in now else field.anything)
        for field in fields
    ]
    app.push_screen(Choose("Narrow the list by", shown), choose)


def _value(
    app: App[Any],
    field: Field,
    rows: Sequence[ConversationRow],
    now: Narrowed,
    take: Callable[[Narrowed], None],
) -> None:
    given = choices(field, rows, now)
    values = [value for value, _, _ in given]

    def choose(index: int | None) -> None:
        if index is not None:
            others = {name: value for name, value in now.items() if name != field.name}
            value = values[index]
            take(others if value is None else {**others, field.name: value})

    chosen = now.get(field.name)
    shown = [(text, plural(count, "conversation")) for _, text, count in given]
    app.push_screen(
        Choose("Show conversations", shown, values.index(chosen) if chosen in values else 0), choose
    )


def day(app: App[Any], here: int | None, go: Callable[[int], object]) -> None:
    """Which day to go to. here: the time one is at; go: called with the day's first millisecond."""
    from engine.archive.dates import span

    def refuse(text: str) -> str:
        known = span(text, datetime.now())
        return "" if known else "That is no day. Write 2023-08-27, 27 Aug 2023, Aug 2023 or 2023."

    def take(text: str | None) -> None:
        found = span(text or "", datetime.now())
        if found is not None:
            go(found[0])

    at = f"{local(here):%Y-%m-%d}" if here is not None else ""
    app.push_screen(Ask("Go to which day?", at, does="go", one_line=True, refuse=refuse), take)


def who(app: App[Any], asked: Asked, take: Callable[[PersonRow, ConversationRow | None], object]) -> None:
    """Whose voice the model shall learn, or who shall be left out of a conversation, or taken in again."""
    people, there = asked.people, asked.leave_out_of
    at = next((at for at, person in enumerate(people) if person.id == asked.preferred), 0)

    def choose(index: int | None) -> None:
        if index is not None:
            take(people[index], there)

    if there is None:
        title = "Whose voice shall the model learn?"
        shown = [(person.name, plural(person.messages, "message")) for person in people]
    else:
        title = f"Leave out in {there.title or 'this conversation'}, or take in again"
        out = {id for id, _ in there.without}
        shown = [(person.name, "left out here" if person.id in out else "") for person in people]
    app.push_screen(Choose(title, shown, at), choose)
