"""Whose export a source is: found by the importer, said by the user, or asked once."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from engine.archive.merge import JOIN_PEOPLE, MARK_OWNERS, OTHER_OWNER
from engine.archive.nameless import NAMED_BY_ANSWER, NAMED_ELSEWHERE, TAKE_OVER_NAME
from engine.archive.studio import Studio
from engine.conversation import NAMELESS
from engine.errors import StudioError

SENDERS = """
SELECT s.id, s.name, s.messages FROM senders s JOIN sources source ON source.id = s.source
WHERE source.name = ?1 AND NOT source.asked AND s.messages > 0
AND NOT EXISTS (SELECT 1 FROM senders o WHERE o.source = s.source AND o.is_owner)
ORDER BY s.messages DESC, s.id LIMIT ?2
"""

# For a source that knows its owner but not the name: the owners of the others.
NAMES = """
SELECT min(o.id), p.name, sum(o.messages) FROM senders o JOIN people p ON p.id = o.person
WHERE o.is_owner AND o.name <> ?3 AND EXISTS (
    SELECT 1 FROM senders s JOIN sources source ON source.id = s.source
    WHERE source.name = ?1 AND NOT source.asked AND s.is_owner AND s.name = ?3)
GROUP BY p.id ORDER BY 3 DESC, 1 LIMIT ?2
"""


class Candidate(msgspec.Struct, frozen=True):
    """A sender who may be the person whose export it is; of another source where it is the name that is
    asked for."""

    sender: int
    name: str
    messages: int


async def candidates(studio: Studio, source: str, most: int = 20) -> list[Candidate]:
    """Who wrote in a source, most messages first. Empty where its owner is known or was asked for.

    Where it knows its owner but not the name: the owners of other sources.
    """
    found = await studio.rows(Candidate, SENDERS, (source, most))
    return found or await studio.rows(Candidate, NAMES, (source, most, NAMELESS))


async def answer(studio: Studio, source: str, sender: int | None) -> None:
    """Mark the sender as the one whose export the source is; None: none of them. It is not asked again."""
    async with studio.writing() as connection:
        await connection.execute("UPDATE sources SET asked = 1 WHERE name = ?", (source,))
        if sender is None:
            return
        await connection.execute(
            "UPDATE senders SET is_owner = 1 WHERE id = ?1"
            " AND source = (SELECT id FROM sources WHERE name = ?2)",
            (sender, source),
        )
        await connection.execute(MARK_OWNERS)
        for keep, other in list(await connection.execute_fetchall(OTHER_OWNER, (sender,))):
            for statement in JOIN_PEOPLE:
                await connection.execute(statement, {"keep": keep, "other": other})
        await connection.execute(NAMED_BY_ANSWER, (source, sender))
        for statement in (*TAKE_OVER_NAME, NAMED_ELSEWHERE, *TAKE_OVER_NAME):
            await connection.execute(statement)


async def become(studio: Studio, person: int) -> list[int]:
    """Make this person the one whose exports all the sources are that they wrote in.

    Returns the senders who were marked before, in every source. Raises StudioError where there is nobody.
    """
    async with studio.writing() as connection:
        marked = "SELECT id FROM senders WHERE is_owner ORDER BY id"
        before = [row[0] for row in await connection.execute_fetchall(marked)]
        theirs = "SELECT source FROM senders WHERE person = ?1"
        changed = await connection.execute(
            f"UPDATE senders SET is_owner = person = ?1 WHERE source IN ({theirs})",  # noqa: S608
            (person,),
        )
        if not changed.rowcount:
            raise StudioError(f"There is no sender {person}.", "`understudy senders` lists everybody.")
        await connection.execute(
            f"UPDATE sources SET asked = 1 WHERE id IN ({theirs})",  # noqa: S608
            (person,),
        )
        await connection.execute(MARK_OWNERS)
    return before


async def mark(studio: Studio, senders: Collection[int]) -> None:
    """Mark exactly these senders, as `become` found them."""
    async with studio.writing() as connection:
        await connection.execute("UPDATE senders SET is_owner = 0 WHERE is_owner")
        await connection.executemany(
            "UPDATE senders SET is_owner = 1 WHERE id = ?", [(one,) for one in senders]
        )
        await connection.execute(MARK_OWNERS)
