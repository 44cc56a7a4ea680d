"""The first import into a source: nothing can be there already, so every row goes straight to its
place, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count

import msgspec

from engine.archive import merge
from engine.archive.database_thread import database_thread
from engine.archive.edits import History, keep_edits
from engine.archive.merge import Merged, Origin
from engine.archive.message_rows import REPLIES, insert, statements
from engine.conversation import Sender
from engine.packed import STRETCH, UNCUT, Figures, Packed, PackedConversation

INDEX_ROWS = 50_000  # messages are indexed as many at a time; each time makes a part that searches go through
# What the rows and their indexes are kept in until they are written: with less, pages are written often.
CACHE_KIB = 16 * 1024

MESSAGES = statements("messages", once=True)
# What the view `speech` says: once from the texts that were cut with the rest, once by cutting them here.
INDEX = """
INSERT INTO speech_index (rowid, text)
SELECT m.id, coalesce(c.text, m.text) FROM messages m LEFT JOIN temp.cut c ON c.id = m.id
WHERE m.kind = 'speech' AND m.text <> '' AND m.id > ? AND m.id <= ?
"""
INDEX_UNCUT = """
INSERT INTO speech_index (rowid, text)
SELECT id, text FROM speech WHERE text <> '' AND id > ? AND id <= ?
"""
CUT = "CREATE TEMP TABLE cut (id INTEGER PRIMARY KEY, text TEXT)"
ADD_CUT = "INSERT INTO temp.cut SELECT ? + CAST(key AS INTEGER), value FROM json_each(CAST(? AS TEXT))"
ANSWER = """
UPDATE messages SET reply_to = target.id
FROM temp.replies r JOIN messages target
    ON target.conversation = r.conversation AND target.key = r.target AND target.key <> ''
