"""The question whose export it is, where neither the export nor the studio can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tui.widgets.cells import plural
from tui.widgets.choose import Choose

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.owners import Candidate


class Question(NamedTuple):
    """people: who wrote in the source, most messages first. likely: the one under the bar."""

    source: str
    people: Sequence[Candidate]
    likely: int

    def sheet(self) -> Choose:
        rows = [(one.name, plural(one.messages, "message")) for one in self.people]
        asked = f"Who are you in {self.source}? The export does not say."
        return Choose(asked, [*rows, ("None of them", "")], self.likely)

    def answer(self, index: int | None) -> Candidate | None:
        return self.people[index] if index is not None and index < len(self.people) else None


async def questions(studio: Studio, sources: Sequence[str]) -> list[Question]:
    """What to ask about these sources: nothing where it is known, or was asked before."""
    from engine.archive import owners, reading

    known = {source.owner for source in await reading.sources(studio)}
    asked = []
    for source in dict.fromkeys(sources):
        people = await owners.candidates(studio, source)
        if people:
            likely = next((at for at, one in enumerate(people) if one.name in known), 0)
            asked.append(Question(source, people, likely))
    return asked
