"""The first import into a source: nothing can be there already, so every row goes straight to its
place, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import count

import msgspec

from engine.archive import merge
from engine.archive.database_thread import database_thread
from engine.archive.edits import keep_edits
from engine.archive.merge import SAMPLE_WORDS, Merged, Origin, sample_rank, words
from engine.archive.message_rows import REPLIES, STRETCH, Batch, batch, statements, storable, stretches
from engine.conversation import Conversation, Kind, Sender, Stretch

INDEX_ROWS = 50_000  # messages are indexed as many at a time; each time makes a part that searches go through

MESSAGES = statements("messages", once=True)
# As the view `speech` has them. Texts in ASCII are indexed while others are read. Those that Python cuts
# wait until nothing else needs the interpreter: to ask for it at each row would hold up both threads.
_SPEECH = "FROM messages WHERE kind = 'speech' AND length(text)"
INDEX = (
    f"INSERT INTO speech_index (rowid, text) SELECT id, text {_SPEECH} = length(CAST(text AS BLOB))"
    " AND id > ? AND id <= ?"
)
INDEX_CUT = (
    f"INSERT INTO speech_index (rowid, text) SELECT id, indexed_text(text) {_SPEECH} <>"
    " length(CAST(text AS BLOB)) AND id > ?"
)
ANSWER = """
UPDATE messages SET reply_to = target.id
FROM temp.replies r JOIN messages target
    ON target.conversation = r.conversation AND target.key = r.target AND target.key <> ''
WHERE messages.conversation = r.conversation AND messages.key = r.key AND messages.key <> ''
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
    # What is inserted refers to what is inserted beside it: to look each of it up would only cost time.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        name = origin().source
        if connection.execute("SELECT 1 FROM sources WHERE name = ?", (name,)).fetchone() is not None:
            connection.rollback()
            return None
        rows = _Rows(connection, merge.add_source(connection, origin()))
        with database_thread() as database:
            ready: list[Batch] = []
            for conversation in conversations:
                check()
                made_ready = rows.add_conversation(conversation)
                for stretch in stretches(conversation.messages):
                    check()
                    ready.append(made_ready(stretch))
                    if sum(one.messages for one in ready) >= STRETCH:
                        database.run(rows.add_messages, ready)
                        ready = []
            database.run(rows.add_messages, ready)
            database.wait()
        inserted = rows.finish()
        check()
        keep_edits(connection, rows.source, origin().edits)
        owner, warnings = merge.mark_owner(connection, rows.source, origin(), rows.flagged)
        check()
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return Merged(rows.taken, inserted, owner, warnings)


class _Figures(msgspec.Struct):
    """Of a conversation or a sender. sample and its rank: as merge.SAMPLES has them."""

    messages: int = 0
    words: int = 0
    first: int | None = None
    last: int | None = None
    rank: int = 0
    sample: str = ""

    def add(self, messages: int, first: int, last: int) -> None:
        self.messages += messages
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def add_text(self, text: str, time: int) -> None:
        spoken = words(text)
        rank = sample_rank(spoken, time)
        if spoken and rank > self.rank:
            self.rank, self.sample = rank, text
        self.words += spoken

    def add_texts(self, texts: dict[int | str, str]) -> None:
        """Of one Stretch: the newest come last."""
        labels = reversed(texts)
        for label, text in zip(labels, reversed(texts.values()), strict=True):
            time = _time(label)
            if sample_rank(SAMPLE_WORDS[0], time) <= self.rank:
                break
            self.add_text(text, time)
            self.words -= words(text)
        self.words += words(" ".join(texts.values()))


