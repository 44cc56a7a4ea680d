"""Which conversations the list shows: by source, person, kind, year, length and section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tui.widgets.cells import local, plural, source_name

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow

LENGTHS = (10, 100, 1_000, 10_000)
MOST = 200
"""Values of one field that are offered, those of most conversations first."""


class Person(NamedTuple):
    """Two people may have one name."""

    id: int
    name: str


Value = str | int | Person


class Field(NamedTuple):
    """Something to narrow by. anything: what it is called not to. values: those of a conversation.
    words: one value, as it is chosen. in_order: whether values stand in their own order, highest first."""

    name: str
    anything: str
    values: Callable[[ConversationRow], Collection[Value]]
    words: Callable[[Value], str] = str
    in_order: bool = False


def _people(row: ConversationRow) -> list[Value]:
    """The names, which are offered, and who bears them: another pane may mean one of them alone."""
    return [*dict.fromkeys(row.people), *map(Person, row.person_ids, row.people)]


def _name(person: Value) -> str:
    return person.name if isinstance(person, Person) else str(person)


def _years(row: ConversationRow) -> range:
    if row.first is None or row.last is None:
        return range(0)
    return range(local(row.first).year, local(row.last).year + 1)


def _lengths(row: ConversationRow) -> list[int]:
    return [length for length in LENGTHS if row.messages >= length]


def _or_more(length: Value) -> str:
    return f"{plural(int(str(length)), 'message')} or more"


FIELDS = (
    Field("source", "all sources", lambda row: (row.source,), lambda name: source_name(str(name))),
    Field("with", "all people", _people, lambda person: f"with {_name(person)}"),
    Field(
        "kind",
        "groups and one-to-one",
        lambda row: (row.kind,),
        lambda kind: "groups" if kind == "group" else "one-to-one",
    ),
    Field("time", "any year", _years, lambda year: f"in {year}", in_order=True),
    Field("length", "any length", _lengths, _or_more, True),
    Field("section", "all sections", lambda row: (row.section or "inbox",)),
)

Narrowed = Mapping[str, Value]
"""By a field's name the value that a conversation must have to be listed."""


def keeps(narrowed: Narrowed, row: ConversationRow) -> bool:
    return all(narrowed[field.name] in field.values(row) for field in FIELDS if field.name in narrowed)


def known(narrowed: Narrowed, rows: Sequence[ConversationRow]) -> Narrowed:
    """The same with the person's name as it is now, or without a person who is nobody any more."""
    person = narrowed.get("with")
    if not isinstance(person, Person):
        return narrowed
    now = next(
        (
            Person(*one)
            for row in rows
            for one in zip(row.person_ids, row.people, strict=True)
            if one[0] == person.id
        ),
        None,
    )
    others = {name: value for name, value in narrowed.items() if name != "with"}
    return {**others, "with": now} if now is not None else others


def words(narrowed: Narrowed) -> str:
    """`Messenger · with Hare · groups · in 2023`"""
    return " · ".join(field.words(narrowed[field.name]) for field in FIELDS if field.name in narrowed)


def choices(
    field: Field, rows: Sequence[ConversationRow], narrowed: Narrowed
) -> list[tuple[Value | None, str, int]]:
    """What `field` can be narrowed to: value (None for anything), words, and how many conversations that
    leaves with every other field as it is."""
    others = {name: value for name, value in narrowed.items() if name != field.name}
    left = [row for row in rows if keeps(others, row)]
    counted = Counter(one for row in left for one in field.values(row) if not isinstance(one, Person))
    values = sorted(counted, reverse=True) if field.in_order else [v for v, _ in counted.most_common(MOST)]
    found: list[tuple[Value | None, str, int]] = [(None, field.anything, len(left))]
    return found + [(value, field.words(value), counted[value]) for value in values]
