"""The messages of one conversation of a chat.db."""

from __future__ import annotations

import sqlite3
from collections.abc import Container

from msgspec.structs import replace

from engine.conversation import Conversation, Kind, Reaction
from engine.importers.imessage_batches import read_batches
from engine.importers.imessage_chats import Thread
from engine.importers.imessage_columns import Columns
from engine.importers.imessage_lines import Given, read_lines
from engine.importers.imessage_noted import note_kept, place
from engine.importers.imessage_people import People
from engine.importers.imessage_queries import Queries, lines
from engine.importers.imessage_rows import TAPBACKS, target
from engine.importers.report import Example, ImportReport

_STICKER = 1000


def read_conversation(
    connection: sqlite3.Connection, ask: Queries, thread: Thread, people: People, report: ImportReport
) -> Conversation | None:
    """None where no message is left."""
    read = read_batches(connection, ask, thread, people, report)
    if read is None:
        read = read_lines(connection, ask, thread, people, report)
    messages, senders = read.columns, read.senders
    if report.room("kept"):
        note_kept(lines(connection, ask, thread.rows), ask.codec, messages, report)
    _connect(messages, read.reactions, report)
    if not len(messages):
        return None
    messages.sort()
    names = [sender.name for sender in senders.values() if not sender.is_owner]
    title = thread.title or ", ".join(names) or thread.key
    if thread.joined:
        report.joined += 1
        report.note("joined", Example(thread.joined, None, title))
    return Conversation(
        key=thread.key,
        title=title,
        senders=tuple(senders.values()),
        messages=messages,
        is_group=thread.is_group if thread.is_group is not None else len(senders) > 2,
        section=thread.section,
    )


def _connect(messages: Columns, rows: list[Given], report: ImportReport) -> None:
    """Put the reactions on their messages; keep replies only to what is here."""
    replies = [(n, message) for n, message in messages.others.items() if message.reply_to]
    if not rows and not replies:
        return
    here = {key: n for n, key in enumerate(messages.keys)}
    for n, message in replies:
        if message.reply_to not in here:
            messages.put(n, replace(message, reply_to=None))
    for key, given in _reactions(rows, here, report).items():
        n = here[key]
        messages.put(n, replace(messages[n], reactions=tuple(given)))


def _reactions(
    rows: list[Given], messages: Container[str], report: ImportReport
) -> dict[str, list[Reaction]]:
    """The reactions that stand in the end on each message. One person has one tapback on a bubble."""
    standing: dict[str, list[tuple[Given, Reaction]]] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.rowid)):
        key = target(row.on)
        given = row.tapback
        emoji = TAPBACKS.get(given) or row.emoji or "reaction"
        if key not in messages:
            report.skip(
                "reaction to a message that is not here", example=Example(place(row.rowid), row.time, emoji)
            )
            continue
        report.keep(Kind.REACTION)
        if report.room("kept"):
            report.note("kept", Example(place(row.rowid), row.time, emoji))
        replaced = range(2000, 2007) if 1000 < row.code < 2007 else range(given, given + 1)
        if row.code == _STICKER:
            replaced = range(0)  # a bubble may be covered with them
        kept = [
            (older, shown)
            for older, shown in standing.get(key, [])
            if (older.sender.key, older.on) != (row.sender.key, row.on)
            or older.code not in replaced
            or (row.code == 3006 and shown.emoji != emoji and row.emoji)
        ]
        if row.code < 3000:
            kept.append((row, Reaction(row.sender.name, emoji, row.time)))
        standing[key] = kept
    return {key: [shown for _, shown in entries] for key, entries in standing.items()}
