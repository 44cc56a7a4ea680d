"""What the pane changes in the archive, each change with the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ConversationRow, PersonRow

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


async def leave_out_there(studio: Studio, person: PersonRow, conversation: ConversationRow) -> Undo:
    """Leave `person` out in one conversation, or take them in again there."""
    from engine.archive import leaving_out

    was = conversation.id in person.out_of
    await leaving_out.leave_out_there(studio, person.id, conversation.id, not was)

    async def undo(studio: Studio) -> None:
        await leaving_out.leave_out_there(studio, person.id, conversation.id, was)

    return undo


async def join(studio: Studio, keep: PersonRow, others: Sequence[PersonRow]) -> Undo:
    """Make `others` the same person as `keep`."""
    from engine.archive import people, standing

    before = await standing.standing(studio, [keep.id, *(other.id for other in others)])
    for other in others:
        await people.join(studio, keep.id, other.id)

    async def undo(studio: Studio) -> None:
        await standing.restore(studio, before)

    return undo


async def split(studio: Studio, person: PersonRow) -> Undo:
    """Make every name of `person` a person again."""
    from engine.archive import people, standing

    before = await standing.standing(studio, [person.id])
    await people.split(studio, person.id)

    async def undo(studio: Studio) -> None:
        await standing.restore(studio, before)

    return undo


async def call_different(studio: Studio, one: PersonRow, other: PersonRow) -> Undo:
    """Never ask again whether these two are one person."""
    from engine.archive import suggestions

    await suggestions.call_different(studio, one.id, other.id)

    async def undo(studio: Studio) -> None:
        await suggestions.call_different(studio, one.id, other.id, False)

    return undo
