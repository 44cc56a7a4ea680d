"""Who some people are, with their names and roles: taken before a join or a split, it leads back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.archive.merge import MARK_OWNERS
from engine.archive.studio import Studio


class Standing(msgspec.Struct, frozen=True):
    """people: (id, name, whether it is the AI sender, whether it is left out). senders: (id, person)."""

    people: tuple[tuple[int, str, int, int], ...]
    senders: tuple[tuple[int, int], ...]


async def standing(studio: Studio, people: Sequence[int]) -> Standing:
    """How these people stand now."""
    marks = ", ".join("?" * len(people))
    found = await studio.rows(
        lambda *row: row,
        f"SELECT id, name, is_ai, left_out FROM people WHERE id IN ({marks})",  # noqa: S608
        people,
    )
    senders = await studio.rows(
        lambda *row: row,
        f"SELECT id, person FROM senders WHERE person IN ({marks}) ORDER BY id",  # noqa: S608
        people,
    )
    return Standing(tuple(found), tuple(senders))


async def restore(studio: Studio, before: Standing) -> None:
    """Make the senders of `before` the people that they were, with the ids, names and roles of then.

    Senders that were forgotten meanwhile stay away. Whoever became the AI sender in another way
    since stays it.
    """
    async with studio.writing() as connection:

        async def ids(sql: str, *values: object) -> set[int]:
            return {row[0] for row in await connection.execute_fetchall(sql, values)}

        marks = ", ".join("?" * len(before.senders))
        mine = [sender for sender, _ in before.senders]
        there = await ids(f"SELECT id FROM senders WHERE id IN ({marks})", *mine)  # noqa: S608
        now = await ids(f"SELECT person FROM senders WHERE id IN ({marks})", *mine)  # noqa: S608
        taken = await ids("SELECT id FROM people") - now
        # The role follows whoever has it now, where that is one of these.
        current = await ids("SELECT id FROM people WHERE is_ai") & now
        was = {person for person, _, is_ai, _ in before.people if is_ai}
        heirs = (was or current) if current else set()
        if was and current:
            await connection.execute("UPDATE people SET is_ai = 0 WHERE is_ai")
        for person, name, _, left_out in before.people:
            senders = [sender for sender, theirs in before.senders if theirs == person and sender in there]
            if not senders:
                continue
            # Another import may have given the number to somebody new.
            id = None if person in taken else person
            cursor = await connection.execute(
                "INSERT INTO people (id, name, is_ai, left_out) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, is_ai = excluded.is_ai,"
                " left_out = excluded.left_out",
                (id, name, person in heirs, left_out),
            )
            id = cursor.lastrowid if id is None else id
            await connection.executemany(
                "UPDATE senders SET person = ? WHERE id = ?", [(id, sender) for sender in senders]
            )
        await connection.executemany(
            "DELETE FROM people WHERE id = ? AND id NOT IN (SELECT person FROM senders)",
            [(person,) for person in now],
        )
        await connection.execute(MARK_OWNERS)
