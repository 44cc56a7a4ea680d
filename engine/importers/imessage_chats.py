"""Which rows of a chat.db are one conversation, and who takes part in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from itertools import chain, count

import msgspec

from engine.importers.imessage_noted import DELETED, REPEATED, count_gone
from engine.importers.imessage_people import ME, People
from engine.importers.opening import columns, fields
from engine.importers.report import ImportReport
from engine.importers.row_number import row_number

_GROUP, _DIRECT = 43, 45  # chat.style
_BIN = "chat_recoverable_message_join"


class Thread(msgspec.Struct, frozen=True):
    """One conversation: one chat, or several with the same people. is_group: None where chat.db is silent.

    joined: the chats that it was put together from, where they are several.
    """

    number: int
    key: str
    title: str
    members: tuple[str, ...]
    is_group: bool | None
    section: str
    joined: str = ""


class _Chat(msgspec.Struct, frozen=True):
    id: int | str
    guid: str | None = None
    identifier: str | None = None
    title: str | None = None
    style: int | None = None
    is_archived: int | None = None
    is_filtered: int | None = None


def find_threads(
    connection: sqlite3.Connection, people: People, report: ImportReport, include_deleted: bool = False
) -> list[Thread]:
    """The conversations, and a temporary table `place` (message, thread) that says which rows are theirs.

    Rows that are in none are counted here.
    """
    report.rows_total = connection.execute("SELECT count(*) FROM message").fetchone()[0]
    _link(connection, include_deleted)
    chats = _chats(connection)
    members = _members(connection, people, chats)
    threads: list[Thread] = []
    taken: set[str] = set()
    for number, group in enumerate(_joined(chats, members, _identifiers(connection))):
        who = tuple(dict.fromkeys(one for chat in group for one in members.get(chat.id, ())))
        threads.append(_thread(number, group, who, taken))
        connection.executemany("INSERT INTO temp.owns VALUES (?, ?)", [(c.id, number) for c in group])
    _place(connection, report, include_deleted)
    return threads


def _link(connection: sqlite3.Connection, include_deleted: bool) -> None:
    """temp.linked (chat, message): from chat_message_join or, in extracts without it, by room or handle."""
    connection.execute("CREATE TEMP TABLE owns (chat PRIMARY KEY, thread INTEGER) WITHOUT ROWID")
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


def _joining(table: str, number: str) -> str:
    """SELECT (chat, row number): the table names a message by its ROWID, which may be another thing.

    NOT INDEXED: no quick check sees where an index says something else than its table.
    """
    if number == "ROWID":
        return f"SELECT chat_id, message_id FROM {table} NOT INDEXED WHERE chat_id IS NOT NULL"  # noqa: S608
    return f"""SELECT j.chat_id, m.{number} FROM {table} j NOT INDEXED
               JOIN message m ON m.ROWID = j.message_id
               WHERE j.chat_id IS NOT NULL"""  # noqa: S608 - our own names


def _chats(connection: sqlite3.Connection) -> list[_Chat]:
    texts = fields(connection, "chat", ("guid", "chat_identifier", "display_name"), cast="TEXT")
    numbers = fields(connection, "chat", ("style", "is_archived", "is_filtered"), cast="INTEGER")
    known: dict[int | str, _Chat] = {}
    if columns(connection, "chat"):
        query = f"SELECT ROWID, {', '.join(texts + numbers)} FROM chat"  # noqa: S608
        known = {row[0]: _Chat(*row) for row in connection.execute(query)}
    used = connection.execute("SELECT DISTINCT chat FROM linked ORDER BY chat")
    return [known.get(chat) or _Chat(chat) for (chat,) in used]


def _identifiers(connection: sqlite3.Connection) -> dict[int | str, list[str]]:
    """What macOS 26 calls each chat: one conversation has one identifier on all its services."""
    found: dict[int | str, list[str]] = {}
    if columns(connection, "chat_lookup") >= {"chat", "identifier"}:
        for chat, identifier in connection.execute("SELECT chat, CAST(identifier AS TEXT) FROM chat_lookup"):
            if identifier:
                found.setdefault(chat, []).append(identifier)
    return found


def _joined(
    chats: list[_Chat], members: dict[int | str, tuple[str, ...]], identifiers: dict[int | str, list[str]]
) -> list[list[_Chat]]:
    """The chats that are one conversation: with the same people, or where the system says so."""
    parent = list(range(len(chats)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    first: dict[object, int] = {}
    for number, chat in enumerate(chats):
        marks: list[object] = list(identifiers.get(chat.id, ()))
        if who := frozenset(members.get(chat.id, ())):
            marks.append(who)
        for mark in marks:
            # A group that only one person is left in is not the conversation with that person.
            one, other = root(first.setdefault((chat.style == _GROUP, mark), number)), root(number)
            parent[max(one, other)] = min(one, other)
    groups: dict[int, list[_Chat]] = {}
    for number, chat in enumerate(chats):
        groups.setdefault(root(number), []).append(chat)
    return list(groups.values())


def _members(
    connection: sqlite3.Connection, people: People, chats: list[_Chat]
) -> dict[int | str, tuple[str, ...]]:
    """Who takes part in each chat, without the owner; where no table says it, who wrote in it.

    The owner alone: a chat with oneself.
    """
    found: dict[int | str, dict[str, None]] = {}
    if columns(connection, "chat_handle_join"):
        for chat, handle in connection.execute("SELECT chat_id, handle_id FROM chat_handle_join NOT INDEXED"):
            if key := people.key(handle):
                found.setdefault(chat, {})[key] = None
    if not all(chat.id in found for chat in chats):
        found |= _writers(connection, people, found)
    groups = {chat.id for chat in chats if chat.style == _GROUP}
    others = {chat: tuple(key for key in keys if key != ME) for chat, keys in found.items()}
    return {chat: keys or (() if chat in groups else (ME,)) for chat, keys in others.items()}


def _writers(
    connection: sqlite3.Connection, people: People, known: Container[int | str]
) -> dict[int | str, dict[str, None]]:
    """Who wrote in the chats that are not known."""
    handle, mine = fields(connection, "message", ("handle_id", "is_from_me"), alias="m.")
    number = row_number(connection, "message")
    query = f"""
        SELECT DISTINCT l.chat, {handle} FROM linked l JOIN message m ON m.{number} = l.message
        WHERE coalesce({mine}, 0) = 0"""  # noqa: S608
    found: dict[int | str, dict[str, None]] = {}
    for chat, handle_id in connection.execute(query):
        if chat not in known and (key := people.key(handle_id)):
            found.setdefault(chat, {})[key] = None
    return found


def _thread(number: int, chats: list[_Chat], members: tuple[str, ...], taken: set[str]) -> Thread:
    first = chats[0]  # the oldest: its identifier stays when the same people open another chat
    plain = f"{first.identifier or 'chat'} {first.id}"
    names = chain((first.identifier, first.guid, plain), (f"{plain} {n}" for n in count(2)))
    key = next(name for name in names if name and name not in taken)
    taken.add(key)
    section = "inbox"
    if all(chat.is_archived for chat in chats):
        section = "archived"
    elif all(chat.is_filtered for chat in chats):
        section = "filtered"
    return Thread(
        number=number,
        key=key,
        title=next((chat.title for chat in reversed(chats) if chat.title), ""),
        members=members,
        is_group={_GROUP: True, _DIRECT: False}.get(first.style or 0),
        section=section,
        joined=" + ".join(f"chat {chat.id} ({chat.guid or chat.identifier or '?'})" for chat in chats)
        if len(chats) > 1
        else "",
    )


def _place(connection: sqlite3.Connection, report: ImportReport, include_deleted: bool) -> None:
    """Give every row its one conversation: a row may be in several chats, in none, or in the bin."""
    connection.execute("CREATE TEMP TABLE place (message INTEGER PRIMARY KEY, thread INTEGER)")
    connection.execute(
        """INSERT OR IGNORE INTO place SELECT l.message, o.thread FROM linked l JOIN owns o ON o.chat = l.chat
           WHERE typeof(l.message) = 'integer' ORDER BY l.message, o.thread"""
    )
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
    connection.execute(
        f"""INSERT OR IGNORE INTO gone SELECT {number}, 'in no conversation' FROM message
            WHERE {number} NOT IN (SELECT message FROM place)
            AND EXISTS (SELECT 1 FROM message m WHERE m.{number} = message.{number})"""  # noqa: S608
    )  # EXISTS: the numbers come from an index, whose damage no quick check sees
    connection.execute("DELETE FROM place WHERE message IN (SELECT message FROM gone)")
    connection.execute("CREATE INDEX temp.place_thread ON place (thread, message)")
    count_gone(connection, report)


def _is_unique(connection: sqlite3.Connection) -> bool:
    """Whether the database itself sees to it that no guid comes twice."""
    for _, name, unique, *_ in connection.execute("PRAGMA index_list(message)").fetchall():
        if unique and [row[2] for row in connection.execute(f'PRAGMA index_info("{name}")')] == ["guid"]:
            return True
    return False
