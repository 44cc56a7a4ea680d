"""Messages on their way into the database: whole stretches of them as JSON that SQLite takes apart itself.

A row that is bound value by value costs Python more than all the rest of an import. A stretch as one
text costs it nothing, and SQLite works on it in a thread of its own while the next is being read.
"""

# ruff: noqa: S608 - the names of two tables of our own; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from engine.conversation import InBulk, Kind, Message, Stretch

STRETCH = 5_000  # messages

_COLUMNS = "conversation, key, sender, time, seq, kind, text, reactions, attachments, edited"
_PLACES = 10
# A key is used once in a conversation, whatever an export says.
_ONCE = "WHERE true ON CONFLICT (conversation, key) WHERE key <> '' DO NOTHING"
_LABEL_END = "instr(key, ' ')"


class Statements(msgspec.Struct, frozen=True):
    """How rows get into one table of messages. said, keyed: (conversation, sender, texts as JSON) of
    messages without and with a key; others: (conversation, rows as JSON); rows: all columns."""

    said: str
    keyed: str
    others: str
    rows: str


def statements(table: str, once: bool) -> Statements:
    """For `table`; once: a key that is there already is passed over."""
    into, end = f"INSERT INTO {table} ({_COLUMNS})", _ONCE if once else ""
    values = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(_PLACES - 1))
    return Statements(
        said=f"{into} SELECT ?1, '', ?2, key, 0, 'speech', value, '', '', 0 FROM json_each(?3)",
        keyed=f"{into} SELECT ?1, substr(key, {_LABEL_END} + 1), ?2, CAST(substr(key, 1, {_LABEL_END}) AS"
        f" INTEGER), 0, 'speech', value, '', '', 0 FROM json_each(?3) {end}",
        others=f"{into} SELECT ?1, {values} FROM json_each(?2) {end}",
        rows=f"{into} SELECT {', '.join('?' * _PLACES)} {end}",
    )


REPLIES = "CREATE TEMP TABLE replies (conversation INTEGER, key TEXT, target TEXT)"
"""Which message answers which, by their keys: known only once all are there."""


class Batch(msgspec.Struct):
    """A stretch ready for the database: (sender, whether with keys, texts as JSON), the other rows as JSON,
    those that only the slow way can store, and what goes into REPLIES. messages: how many it has."""

    conversation: int
    messages: int
    said: list[tuple[int, bool, str]]
    others: str
    rows: list[tuple[Any, ...]]
    replies: list[tuple[Any, ...]]

    def insert(self, connection: sqlite3.Connection, into: Statements) -> None:
        for sender, keyed, texts in self.said:
            connection.execute(into.keyed if keyed else into.said, (self.conversation, sender, texts))
        if self.others:
            connection.execute(into.others, (self.conversation, self.others))
        if self.rows:
            connection.executemany(into.rows, self.rows)
        if self.replies:
            connection.executemany("INSERT INTO temp.replies VALUES (?, ?, ?)", self.replies)


def stretches(messages: Iterable[Message]) -> Iterator[Stretch]:
    """The messages of one conversation, at most STRETCH at a time where they do not come so already."""
    if isinstance(messages, InBulk):
        yield from messages.stretches()
        return
    speech, before, latest, seq = Kind.SPEECH, -1, -1, 0
    stretch, taken, keyed = Stretch({}, []), 0, False
    for message in messages:
        time = message.time
        seq = seq + 1 if time == before else 0
        if not stretch.said:
            keyed = bool(message.key)
        if (
            time <= latest
            or bool(message.key) is not keyed
            or message.kind is not speech
            or message.reactions
            or message.attachments
            or message.edited
            or message.reply_to is not None
        ):
            stretch.others.append((seq, message))
        else:
            texts = stretch.said.get(message.sender)
            if texts is None:
                texts = stretch.said[message.sender] = {}
            texts[f"{time} {message.key}" if message.key else time] = message.text
        before = time
        if time > latest:  # where the clock went back, a millisecond may come once more
            latest = time
        taken += 1
        if taken >= STRETCH:
            yield stretch
            stretch, taken = Stretch({}, []), 0
    if taken:
        yield stretch


def batch(conversation: int, stretch: Stretch, sender: Callable[[str], int]) -> Batch:
    """The stretch of the conversation numbered `conversation`. sender: the number of a sender's key."""
    ready = Batch(conversation, stretch.messages, [], "", [], [])
    for key, texts in stretch.said.items():
        number = sender(key)
        keyed = isinstance(next(iter(texts)), str)
        written = _json(texts)
        if written is not None:
            ready.said.append((number, keyed, written))
        else:
            ready.rows += [_said(conversation, number, label, text) for label, text in texts.items()]
    if stretch.others:
        rows = [_other(sender(message.sender), seq, message) for seq, message in stretch.others]
        written = _json(rows)
        if written is not None:
            ready.others = written
        else:
            ready.rows += [(conversation, *map(_column, row)) for row in rows]
        ready.replies += [
            (conversation, storable(message.key), storable(message.reply_to))
            for _, message in stretch.others
            if message.reply_to is not None
        ]
    return ready


def _json(value: Any) -> str | None:
    """As JSON; None where SQLite would not read the same out of it."""
    try:
        written = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half an emoji
        return None
    # SQLite ends a text of JSON at its first NUL.
    return None if b"\\u0000" in written else written.decode()


def _said(conversation: int, sender: int, label: int | str, text: str) -> tuple[Any, ...]:
    time, _, key = str(label).partition(" ")
    return (conversation, storable(key), sender, int(time), 0, "speech", storable(text), "", "", 0)


def _other(sender: int, seq: int, message: Message) -> tuple[Any, ...]:
    return (
        message.key,
        sender,
        message.time,
        seq,
        message.kind._value_,  # .value is a property, which costs as much as all the rest of the row
        message.text,
        message.reactions or "",
        message.attachments or "",
        int(message.edited),
    )


def storable(value: Any) -> Any:
    """A text without lone surrogates, which SQLite cannot hold; any other value as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _column(value: Any) -> Any:
    """`storable`, and what is not one value as JSON: reactions and attachments."""
    if not isinstance(value, tuple):
        return storable(value)
    mended = [type(one)(*map(storable, msgspec.structs.astuple(one))) for one in value]
    return msgspec.json.encode(mended).decode()
