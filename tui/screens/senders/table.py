"""The table of people. Columns give way as the screen grows narrow: first, then sources, then last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.safe_text import safe_line
from tui.widgets.cells import fit, month, number, right
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.archive.rows import PersonRow

ROLES = {"ai": "AI", "user": "user", "left out": "left out"}


class People(LineList):
    """`▌` in the accent and the word AI: the AI sender; `✓`: marked for joining."""

    def __init__(self) -> None:
        super().__init__(id="people")
        self.people: Sequence[PersonRow] = ()
        self.marked: set[int] = set()

    def list(self, people: Sequence[PersonRow], on: int | None = None) -> None:
        """Show these with the bar on person `on`, or on whom it was."""
        wanted = on if on is not None else (self.current.id if self.current else None)
        self.people = people
        self.marked &= {person.id for person in people}
        place = next((at for at, person in enumerate(people) if person.id == wanted), self.cursor)
        self.show(len(people), place)

    @property
    def current(self) -> PersonRow | None:
        return self.people[self.cursor] if self.cursor < len(self.people) else None

    @property
    def left_out(self) -> frozenset[int]:
        return frozenset(person.id for person in self.people if person.role == "left out")

    def row(self, index: int, width: int) -> Content:
        person = self.people[index]
        ai, out = person.role == "ai", person.role == "left out"
        notes = ["me"] if person.is_owner else []
        notes += [f"+{len(person.aliases)}"] if person.aliases else []
        aside = f" ({', '.join(notes)})" if notes else ""
        ends = _columns(
            width,
            number(person.messages),
            f"{person.words / person.messages:.1f}" if person.words and person.messages else "",
            " ".join(safe_line(source) for source in person.sources),
            month(person.first),
            month(person.last),
            ROLES[person.role],
        )
        room = width - 3 - sum(len(text) for text in ends)
        name = fit(safe_line(person.name) or "(no name)", max(6, room - len(aside))).rstrip()
        style = "$faint" if out else "bold $accent" if ai else ""
        cells = [(text, "$faint" if out else "$muted") for text in ends[:-1]]
        cells[0] = (ends[0], "$faint" if out else "")
        left = Content.assemble(
            ("▌" if ai else " ", "$accent"),
            "✓ " if person.id in self.marked else "  ",
            (name, style),
            (aside, "$muted"),
        )
        gap = " " * max(0, width - left.cell_length - sum(len(text) for text in ends))
        return Content.assemble(left, gap, *cells, (ends[-1], style or "$muted"))


def namesakes(
    people: Sequence[PersonRow], different: Collection[frozenset[int]]
) -> tuple[PersonRow, PersonRow] | None:
    """Two people of one name who share no source, unless they are known to be different."""
    by_name: dict[str, PersonRow] = {}
    for person in people:
        first = by_name.setdefault(person.name.casefold(), person)
        apart = not set(first.sources) & set(person.sources)
        if first is not person and apart and frozenset((first.id, person.id)) not in different:
            return first, person
    return None


class Heading(Widget):
    """The names of the columns, above them."""

    DEFAULT_CSS = "Heading { height: 1; color: $muted; }"

    def render(self) -> Content:
        return _heading(self.size.width)


def _heading(width: int) -> Content:
    ends = _columns(width, "messages", "words", "sources", "first", "last", "role")
    return Content.assemble(
        ("   " + fit("person", width - 3 - sum(len(text) for text in ends)), ""), "".join(ends)
    )


def _columns(
    width: int, messages: str, words: str, sources: str, first: str, last: str, role: str
) -> list[str]:
    """The columns after the name as they fit into `width` cells; the last one is the role."""
    columns = [right(messages, 10), right(words, 7)]
    if width >= 76:
        columns.append("  " + fit(sources, 20))
    if width >= 92:
        columns.append(fit(first, 10))
    if width >= 60:
        columns.append(("  " if width < 76 else "") + fit(last, 10))
    return [*columns, "  " + fit(role, 9)]
