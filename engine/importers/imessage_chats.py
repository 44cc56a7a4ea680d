"""Which rows of a chat.db are one conversation, and who takes part in it."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Container, Iterable
from itertools import chain, count

import msgspec

from engine.importers.imessage_people import ME, People
from engine.importers.imessage_placing import place, rows_of_chats
from engine.importers.opening import columns, fields
from engine.importers.report import ImportReport
from engine.importers.row_number import row_number

_GROUP, _DIRECT = 43, 45  # chat.style


class Thread(msgspec.Struct, frozen=True):
    """One conversation: one chat, or several with the same people. is_group: None where chat.db is silent.

    rows: the numbers of its messages, ascending. joined: the chats that it was put together from, where they
    are several.
    """

    rows: array[int]
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
    """The conversations. Rows that are in none are not counted here (see `count_unplaced`)."""
    report.rows_total = connection.execute("SELECT count(*) FROM message").fetchone()[0]
    rows = rows_of_chats(connection, include_deleted)
    chats = _chats(connection, rows)
    members = _members(connection, people, chats)
    groups = _joined(chats, members, _identifiers(connection))
    placed = place(
        connection, [[rows[chat.id] for chat in group] for group in groups], report, include_deleted
    )
    taken: set[str] = set()
    threads: list[Thread] = []
    for group, here in zip(groups, placed, strict=True):
        who = tuple(dict.fromkeys(one for chat in group for one in members.get(chat.id, ())))
        threads.append(_thread(here, group, who, taken))
    return threads


def _chats(connection: sqlite3.Connection, used: Iterable[int | str]) -> list[_Chat]:
    texts = fields(connection, "chat", ("guid", "chat_identifier", "display_name"), cast="TEXT")
    numbers = fields(connection, "chat", ("style", "is_archived", "is_filtered"), cast="INTEGER")
    known: dict[int | str, _Chat] = {}
    if columns(connection, "chat"):
        query = f"SELECT ROWID, {', '.join(texts + numbers)} FROM chat"  # noqa: S608
        known = {row[0]: _Chat(*row) for row in connection.execute(query)}
    return [known.get(chat) or _Chat(chat) for chat in used]


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


def _thread(rows: array[int], chats: list[_Chat], members: tuple[str, ...], taken: set[str]) -> Thread:
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
        rows=rows,
        key=key,
        title=next((chat.title for chat in reversed(chats) if chat.title), ""),
        members=members,
        is_group={_GROUP: True, _DIRECT: False}.get(first.style or 0),
        section=section,
        joined=" + ".join(f"chat {chat.id} ({chat.guid or chat.identifier or '?'})" for chat in chats)
        if len(chats) > 1
        else "",
    )
