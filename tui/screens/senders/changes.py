"""What the pane changes in the archive, each change with the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import PersonRow

Undo = Callable[["Studio"], Awaitable[None]]


async def make_ai(studio: Studio, person: PersonRow) -> Undo:
    """Make `person` the AI sender."""
    from engine.archive import people

    before = await people.ai(studio)
    await people.set_ai(studio, person.id)

    async def undo(studio: Studio) -> None:
        await people.set_ai(studio, before.id if before else None)
        await people.leave_out(studio, person.id, person.role == "left out")

    return undo


async def leave_out(studio: Studio, person: PersonRow) -> Undo:
    """Leave `person` out, or take them in again."""
    from engine.archive import people

    was = person.role == "left out"
    await people.leave_out(studio, person.id, not was)

    async def undo(studio: Studio) -> None:
        await people.leave_out(studio, person.id, was)

    return undo


async def be_me(studio: Studio, person: PersonRow) -> Undo:
    """Make `person` the one whose exports the sources are that they wrote in."""
    from engine.archive import owners

    before = await owners.become(studio, person.id)

    async def undo(studio: Studio) -> None:
        await owners.mark(studio, before)

    return undo


async def join(studio: Studio, keep: PersonRow, others: Sequence[PersonRow]) -> Undo:
    """Make `others` the same person as `keep`."""
    from engine.archive import people

    for other in others:
        await people.join(studio, keep.id, other.id)

    async def undo(studio: Studio) -> None:
        parts = await people.split(studio, keep.id)
        for other in others:
            theirs = [part for part in parts if _is_of(part, other) and not _is_of(part, keep)]
            for part in theirs[1:]:
                await people.join(studio, theirs[0].id, part.id)
            if theirs and other.role == "left out":
                await people.leave_out(studio, theirs[0].id, True)
            if theirs and other.role == "ai":
                await people.set_ai(studio, theirs[0].id)
        for part in parts:
            if part.id != keep.id and _is_of(part, keep):
                await people.join(studio, keep.id, part.id)

    return undo


async def split(studio: Studio, person: PersonRow) -> Undo:
    """Make every name of `person` a person again."""
    from engine.archive import people

    parts = await people.split(studio, person.id)

    async def undo(studio: Studio) -> None:
        for part in parts:
            if part.id != person.id:
                await people.join(studio, person.id, part.id)

    return undo


def _is_of(part: PersonRow, person: PersonRow) -> bool:
    """Whether the sender `part` was one of `person`'s names, in one of their sources."""
    return part.name in (person.name, *person.aliases) and set(part.sources) <= set(person.sources)
