"""The first import into a source: nothing can be there already, so every row goes straight to its
place, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial

from engine.archive import merge
from engine.archive.edits import keep_edits
from engine.archive.merge import Merged, Origin
from engine.archive.message_rows import Row, batches, storable
from engine.conversation import Conversation, Sender

INDEX_ROWS = 10_000  # messages are indexed as many at a time

INSERT = """
INSERT INTO messages (conversation, key, sender, time, seq, kind, text, words, reactions, attachments, edited)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conversation, key) DO NOTHING
"""
INDEX = "INSERT INTO speech_index (rowid, text) SELECT id, text FROM speech WHERE id > ? AND id <= ?"
REPLIES = """
UPDATE messages SET reply_to = target.id
FROM temp.replies r JOIN messages target ON target.conversation = r.conversation AND target.key = r.target
WHERE messages.conversation = r.conversation AND messages.key = r.key
"""


def first_import(
    connection: sqlite3.Connection,
    origin: Callable[[], Origin],
    conversations: Iterator[Conversation],
    check: Callable[[], None],
) -> Merged | None:
    """Take everything over; None, and nothing read, where the studio knows the source already.

    `origin` is asked first and, for who the owner is, last. `check` raises to stop; then nothing
    was changed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        name = origin().source
        if connection.execute("SELECT 1 FROM sources WHERE name = ?", (name,)).fetchone() is not None:
            connection.rollback()
            return None
        source = merge.add_source(connection, origin())
        rows = _Rows(connection, source)
        for conversation in conversations:
            check()
            number, listed = rows.add_conversation(conversation)
            unlisted = partial(rows.add_unlisted, number)
            for batch in batches(number, conversation, listed, unlisted):
                check()
                rows.add_messages(batch)
        inserted = rows.finish()
        check()
        keep_edits(connection, source, origin().edits)
        merge.add_figures(connection, source)
        owner, warnings = merge.mark_owner(connection, source, origin(), rows.flagged)
        check()
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return Merged(rows.taken, inserted, owner, warnings)


class _Rows:
    """Where the rows go.

    taken: messages so far. flagged: the senders who are the owner by the export's own word.
    """

    def __init__(self, connection: sqlite3.Connection, source: int) -> None:
        connection.execute("DROP TABLE IF EXISTS temp.replies")
        connection.execute("CREATE TEMP TABLE replies (conversation INTEGER, key TEXT, target TEXT)")
        self.taken = 0
        self.flagged: list[int] = []
        self._connection = connection
        self._source = source
        self._senders: dict[str, int] = {}
        self._before = self._indexed = self._newest()

    def add_conversation(self, conversation: Conversation) -> tuple[int, dict[str, int]]:
        """Its id, and the ids of its listed senders by their keys."""
        row = self._connection.execute(
            "INSERT INTO conversations (source, key, title, is_group, section) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (source, key) DO UPDATE"
            " SET title = excluded.title, is_group = excluded.is_group, section = excluded.section"
            " RETURNING id",
            (
                self._source,
                storable(conversation.key),
                storable(conversation.title),
                conversation.is_group,
                conversation.section,
            ),
        ).fetchone()
        listed = {
            sender.key: self._add_sender(row[0], sender, place)
            for place, sender in enumerate(conversation.senders)
        }
        return row[0], listed

    def add_unlisted(self, conversation: int, key: str) -> int:
        """Who wrote without being listed takes part all the same."""
        return self._add_sender(conversation, Sender(key, key), 1_000_000 + len(self._senders))

    def add_messages(self, batch: list[Row]) -> None:
        rows = [row[:11] for row in batch]
        try:
            self._connection.executemany(INSERT, rows)
        except UnicodeEncodeError:  # half an emoji somewhere: rare, so only then every text is looked at
            self._connection.executemany(INSERT, [tuple(map(storable, row)) for row in rows])
        replies = [(row[0], row[1], row[11]) for row in batch if row[11] is not None]
        if replies:
            self._connection.executemany("INSERT INTO replies VALUES (?, ?, ?)", replies)
        self.taken += len(batch)
        newest = self._newest()
        if newest - self._indexed >= INDEX_ROWS:
            self._connection.execute(INDEX, (self._indexed, newest))
            self._indexed = newest

    def finish(self) -> int:
        """How many messages there are now that were not before."""
        newest = self._newest()
        self._connection.execute(INDEX, (self._indexed, newest))
        self._connection.execute(REPLIES)
        return newest - self._before

    def _add_sender(self, conversation: int, sender: Sender, place: int) -> int:
        key, name = storable(sender.key), storable(sender.name)
        id = self._senders.get(key)
        if id is None:
            person = self._connection.execute("INSERT INTO people (name) VALUES (?)", (name,)).lastrowid
            row = self._connection.execute(
                "INSERT INTO senders (source, key, name, person) VALUES (?, ?, ?, ?) RETURNING id",
                (self._source, key, name, person),
            ).fetchone()
            id = self._senders[key] = int(row[0])
        if sender.is_owner and id not in self.flagged:
            self.flagged.append(id)
        self._connection.execute(
            "INSERT INTO participants (conversation, sender, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (conversation, id, place),
        )
        return id

    def _newest(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0])
