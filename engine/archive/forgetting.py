"""Forget a source: everything that came only from it goes, out of the tables and out of the file."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import msgspec

from engine.archive.jobs import jobs
from engine.archive.merge import MARK_OWNERS
from engine.archive.names import nearest
from engine.archive.reading import sources
from engine.archive.rows import JobRow, SourceRow
from engine.archive.studio import Studio, connect, explained
from engine.errors import StudioError

READER_MS = 3_000
"""How long to wait for other programs that read while the file is written anew."""
ENDED = ("succeeded", "failed", "cancelled", "refused")

MINE = "SELECT id FROM conversations WHERE source = :source"
SENDERS = "SELECT id FROM senders WHERE source = :source"
# A chunk never reaches beyond its conversation, so that says whose words a dataset holds.
DATASETS = f"SELECT DISTINCT dataset FROM chunks WHERE conversation IN ({MINE})"  # noqa: S608
# Nobody of these wrote in another source.
GONE = """
SELECT id FROM people WHERE id IN (SELECT person FROM senders WHERE source = :source)
AND id NOT IN (SELECT person FROM senders WHERE source <> :source)
"""
# A joined person who stays, but under a name that only the forgotten source knew.
RENAME = """
UPDATE people SET name = (
    SELECT name FROM senders s WHERE s.person = people.id AND s.source <> :source
    ORDER BY s.messages DESC, s.id
)
WHERE id IN (SELECT person FROM senders WHERE source = :source)
AND NOT EXISTS (
    SELECT 1 FROM senders s WHERE s.person = people.id AND s.name = people.name AND s.source <> :source
)
"""
DELETE = (
    f"UPDATE jobs SET dataset = NULL WHERE dataset IN ({DATASETS})",  # noqa: S608
    f"CREATE TEMP TABLE unwanted AS {DATASETS}",
    "DELETE FROM chunks WHERE dataset IN (SELECT dataset FROM unwanted)",
    "DELETE FROM datasets WHERE id IN (SELECT dataset FROM unwanted)",
    f"DELETE FROM messages WHERE conversation IN ({MINE})",  # noqa: S608
    f"DELETE FROM participants WHERE conversation IN ({MINE})",  # noqa: S608
    "DELETE FROM conversations WHERE source = :source",
    "DELETE FROM imports WHERE source = :source",
    f"DELETE FROM people WHERE id IN ({GONE})",  # noqa: S608
    RENAME,
    f"DELETE FROM different WHERE sender IN ({SENDERS}) OR other IN ({SENDERS})",  # noqa: S608
    "DELETE FROM senders WHERE source = :source",
    "DELETE FROM sources WHERE id = :source",
    MARK_OWNERS,
    # A word that is deleted from the index stays in its pages until they are merged: made anew, it is gone.
    "INSERT INTO speech_index (speech_index) VALUES ('rebuild')",
    "DROP TABLE unwanted",
)


class Forgotten(msgspec.Struct, frozen=True):
    """What goes, or went, with a source.

    people: how many wrote nowhere else. ai: the AI sender's name, where it is one of them.
    datasets: ids of those that hold any of its words. jobs: those that were trained on such a dataset.
    models: (provider, model id) that still remember the words, checkpoints where a job has no model.
    chats: how many with those models. erased: False where another program uses the studio, so that
    deleted words may stand in its files until that one is closed. shrunk: False where there is no room to
    write the file anew, so that it keeps its size; its words are gone all the same.
    """

    source: str
    conversations: int
    messages: int
    people: int
    ai: str | None
    datasets: tuple[str, ...]
    jobs: tuple[JobRow, ...]
    models: tuple[tuple[str, str], ...]
    chats: int
    erased: bool = True
    shrunk: bool = True


async def find_source(studio: Studio, name: str) -> SourceRow:
    """The source of this name, in any case. Raises StudioError that offers the nearest names."""
    known = await sources(studio)
    wanted = name.strip()
    found = [row for row in known if row.name == wanted]
    found = found or [row for row in known if row.name.casefold() == wanted.casefold()]
    if len(found) == 1:
        return found[0]
    if not known:
        raise StudioError(f'There is no source called "{wanted}".', "The studio is empty.")
    names = [row.name for row in known]
    hint = nearest(wanted, names) or f"There are: {', '.join(names)}."
    raise StudioError(f'There is no source called "{wanted}".', hint)


async def preview(studio: Studio, source: SourceRow) -> Forgotten:
    """What `forget` would delete. Raises StudioError where a training on its words is still going on."""
    of = {"source": source.id}
    datasets = await studio.rows(str, f"{DATASETS} ORDER BY 1", of)
    trained = tuple(job for job in await jobs(studio) if job.dataset in datasets)
    for job in trained:
        if job.status not in ENDED:
            name = job.id or job.key
            raise StudioError(
                f"A training on the words of {source.name} is going on ({name}).",
                f"Stop it with `understudy jobs cancel {name}`, or wait until it has ended.",
            )
    models = list[tuple[str, str]]()
    for job in trained:
        checkpoints = "SELECT model FROM checkpoints WHERE job = ? ORDER BY step"
        left = [job.model] if job.model else await studio.rows(str, checkpoints, (job.key,))
        models += [(job.provider, model) for model in left]
    [conversations] = await studio.rows(int, f"SELECT count(*) FROM ({MINE})", of)  # noqa: S608
    [people] = await studio.rows(int, f"SELECT count(*) FROM ({GONE})", of)  # noqa: S608
    ai = await studio.rows(str, f"SELECT name FROM people WHERE is_ai AND id IN ({GONE})", of)  # noqa: S608
    chats = 0
    for _, model in models:
        sql = "SELECT count(*) FROM chats WHERE model = ?1 OR substr(model, 1, length(?1) + 1) = ?1 || ':'"
        chats += (await studio.rows(int, sql, (model,)))[0]
    return Forgotten(
        source=source.name,
        conversations=conversations,
        messages=source.messages,
        people=people,
        ai=ai[0] if ai else None,
        datasets=tuple(datasets),
        jobs=trained,
        models=tuple(models),
        chats=chats,
    )


async def forget(studio: Studio, source: SourceRow) -> Forgotten:
    """Delete a source with everything that came only from it, in one transaction; then rewrite the file.

    Conversations, messages, senders, people who wrote nowhere else, their rows in the search index,
    and every dataset that holds any of its words go. Jobs stay listed, without a dataset; so do
    chats. Needs as much free disk as the studio is large. Raises StudioError.
    """
    async with studio.write_lock:
        found = await preview(studio, source)
        work = asyncio.ensure_future(asyncio.to_thread(_forget, studio, source.id))
        # Once begun it goes on to its end, also where nobody waits any more.
        erased, shrunk = await asyncio.shield(work)
    return msgspec.structs.replace(found, erased=erased, shrunk=shrunk)


def _forget(studio: Studio, source: int) -> tuple[bool, bool]:
    with explained(studio.path), contextlib.closing(connect(studio.path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        # Checked, each deleted sender would be looked for in every message. All that points to it goes too.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in DELETE:
                connection.execute(statement, {"source": source} if ":source" in statement else {})
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
        return _rewrite(connection)


def _rewrite(connection: sqlite3.Connection) -> tuple[bool, bool]:
    """Write the file anew and empty its log: neither holds a deleted word then. False where it was in use;
    False where there was no room for a second copy (what was deleted is zeros in the first)."""
    connection.execute(f"PRAGMA busy_timeout = {READER_MS}")
    shrunk = True
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        shrunk = error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        busy = True
    return not busy, shrunk


def left(done: Forgotten) -> list[str]:
    """What still knows the words, and how to be rid of it."""
    lines = []
    if done.jobs:
        names = ", ".join(job.suffix or job.id or job.key for job in done.jobs)
        lines.append(f"{_many(len(done.jobs), 'job')} made with its words stay listed: {names}.")
    if done.models:
        lines.append("These models still remember what they learned; each line deletes one:")
        for provider, model in done.models:
            lines.append(f"  understudy models delete {model} --provider {provider}")
    if done.chats:
        lines.append(f"{_many(done.chats, 'chat')} with these models may quote it, and stay.")
    if done.datasets:
        lines.append("Training files that you wrote with --out were not touched.")
    if not done.shrunk:
        lines.append("The disk is too full to write the studio anew, so its file keeps its size.")
    if not done.erased:
        lines.append(
            "Another program is using the studio: deleted words stand in its files until that one is closed."
        )
    return lines


def _many(count: int, name: str) -> str:
    return f"{count:,} {name if count == 1 else name + 's'}"
