"""Which rows of a chat.db are in which conversation: one may be in several chats, in none or in the bin."""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain, islice
from operator import lt

from engine.importers.imessage_noted import DELETED, REPEATED, UNPLACED, count_gone
from engine.importers.opening import columns, fields
from engine.importers.report import ImportReport
from engine.importers.row_number import row_number

_BIN = "chat_recoverable_message_join"
_SPARSE = 16  # numbers of rows for each row that there is: with more, marking them takes more than a set


def rows_of_chats(connection: sqlite3.Connection, include_deleted: bool) -> dict[int | str, array[int]]:
    """The numbers of the rows in each chat, as they come, the chats in order.

    From chat_message_join or, in extracts without it, by room or handle. The temporary table `linked`
    (chat, message) says the same.
    """
    number = row_number(connection, "message")
    if columns(connection, "chat_message_join"):
        source = _joining("chat_message_join", number)
    else:
        room, handle = fields(connection, "message", ("cache_roomnames", "handle_id"))
        chat = f"coalesce(nullif({room}, ''), nullif({handle}, 0))"
        source = f"SELECT {chat}, {number} FROM message WHERE {chat} IS NOT NULL"  # noqa: S608
    connection.execute("CREATE TEMP TABLE linked (chat, message INTEGER)")
    connection.execute(f"INSERT INTO linked {source}")
    if include_deleted and columns(connection, _BIN):
        connection.execute(f"INSERT INTO linked {_joining(_BIN, number)}")
    found: dict[int | str, array[int]] = defaultdict(partial(array, "q"))
    for chat, message in connection.execute("SELECT chat, message FROM linked"):
        if type(message) is int:
            found[chat].append(message)
        else:
            found.setdefault(chat, array("q"))  # a chat it is, if of nothing
    connection.execute("CREATE TEMP TABLE chats (chat PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT OR IGNORE INTO chats VALUES (?)", [(chat,) for chat in found])
    return {chat: found[chat] for (chat,) in connection.execute("SELECT chat FROM chats ORDER BY chat")}


def _joining(table: str, number: str) -> str:
    """SELECT (chat, row number): the table names a message by its ROWID, which may be another thing.

    NOT INDEXED: no quick check sees where an index says something else than its table.
    """
    if number == "ROWID":
        return f"SELECT chat_id, message_id FROM {table} NOT INDEXED WHERE chat_id IS NOT NULL"  # noqa: S608
    return f"""SELECT j.chat_id, m.{number} FROM {table} j NOT INDEXED
               JOIN message m ON m.ROWID = j.message_id
               WHERE j.chat_id IS NOT NULL"""  # noqa: S608 - our own names


def place(
    connection: sqlite3.Connection,
    conversations: Iterable[Sequence[array[int]]],
    report: ImportReport,
    include_deleted: bool,
) -> list[array[int]]:
    """The rows of each conversation, ascending, each row in the first one that has it.

    conversations: by conversation the rows of its chats. Rows that are left out are counted.
    """
    placed = _each_once([_ascending(chats) for chats in conversations])
    _find_gone(connection, include_deleted)
    gone = {message for (message,) in connection.execute("SELECT message FROM gone")}
    count_gone(connection, report)
    return [_without(gone, rows) for rows in placed] if gone else placed


def count_unplaced(
    connection: sqlite3.Connection, conversations: Iterable[array[int]], report: ImportReport
) -> None:
    """Count the rows that are in no conversation. conversations: what `place` has placed."""
    number = row_number(connection, "message")
    connection.execute("CREATE TEMP TABLE placed (message INTEGER PRIMARY KEY)")
    for rows in conversations:
        connection.executemany("INSERT INTO placed VALUES (?)", zip(rows))
    connection.execute("INSERT OR IGNORE INTO placed SELECT message FROM gone")
    connection.execute("DELETE FROM gone")
    connection.execute(
        f"""INSERT INTO gone SELECT {number}, '{UNPLACED}' FROM message
            WHERE {number} NOT IN (SELECT message FROM placed)
            AND EXISTS (SELECT 1 FROM message m WHERE m.{number} = message.{number})"""  # noqa: S608
    )  # EXISTS: the numbers come from an index, whose damage no quick check sees
    count_gone(connection, report)


def _ascending(chats: Sequence[array[int]]) -> array[int]:
    rows = chats[0] if len(chats) == 1 else array("q", chain(*chats))
    return rows if all(map(lt, rows, islice(rows, 1, None))) else array("q", sorted(set(rows)))


def _each_once(conversations: list[array[int]]) -> list[array[int]]:
    if not _any_twice(conversations):
        return conversations
    seen: set[int] = set()
    found = []
    for rows in conversations:
        found.append(_without(seen, rows))
        seen.update(rows)
    return found


def _any_twice(conversations: list[array[int]]) -> bool:
    """conversations: each ascending."""
    rows = sum(map(len, conversations))
    first = min((one[0] for one in conversations if one), default=0)
    last = max((one[-1] for one in conversations if one), default=0)
    if last - first > _SPARSE * rows:
        return len(set().union(*conversations)) < rows
    marks = bytearray(last - first + 1)
    for one in conversations:
        for message in one:
            marks[message - first] = 1
    return marks.count(1) < rows


def _without(left_out: set[int], rows: array[int]) -> array[int]:
    if left_out.isdisjoint(rows):
        return rows
    return array("q", [message for message in rows if message not in left_out])


def _find_gone(connection: sqlite3.Connection, include_deleted: bool) -> None:
    """The temporary table `gone` (message, reason)."""
    connection.execute("CREATE TEMP TABLE gone (message INTEGER PRIMARY KEY, reason TEXT)")
    number = row_number(connection, "message")
    if not include_deleted and columns(connection, _BIN):
        connection.execute(
            f"""INSERT OR IGNORE INTO gone SELECT m.{number}, '{DELETED}'
                FROM {_BIN} b JOIN message m ON m.ROWID = b.message_id"""  # noqa: S608
        )
    if "guid" in columns(connection, "message") and not _is_unique(connection):
        connection.execute(
            f"""INSERT OR IGNORE INTO gone SELECT m.{number}, '{REPEATED}'
                FROM (SELECT guid, min({number}) AS first FROM message WHERE guid <> ''
                      GROUP BY guid HAVING count(*) > 1) twice
                CROSS JOIN message m ON m.guid = twice.guid WHERE m.{number} <> twice.first"""  # noqa: S608
        )


def _is_unique(connection: sqlite3.Connection) -> bool:
    """Whether the database itself sees to it that no guid comes twice."""
    for _, name, unique, *_ in connection.execute("PRAGMA index_list(message)").fetchall():
        if unique and [row[2] for row in connection.execute(f'PRAGMA index_info("{name}")')] == ["guid"]:
            return True
    return False