WHERE messages.conversation = r.conversation AND messages.key = r.key AND messages.key <> ''
"""


def first_import(
    connection: sqlite3.Connection,
    origin: Callable[[], Origin],
    conversations: Iterator[PackedConversation],
    check: Callable[[], None],
    end: Callable[[Merged], None],
) -> Merged | None:
    """Take everything over; None, and nothing read, where the studio knows the source already.

    `origin` is asked first and, for who the owner is, last. `check` raises to stop; then nothing
    was changed. `end` is told in the end, before it is for good."""
    # What is inserted refers to what is inserted beside it: to look each of it up would only cost time.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        name = origin().source
        if connection.execute("SELECT 1 FROM sources WHERE name = ?", (name,)).fetchone() is not None:
            connection.rollback()
            return None
        rows = _Rows(connection, merge.add_source(connection, origin()))
        with database_thread() as database:
            ready: list[tuple[int, Packed]] = []
            waiting = 0
            for conversation in conversations:
                check()
                number = rows.add_conversation(conversation)
                for packed in conversation.messages:
                    check()
                    rows.count(conversation.key, number, packed)
                    ready.append((number, packed))
                    waiting += packed.messages
                    if waiting >= STRETCH:
                        database.run(rows.add_messages, ready)
                        ready, waiting = [], 0
            database.run(rows.add_messages, ready)
            database.wait()
        inserted = rows.finish()
        check()
        keep_edits(connection, rows.source, rows.edits)
        owner, warnings = merge.mark_owner(connection, rows.source, origin(), rows.flagged)
        merged = Merged(rows.source, rows.taken, inserted, owner, warnings)
        end(merged)
        check()
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return merged


class _Told(msgspec.Struct, frozen=True):
    """What is told of a conversation, which its messages are not needed for."""

    key: str
    title: str
    is_group: bool
    section: str


class _Rows:
    """Where the rows go: messages at once and in the database's own thread, what they belong to in the end.

    taken: messages so far. flagged: the senders who are the owner by the export's own word.
    """

    def __init__(self, connection: sqlite3.Connection, source: int) -> None:
        for statement in ("DROP TABLE IF EXISTS temp.replies", REPLIES, "DROP TABLE IF EXISTS temp.cut", CUT):
            connection.execute(statement)
        self.taken = 0
        self.flagged: list[int] = []
        self.edits: list[History] = []
        self.source = source
        self._connection = connection
        # Nobody else writes in this transaction, so the numbers can be given out here.
        self._next_conversation = count(self._newest("conversations") + 1)
        self._next_sender = count(self._newest("senders") + 1)
        self._next_person = count(self._newest("people") + 1)
        self._conversations: dict[str, tuple[int, _Told]] = {}
        self._senders: dict[str, tuple[int, Sender]] = {}
        self._participants: dict[tuple[int, int], int] = {}
        self._of_conversation: dict[int, Figures] = {}
        self._of_sender: dict[int, Figures] = {}
        self._before = self._indexed = self._last = self._newest("messages")
        self._uncut = False

    def add_conversation(self, conversation: PackedConversation) -> int:
        """Its number."""
        key = conversation.key
        known = self._conversations.get(key)
        number = known[0] if known else next(self._next_conversation)
        told = _Told(key, conversation.title, conversation.is_group, conversation.section)
        self._conversations[key] = number, told
        self._of_conversation.setdefault(number, Figures())
        for place, sender in enumerate(conversation.senders):
            self._add_sender(number, sender, place)
        return number

    def count(self, conversation: str, number: int, packed: Packed) -> None:
        """Before `add_messages`: who wrote, and how much."""
        for key, figures in packed.figures():
            known = self._senders.get(key)
            if known is None or (number, known[0]) not in self._participants:
                # Who wrote without being listed takes part all the same.
                self._add_sender(number, Sender(key, key), 1_000_000 + len(self._senders))
                known = self._senders[key]
            self._of_sender[known[0]].add(figures)
            self._of_conversation[number].add(figures)
            self.taken += figures.messages
        self.edits += [(conversation, *edit) for edit in packed.edits]

    def add_messages(self, ready: list[tuple[int, Packed]]) -> None:
        """In the database's own thread."""
        for number, packed in ready:
            insert(self._connection, MESSAGES, number, packed, self._number, self._cut)
        if self._last - self._indexed >= INDEX_ROWS:
            self._index()

    def _number(self, key: str) -> int:
        return self._senders[key][0]

    def _cut(self, messages: int, inserted: int, cut: bytes) -> None:
        """Rows of one statement are numbered on: their places tell their numbers, unless a key came twice."""
        if inserted != messages or cut == UNCUT:
            self._uncut = True
        elif cut:
            self._connection.execute(ADD_CUT, (self._last + 1, cut))
        self._last += inserted

    def finish(self) -> int:
        """How many messages there are now that were not before."""
        connection = self._connection
        newest = self._last
        self._index()
        connection.execute(ANSWER)
        for number, one in self._conversations.values():
            of = self._of_conversation[number]
            connection.execute(
                "INSERT INTO conversations (id, source, key, title, is_group, section, messages, first, last)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, self.source, one.key, one.title, one.is_group, one.section, *_span(of)),
            )
        for number, sender in self._senders.values():
            of, person = self._of_sender[number], next(self._next_person)
            connection.execute("INSERT INTO people (id, name) VALUES (?, ?)", (person, sender.name))
            connection.execute(
                "INSERT INTO senders (id, source, key, name, person, words, sample, messages, first, last)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, self.source, sender.key, sender.name, person, of.words, of.sample, *_span(of)),
            )
        connection.executemany(
            "INSERT INTO participants (conversation, sender, place) VALUES (?, ?, ?)",
            [(*who, place) for who, place in self._participants.items()],
        )
        if newest - self._before != self.taken:  # a key came twice
            merge.add_figures(connection, self.source)
        return newest - self._before

    def _add_sender(self, conversation: int, sender: Sender, place: int) -> None:
        known = self._senders.get(sender.key)
        if known is None:
            known = self._senders[sender.key] = next(self._next_sender), sender
            self._of_sender[known[0]] = Figures()
        number = known[0]
        if sender.is_owner and number not in self.flagged:
            self.flagged.append(number)
        self._participants.setdefault((conversation, number), place)

    def _index(self) -> None:
        self._connection.execute(INDEX_UNCUT if self._uncut else INDEX, (self._indexed, self._last))
        self._connection.execute("DELETE FROM temp.cut")
        self._indexed, self._uncut = self._last, False

    def _newest(self, table: str) -> int:
        sql = f"SELECT coalesce(max(id), 0) FROM {table}"  # noqa: S608 - one of ours
        return int(self._connection.execute(sql).fetchone()[0])


def _span(of: Figures) -> tuple[int, int | None, int | None]:
    """messages, first, last: of nothing there is no first."""
    return (of.messages, of.first, of.last) if of.messages else (0, None, None)
