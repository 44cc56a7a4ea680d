"""Everybody who wrote: who is who, whose voice the model learns, and who is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import aiosqlite
import msgspec

from engine.archive.merge import JOIN_PEOPLE, MARK_OWNERS
from engine.archive.names import nearest
from engine.archive.rows import PersonRow
from engine.archive.studio import Studio
from engine.errors import StudioError

PERSON = """
SELECT p.id, p.name,
    (SELECT json_group_array(DISTINCT s.name) FROM senders s WHERE s.person = p.id AND s.name <> p.name),
    (SELECT json_group_array(DISTINCT source.name) FROM senders s JOIN sources source ON source.id = s.source
        WHERE s.person = p.id),
    sum(s.messages), sum(s.words), min(s.first), max(s.last),
    (SELECT sample FROM senders s WHERE s.person = p.id ORDER BY sample = '', last DESC LIMIT 1),
    p.is_owner, p.is_ai, p.left_out,
    (SELECT json_group_array(DISTINCT x.conversation) FROM senders s
        JOIN participants x ON x.sender = s.id AND x.left_out WHERE s.person = p.id)
FROM people p JOIN senders s ON s.person = p.id
"""
IN = (
    "p.id IN (SELECT t.person FROM participants x JOIN senders t ON t.id = x.sender WHERE x.conversation = ?)"
)
GROUPED = "GROUP BY p.id ORDER BY sum(s.messages) DESC, p.id"
EVERYBODY = "`understudy senders` lists everybody."


async def people(studio: Studio, conversation: int | None = None) -> list[PersonRow]:
    """Everybody, or those in one conversation; most messages first."""
    if conversation is None:
        return await studio.rows(_person, f"{PERSON} {GROUPED}")
    return await studio.rows(_person, f"{PERSON} WHERE {IN} {GROUPED}", (conversation,))


async def find_person(studio: Studio, name: str) -> PersonRow:
    """The person of this name or alias, in any case, or of this id.

    Raises StudioError, offering the nearest names, where nobody or more than one is meant.
    """
    everybody = await people(studio)
    wanted = name.strip()
    exact = [row for row in everybody if wanted in (row.name, *row.aliases)]
    folded = wanted.casefold()
    found = (
        exact
        or [row for row in everybody if folded in (row.name.casefold(), *map(str.casefold, row.aliases))]
        or [row for row in everybody if wanted.removeprefix("#") == str(row.id)]
    )
    if len(found) == 1:
        return found[0]
    if not found:
        if not everybody:
            raise StudioError(
                f'No sender is called "{wanted}".', "The studio is empty: import an export first."
            )
        near = nearest(wanted, [one for row in everybody for one in (row.name, *row.aliases)])
        raise StudioError(f'No sender is called "{wanted}".', f"{near} {EVERYBODY}".strip())
    some = ", ".join(f"{row.id} ({row.name}, {' + '.join(row.sources)})" for row in found[:5])
    raise StudioError(
        f'{len(found)} senders are called "{wanted}": {some}{", ..." if len(found) > 5 else ""}.',
        "Name one by its number; where two are one person, "
        f"`understudy senders join {found[0].id} {found[1].id}` joins them.",
    )


async def ai(studio: Studio) -> PersonRow | None:
    """The AI sender, None where nobody was chosen."""
    found = await studio.rows(_person, f"{PERSON} WHERE p.is_ai {GROUPED}")
    return found[0] if found else None


async def set_ai(studio: Studio, person: int | None) -> None:
    """Make one person the AI sender, or nobody. Whoever is chosen is no longer left out."""
    async with studio.writing() as connection:
        if person is not None:
            await _require(connection, person)
        await connection.execute("UPDATE people SET is_ai = 0 WHERE is_ai")
        await connection.execute("UPDATE people SET is_ai = 1, left_out = 0 WHERE id = ?", (person,))


async def leave_out(studio: Studio, person: int, left_out: bool) -> None:
    """Leave a person's messages out of every dataset, or take them in again.

    Raises StudioError for the AI sender.
    """
    async with studio.writing() as connection:
        name, is_ai = await _require(connection, person)
        if is_ai and left_out:
            raise StudioError(
                f"{name} is the AI sender and cannot be left out.", "Make somebody else the AI sender first."
            )
        await connection.execute("UPDATE people SET left_out = ? WHERE id = ?", (left_out, person))


async def join(studio: Studio, keep: int, other: int) -> None:
    """Make two people one, under the name of `keep`.

    Where one is the AI sender, both become it; else where one is left out, both are: what somebody
    left out never comes in by a join. Raises StudioError for an unknown person.
    """
    async with studio.writing() as connection:
        await _require(connection, keep)
        await _require(connection, other)
        if keep == other:
            raise StudioError("A person cannot be joined with itself.", "Name two different people.")
        await connection.execute(
            "UPDATE people SET left_out = (SELECT max(left_out) FROM people WHERE id IN (:keep, :other))"
            " AND NOT (SELECT max(is_ai) FROM people WHERE id IN (:keep, :other)) WHERE id = :keep",
            {"keep": keep, "other": other},
        )
        for statement in JOIN_PEOPLE:
            await connection.execute(statement, {"keep": keep, "other": other})


async def split(studio: Studio, person: int, names: Sequence[str] = ()) -> list[PersonRow]:
    """Make every sender of a person a person again, or those of `names` together one; returns all parts.

    The sender whose name the person bears stays that person, with its role. Raises StudioError where
    a name is none of the person's aliases.
    """
    async with studio.writing() as connection:
        name, _ = await _require(connection, person)
        senders = list(
            await connection.execute_fetchall(
                "SELECT s.id, s.name, p.left_out FROM senders s JOIN people p ON p.id = s.person"
                " WHERE p.id = ? ORDER BY s.name <> ?, s.id",
                (person, name),
            )
        )
        made = [person]
        together = [sender for sender in senders[1:] if sender[1] in names and sender[1] != name]
        unknown = set(names) - {own_name for _, own_name, _ in together}
        if unknown:
            aliases = ", ".join(sorted({own_name for _, own_name, _ in senders} - {name}))
            raise StudioError(
                f'"{min(unknown)}" is no alias of {name}.', f"There are: {aliases}." if aliases else ""
            )
        for part in [together] if names else [[sender] for sender in senders[1:]]:
            cursor = await connection.execute(
                "INSERT INTO people (name, left_out) VALUES (?, ?)", (part[0][1], part[0][2])
            )
            made.append(cursor.lastrowid or 0)
            await connection.executemany(
                "UPDATE senders SET person = ? WHERE id = ?", [(made[-1], sender) for sender, _, _ in part]
            )
        await connection.execute(MARK_OWNERS)
    marks = ", ".join("?" * len(made))
    return await studio.rows(_person, f"{PERSON} WHERE p.id IN ({marks}) {GROUPED}", made)


async def _require(connection: aiosqlite.Connection, person: int) -> tuple[str, bool]:
    """The name of a person, and whether it is the AI sender. Raises StudioError where there is none."""
    rows = list(await connection.execute_fetchall("SELECT name, is_ai FROM people WHERE id = ?", (person,)))
    if not rows:
        raise StudioError(f"There is no sender {person}.", EVERYBODY)
    return rows[0][0], bool(rows[0][1])


_ids = msgspec.json.Decoder(tuple[int, ...])
_names = msgspec.json.Decoder(tuple[str, ...])


def _person(
    id: int,
    name: str,
    aliases: str,
    sources: str,
    messages: int,
    words: int,
    first: int | None,
    last: int | None,
    sample: str,
    is_owner: int,
    is_ai: int,
    left_out: int,
    out_of: str,
) -> PersonRow:
    role: Literal["ai", "user", "left out"] = "ai" if is_ai else "left out" if left_out else "user"
    names = _names.decode(aliases), _names.decode(sources)
    some = _ids.decode(out_of) if out_of != "[]" else ()
    return PersonRow(id, name, *names, messages, words, first, last, sample, bool(is_owner), role, some)