class _Rows:
    """Where the rows go: messages at once and in the database's own thread, what they belong to in the end.

    taken: messages so far. flagged: the senders who are the owner by the export's own word.
    """

    def __init__(self, connection: sqlite3.Connection, source: int) -> None:
        for statement in ("DROP TABLE IF EXISTS temp.replies", REPLIES):
            connection.execute(statement)
        self.taken = 0
        self.flagged: list[int] = []
        self.source = source
        self._connection = connection
        # Nobody else writes in this transaction, so the numbers can be given out here.
        self._next_conversation = count(self._newest("conversations") + 1)
        self._next_sender = count(self._newest("senders") + 1)
        self._next_person = count(self._newest("people") + 1)
        self._conversations: dict[str, tuple[int, Conversation]] = {}
        self._senders: dict[str, tuple[int, Sender]] = {}
        self._participants: dict[tuple[int, int], int] = {}
        self._of_conversation: dict[int, _Figures] = {}
        self._of_sender: dict[int, _Figures] = {}
        self._before = self._indexed = self._newest("messages")

    def add_conversation(self, conversation: Conversation) -> Callable[[Stretch], Batch]:
        """How to make its messages ready for `add_messages`."""
        key = storable(conversation.key)
        known = self._conversations.get(key)
        number = known[0] if known else next(self._next_conversation)
        # Without the messages: they may be a whole thread.
        self._conversations[key] = number, msgspec.structs.replace(conversation, messages=())
        figures = self._of_conversation.setdefault(number, _Figures())
        listed = {
            sender.key: self._add_sender(number, sender, place)
            for place, sender in enumerate(conversation.senders)
        }

        def numbered(key: str) -> int:
            sender = listed.get(key)
            if sender is None:  # who wrote without being listed takes part all the same
                place = 1_000_000 + len(self._senders)
                sender = listed[key] = self._add_sender(number, Sender(key, key), place)
            return sender

        def ready(stretch: Stretch) -> Batch:
            self._count(stretch, figures, numbered)
            return batch(number, stretch, numbered)

        return ready

    def add_messages(self, ready: list[Batch]) -> None:
        """In the database's own thread."""
        for one in ready:
            one.insert(self._connection, MESSAGES)
        newest = self._newest("messages")
        if newest - self._indexed >= INDEX_ROWS:
            self._index(newest)

    def finish(self) -> int:
        """How many messages there are now that were not before."""
        connection = self._connection
        newest = self._newest("messages")
        self._index(newest)
        connection.execute(INDEX_CUT, (self._before,))
        connection.execute(ANSWER)
        for number, one in self._conversations.values():
            of = self._of_conversation[number]
            key, title = map(storable, (one.key, one.title))
            connection.execute(
                "INSERT INTO conversations (id, source, key, title, is_group, section, messages, first, last)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, self.source, key, title, one.is_group, one.section, of.messages, of.first, of.last),
            )
        for number, sender in self._senders.values():
            of, person = self._of_sender[number], next(self._next_person)
            key, name, sample = map(storable, (sender.key, sender.name, of.sample))
            connection.execute("INSERT INTO people (id, name) VALUES (?, ?)", (person, name))
            connection.execute(
                "INSERT INTO senders (id, source, key, name, person, messages, words, first, last, sample)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, self.source, key, name, person, of.messages, of.words, of.first, of.last, sample),
            )
        connection.executemany(
            "INSERT INTO participants (conversation, sender, place) VALUES (?, ?, ?)",
            [(*who, place) for who, place in self._participants.items()],
        )
        if newest - self._before != self.taken:  # a key came twice
            merge.add_figures(connection, self.source)
        return newest - self._before

    def _add_sender(self, conversation: int, sender: Sender, place: int) -> int:
        key = storable(sender.key)
        known = self._senders.get(key)
        if known is None:
            known = self._senders[key] = next(self._next_sender), sender
            self._of_sender[known[0]] = _Figures()
        number = known[0]
        if sender.is_owner and number not in self.flagged:
            self.flagged.append(number)
        self._participants.setdefault((conversation, number), place)
        return number

    def _count(self, stretch: Stretch, conversation: _Figures, numbered: Callable[[str], int]) -> None:
        for key, texts in stretch.said.items():
            sender = self._of_sender[numbered(key)]
            sender.add_texts(texts)
            first, last = _time(next(iter(texts))), _time(next(reversed(texts)))
            for figures in (sender, conversation):
                figures.add(len(texts), first, last)
            self.taken += len(texts)
        by_sender: dict[str, list[int]] = {}
        for _, message in stretch.others:
            by_sender.setdefault(message.sender, []).append(message.time)
            if message.kind is Kind.SPEECH:
                self._of_sender[numbered(message.sender)].add_text(message.text, message.time)
        for key, times in by_sender.items():
            for figures in (self._of_sender[numbered(key)], conversation):
                figures.add(len(times), min(times), max(times))
        self.taken += len(stretch.others)

    def _index(self, newest: int) -> None:
        self._connection.execute(INDEX, (self._indexed, newest))
        self._indexed = newest

    def _newest(self, table: str) -> int:
        sql = f"SELECT coalesce(max(id), 0) FROM {table}"  # noqa: S608 - one of ours
        return int(self._connection.execute(sql).fetchone()[0])


def _time(label: int | str) -> int:
    return label if isinstance(label, int) else int(label.partition(" ")[0])
