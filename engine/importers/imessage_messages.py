"""The messages of one conversation of a chat.db."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from operator import attrgetter
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine.conversation import Attachment, Conversation, Kind, Message, Reaction, Sender
from engine.importers import typedstream
from engine.importers.imessage_chats import Thread
from engine.importers.imessage_noted import REPEATED, left_out, note_kept, place
from engine.importers.imessage_people import ME, People
from engine.importers.imessage_rows import (
    APP,
    COLUMNS,
    EPOCH,
    FIRST_NANOSECONDS,
    OBJECT,
    TAPBACKS,
    Content,
    Row,
    attachment,
    content,
    event,
    is_reaction,
    milliseconds,
    target,
)
from engine.importers.opening import columns, fields
from engine.importers.report import Example, ImportReport, skipped
from engine.importers.row_number import row_number

# The columns of a line, and the type to read them as. Texts come as bytes: decoding them here is four
# times as fast as a text_factory that bears bad UTF-8.
_LINE = {
    "guid": "BLOB",
    "text": "BLOB",
    "attributedBody": "BLOB",
    "handle_id": "",
    "date": "",
    "is_from_me": "INTEGER",
    "thread_originator_guid": "BLOB",
    "associated_message_type": "INTEGER",
    "associated_message_guid": "BLOB",
    "associated_message_emoji": "BLOB",
}
# A row in which none of these is set is a line of text and nothing else.
_ODD = (
    "item_type",
    "associated_message_type",
    "is_audio_message",
    "date_edited",
    "date_retracted",
    "balloon_bundle_id",
    "subject",
)
_STICKER = 1000
# So long after one's own message it may come back in the chat with oneself.
_ECHO = 10 * 60_000
_CAME_BACK = "one's own message come back (a chat with oneself)"


class Given(NamedTuple):
    """A reaction given or taken back: code as in associated_message_type, on: what it names as its target."""

    rowid: int
    code: int
    on: str
    emoji: str
    sender: Sender
    time: int


class Queries(msgspec.Struct, frozen=True):
    """What is asked of this database, whatever columns it has.

    lines: (row number, *_LINE, odd) of a thread. row: one Row. attachments: those of a row.
    carrying: the numbers of the rows that have attachments. codec: what the texts are encoded in.
    """

    lines: str
    row: str
    attachments: str
    carrying: frozenset[int]
    codec: str


def queries(connection: sqlite3.Connection) -> Queries:
    """Needs the temporary table `place` of find_threads."""
    line = [fields(connection, "message", [name], "m.", cast)[0] for name, cast in _LINE.items()]
    row = [fields(connection, "message", [name], "m.", cast)[0] for name, cast in COLUMNS.items()]
    odd = [f"ifnull(m.{name}, 0) <> 0" for name in _ODD if name in columns(connection, "message")]
    names = ("transfer_name", "filename", "mime_type", "uti")
    described = fields(connection, "attachment", names, "a.", "TEXT")
    described += fields(connection, "attachment", ("is_sticker",), "a.", "INTEGER")
    number, file = row_number(connection, "message"), row_number(connection, "attachment")
    carrying: frozenset[int] = frozenset()
    if columns(connection, "message_attachment_join") and columns(connection, "attachment"):
        # Extracts and rescued databases come without an index on it.
        connection.execute(
            "CREATE TEMP TABLE carried (message, attachment, PRIMARY KEY (message, attachment))"
        )
        connection.execute(
            f"""INSERT INTO carried SELECT m.{number}, min(a.{file}) FROM message_attachment_join j
                JOIN message m ON m.ROWID = j.message_id JOIN attachment a ON a.ROWID = j.attachment_id
                GROUP BY m.{number}, a.ROWID"""  # noqa: S608 - our own names
        )
        found = connection.execute("SELECT DISTINCT message FROM carried")
        carrying = frozenset(message for (message,) in found if isinstance(message, int))
    return Queries(
        f"""SELECT m.{number}, {", ".join(line)}, {" OR ".join(odd) or "0"}
            FROM temp.place p CROSS JOIN message m ON m.{number} = p.message
            WHERE p.thread = ? ORDER BY p.message""",  # noqa: S608 - our own list
        f"SELECT m.{number}, {', '.join(row)} FROM message m WHERE m.{number} = ?",  # noqa: S608
        f"""SELECT {", ".join(described)} FROM temp.carried j
            CROSS JOIN attachment a ON a.{file} = j.attachment
            WHERE j.message = ? ORDER BY j.attachment""",  # noqa: S608
        carrying,
        connection.execute("PRAGMA encoding").fetchone()[0],
    )


def read_conversation(
    connection: sqlite3.Connection, ask: Queries, thread: Thread, people: People, report: ImportReport
) -> Conversation | None:
    """None where no message is left. Nine rows in ten are a plain line and take the short way through."""
    messages: list[Message] = []
    keys: set[str] = set()
    reactions: list[Given] = []
    senders = {member: people.sender(member) for member in thread.members}
    by_handle: dict[object, str] = {}
    carrying, codec, mine_key, speech = ask.carrying, ask.codec, ME, Kind.SPEECH
    plain = recovered = 0
    room = report.room("recovered")
    has_replies, in_order, before = False, True, 0
    with_oneself = thread.members == (ME,)
    come_back: dict[str, tuple[int, bool]] = {}  # its ROWID, and whether its text was recovered
    lines = connection.execute(ask.lines, (thread.number,))
    for rowid, guid, text, body, handle, date, mine, originator, code, on, emoji, odd in lines:
        if type(date) is int and date >= FIRST_NANOSECONDS:
            time = EPOCH + date // 1_000_000
        else:
            # Without a date it was said when its neighbour was.
            dated = milliseconds(date) or before or _first_time(connection, ask, thread)
            if dated is None:
                report.skip("no time", example=left_out(rowid, None, text, body, codec))
                continue
            time = dated
        in_order = in_order and time >= before
        before = time
        if mine:
            sender = mine_key
        else:
            sender = by_handle.get(handle) or people.of_row(0, handle, thread.members).key
            by_handle[handle] = sender
        if code and is_reaction(code):
            written = (on or b"").decode(codec, "replace"), (emoji or b"").decode(codec, "replace")
            reactions.append(Given(rowid, code, *written, people.of_row(mine, handle, thread.members), time))
            continue
        said = text.decode(codec, "replace") if text else typedstream.text(body) if body else None
        key = guid.decode(codec, "replace") if guid else f"row {rowid}"
        if key in keys:  # equal only as text, or where damage changed one and no check saw it
            report.skip(REPEATED, example=left_out(rowid, time, text, body, codec))
            continue
        reply_to = originator.decode(codec, "replace") if originator else None
        if (
            not odd
            and said
            and OBJECT not in said
            and APP not in said
            and rowid not in carrying
            and not (body and b"OneTimeCode" in body)
            and not said.isspace()
        ):
            plain += 1
            if not text:
                recovered += 1
                if recovered <= room:
                    report.note("recovered", Example(place(rowid), time, said))
            message = Message(key, sender, time, said, speech, (), (), reply_to)
        else:
            row = _row(connection, ask, rowid)
            what = _said(row, _attachments(connection, ask, rowid), people)
            if isinstance(what, str):
                report.skip(what, example=left_out(rowid, time, text, body, codec))
                continue
            report.keep(what.kind)
            if what.recovered:
                recovered += 1
                report.note("recovered", Example(place(rowid), time, what.text))
            message = Message(
                key=key,
                sender=sender,
                time=time,
                text=what.text,
                kind=what.kind,
                attachments=what.attachments,
                reply_to=reply_to,
                edited=what.edited,
                edits=what.edits,
            )
        if sender not in senders:
            senders[sender] = people.of_row(mine, handle, thread.members)
        keys.add(key)
        if with_oneself and not mine:
            come_back[key] = rowid, not text
        has_replies = has_replies or bool(reply_to)
        messages.append(message)
    report.keep(speech, plain)
    report.recovered += recovered
    if come_back:
        messages = _without_echoes(messages, come_back, report)
    if report.room("kept"):
        note_kept(connection.execute(ask.lines, (thread.number,)), codec, messages, report)
    if reactions or has_replies:
        _connect(messages, reactions, report)
    if not messages:
        return None
    if not in_order:  # rows of the same moment stay as they were written
        messages.sort(key=attrgetter("time"))
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


def _row(connection: sqlite3.Connection, ask: Queries, rowid: int) -> Row:
    return Row._make(connection.execute(ask.row, (rowid,)).fetchone())


def _attachments(connection: sqlite3.Connection, ask: Queries, rowid: int) -> list[Attachment]:
    if rowid not in ask.carrying:
        return []
    found = (attachment(*columns_of_it) for columns_of_it in connection.execute(ask.attachments, (rowid,)))
    return [marker for marker in found if marker is not None]


def _said(row: Row, carried: list[Attachment], people: People) -> Content | str:
    if row.item_type:
        return Content(Kind.EVENT, event(row, people.name(row.other_handle)))
    return content(row, carried)


def _first_time(connection: sqlite3.Connection, ask: Queries, thread: Thread) -> int | None:
    """The time of the first row that has one."""
    lines = connection.execute(ask.lines, (thread.number,))
    return next((time for line in lines if (time := milliseconds(line[5])) is not None), None)


def _without_echoes(
    messages: list[Message], come_back: dict[str, tuple[int, bool]], report: ImportReport
) -> list[Message]:
    """In a chat with oneself most messages stand twice: as sent and, a moment later, as received."""
    sent: dict[tuple[str, int], list[int]] = {}
    for message in messages:
        if message.key not in come_back:
            sent.setdefault((message.text, len(message.attachments)), []).append(message.time)
    kept: list[Message] = []
    for message in messages:
        times = sent.get((message.text, len(message.attachments)), []) if message.key in come_back else []
        twin = next((time for time in times if abs(message.time - time) <= _ECHO), None)
        if twin is None:
            kept.append(message)
        else:
            times.remove(twin)
            rowid, recovered = come_back[message.key]
            if recovered and message.text:
                report.recovered -= 1
                report.take_back("recovered", place(rowid))
            report.unkeep(message.kind, _CAME_BACK)
            report.note(skipped(_CAME_BACK), Example(place(rowid), message.time, message.text))
    return kept


def _connect(messages: list[Message], rows: list[Given], report: ImportReport) -> None:
    """Put the reactions on their messages; keep replies only to what is here."""
    here = {message.key: n for n, message in enumerate(messages)}
    reactions = _reactions(rows, here, report)
    for n in [n for n, message in enumerate(messages) if message.reply_to]:
        if messages[n].reply_to not in here:
            messages[n] = replace(messages[n], reply_to=None)
    for key, given in reactions.items():
        messages[here[key]] = replace(messages[here[key]], reactions=tuple(given))


def _reactions(
    rows: list[Given], messages: Container[str], report: ImportReport
) -> dict[str, list[Reaction]]:
    """The reactions that stand in the end on each message. One person has one tapback on a bubble."""
    standing: dict[str, list[tuple[Given, Reaction]]] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.rowid)):
        key = target(row.on)
        given = row.code - 1000 if row.code >= 3000 else row.code
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
