"""The statements that put packed messages into a table, and into the full-text index."""

# ruff: noqa: S608 - the names of two tables of our own; every value is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec

from engine.packed import Packed

_COLUMNS = "conversation, sender, key, time, seq, kind, text, reactions, attachments, edited"
_PLACES = 10
# A key is used once in a conversation, whatever an export says.
_ONCE = "ON CONFLICT (conversation, key) WHERE key <> '' DO NOTHING"
_LABEL_END = "instr(key, ' ')"


class Statements(msgspec.Struct, frozen=True):
    """How rows get into one table of messages. said, keyed: (conversation, sender, texts) of messages
    without and with a key; others: all columns of a row."""

    said: str
    keyed: str
    others: str


def statements(table: str, once: bool) -> Statements:
    """For `table`; once: a key that is there already is passed over."""
    into, end = f"INSERT INTO {table} ({_COLUMNS})", _ONCE if once else ""
    json = "json_each(CAST(?3 AS TEXT))"
    return Statements(
        said=f"{into} SELECT ?1, ?2, '', key, 0, 'speech', value, '', '', 0 FROM {json}",
        keyed=f"{into} SELECT ?1, ?2, substr(key, {_LABEL_END} + 1), CAST(substr(key, 1, {_LABEL_END}) AS"
        f" INTEGER), 0, 'speech', value, '', '', 0 FROM {json} WHERE true {end}",
        others=f"{into} VALUES ({', '.join('?' * _PLACES)}) {end}",
    )


REPLIES = "CREATE TEMP TABLE replies (conversation INTEGER, key TEXT, target TEXT)"
"""Which message answers which, by their keys: known only once all are there."""


def insert(
    connection: sqlite3.Connection,
    into: Statements,
    conversation: int,
    packed: Packed,
    sender: Callable[[str], int],
    cut: Callable[[int, int, bytes], None] = lambda *_: None,
) -> None:
    """Insert what was packed. sender: the number of a sender's key. cut: told of each statement how many
    rows it should have inserted and how many it did, and which of their texts are indexed as another."""
    for said in packed.said:
        one = into.keyed if said.keyed else into.said
        done = connection.execute(one, (conversation, sender(said.sender), said.texts)).rowcount
        cut(said.figures.messages, done, said.cut)
    for others in packed.others:
        number = sender(others.sender)
        rows = [(conversation, number, *row) for row in others.rows]
        cut(len(rows), connection.executemany(into.others, rows).rowcount, others.cut)
    if packed.replies:
        connection.executemany(
            "INSERT INTO temp.replies VALUES (?, ?, ?)", [(conversation, *one) for one in packed.replies]
        )
