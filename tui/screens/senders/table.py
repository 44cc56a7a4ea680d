"""The table of people. Columns give way as it grows narrow: first, then sources, then words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.safe_text import safe_line
from tui.widgets.cells import fit, month, number, right, source_name
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.archive.rows import PersonRow

ORDERS = ("most messages first", "last heard first", "by name")

COLUMNS = (
    # name, cells, whether it is right-aligned, its turn to give way (0: never)
    ("messages", 9, True, 0),
    ("words", 8, True, 3),
    ("share", 8, True, 4),
    ("sources", 16, False, 2),
    ("first", 10, False, 1),
    ("last", 10, False, 5),
    ("role", 11, False, 0),
)
NAME = 15
"""Cells that a name has at the least before a column gives way."""


class People(LineList):
    """`▌` in the accent and the word AI: the AI sender; `✓`: marked for joining.

    people: in the order in which they are shown. messages: everybody's together.
    """

    def __init__(self) -> None:
        super().__init__(id="people")
        self.people: Sequence[PersonRow] = ()
        self.marked: set[int] = set()
        self.ai: PersonRow | None = None
        self.left_out: frozenset[int] = frozenset()
        self.messages = 0

    def list(
        self, shown: Sequence[PersonRow], people: Sequence[PersonRow], order: str, on: int | None = None
    ) -> None:
        """Show these of all `people` with the bar on person `on`, or on whom it was."""
        wanted = on if on is not None else (self.current.id if self.current else None)
        self.people = _ordered(shown, order)
        self.marked &= {person.id for person in people}
        self.ai = next((person for person in people if person.role == "ai"), None)
        self.left_out = frozenset(person.id for person in people if person.role == "left out")
        self.messages = sum(person.messages for person in people)
        place = next((at for at, person in enumerate(self.people) if person.id == wanted), self.cursor)
        self.show(len(shown), place)

    @property
    def current(self) -> PersonRow | None:
        return self.people[self.cursor] if self.cursor < len(self.people) else None

    def row(self, index: int, width: int) -> Content:
        person = self.people[index]
        ai, out = person.role == "ai", person.role == "left out"
        notes = ["me"] if person.is_owner else []
        notes += [f"+{len(person.aliases)}"] if person.aliases else []
        aside = f" ({', '.join(notes)})" if notes else ""
        ends = _cells(
            width,
            number(person.messages),
            f"{person.words / person.messages:.1f} ø" if person.words and person.messages else "",
            share(person.messages, self.messages),
            _sources(person.sources),
            month(person.first),
            month(person.last),
            role(person),
        )
        room = width - 3 - _width(width)
        name = fit(safe_line(person.name) or "(no name)", max(6, room - len(aside))).rstrip()
        style = "$muted" if out else "bold $accent" if ai else ""
        mark = "✓ " if person.id in self.marked else "  "
        left = Content.assemble(
            ("▌", "$accent") if ai else " ",
            (mark + name, style) if not ai else mark,
            (name, style) if ai else "",
            (aside, "$muted") if aside else "",
        )
        count = " " * max(0, 3 + room - left.cell_length) + ends[0]
        # Few pieces: over SSH every one costs more bytes than its text.
        middle, last = "".join(ends[1:-1]), ends[-1]
        if out:
            return Content.assemble(left, (count + middle + last, style))
        if ai:
            return Content.assemble(left, count, (middle, "$muted"), (last, style))
        return Content.assemble(left, count, (middle + last, "$muted"))


def _sources(names: Sequence[str]) -> str:
    """`Messenger`, `Messenger +1`; the line under the table has all of them."""
    return " +".join([source_name(name) for name in names[:1]] + [str(len(names) - 1)] * (len(names) > 1))


def role(person: PersonRow) -> str:
    """`AI`, `user`, `left out`, or `out in 2`: left out in two conversations alone."""
    if person.role == "user" and person.out_of:
        return f"out in {number(len(person.out_of))}"
    return {"ai": "AI"}.get(person.role, person.role)


def share(messages: int, total: int) -> str:
    """`34.1 %` of all messages."""
    if not messages or not total:
        return ""
    percent = 100 * messages / total
    return f"{percent:.1f} %" if percent >= 0.1 else "<0.1 %"


def _ordered(people: Sequence[PersonRow], order: str) -> Sequence[PersonRow]:
    if order == ORDERS[1]:
        return sorted(people, key=lambda person: -(person.last or 0))
    if order == ORDERS[2]:
        return sorted(people, key=lambda person: person.name.casefold())
    return people


class Heading(Widget):
    """The names of the columns, above them."""

    DEFAULT_CSS = "Heading { height: 1; color: $muted; }"

    def render(self) -> Content:
        width = self.size.width
        cells = _cells(width, *(name for name, _, _, _ in COLUMNS))
        return Content("   " + fit("person", width - 3 - _width(width)) + "".join(cells))


def hidden(width: int) -> set[str]:
    """The columns that have no room beside a name in `width` cells."""
    gone: set[str] = set()
    used = sum(cells for _, cells, _, _ in COLUMNS)
    for name, cells, _, turn in sorted(COLUMNS, key=lambda column: column[3]):
        if turn and width - 3 - used < NAME:
            gone.add(name)
            used -= cells
    return gone


def _width(width: int) -> int:
    gone = hidden(width)
    return sum(cells for name, cells, _, _ in COLUMNS if name not in gone)


def _cells(width: int, *texts: str) -> list[str]:
    """The columns after the name as they fit into `width` cells, `texts` one for each of COLUMNS."""
    gone = hidden(width)
    return [
        right(text, cells) if is_right else "  " + fit(text, cells - 2)
        for (name, cells, is_right, _), text in zip(COLUMNS, texts, strict=True)
        if name not in gone
    ]
