"""The lines of a conversation one by one, however odd they are."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from engine.conversation import Attachment, Kind, Message, Sender
from engine.importers import typedstream
from engine.importers.imessage_chats import Thread
from engine.importers.imessage_columns import Columns
from engine.importers.imessage_noted import REPEATED, left_out, place
from engine.importers.imessage_people import ME, People
from engine.importers.imessage_queries import Line, Queries, emoji, lines, whole
from engine.importers.imessage_rows import (
    APP,
    EPOCH,
    FIRST_NANOSECONDS,
    OBJECT,
    TAPBACKS,
    Content,
    Row,
    content,
    event,
    is_reaction,
    milliseconds,
)
from engine.importers.report import Example, ImportReport, skipped

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

    @property
    def tapback(self) -> int:
        """The code, of one that is taken back the code with which it was given."""
        return self.code - 1000 if self.code >= 3000 else self.code


class Read(NamedTuple):
    """Messages and reactions as they come, replies and reactions without regard to what they name.

    senders: who takes part, by their keys.
    """

    columns: Columns
    reactions: list[Given]
    senders: dict[str, Sender]


def read_lines(
    connection: sqlite3.Connection, ask: Queries, thread: Thread, people: People, report: ImportReport
) -> Read:
    messages: list[Message] = []
    keys: set[str] = set()
    reactions: list[Given] = []
    senders = {member: people.sender(member) for member in thread.members}
    by_handle: dict[object, str] = {}
    carrying, codec = ask.carrying, ask.codec
    plain = recovered = 0
    room = report.room("recovered")
    before = 0
    with_oneself = thread.members == (ME,)
    come_back: dict[str, tuple[int, bool]] = {}  # its ROWID, and whether its text was recovered
    for line in lines(connection, ask, thread.rows):
        rowid, guid, text, body, handle, date, mine, referred, mark = line
        if type(date) is int and date >= FIRST_NANOSECONDS:
            time = EPOCH + date // 1_000_000
        else:
            # Without a date it was said when its neighbour was.
            dated = milliseconds(date) or before or _first_time(connection, ask, thread)
            if dated is None:
                report.skip("no time", example=left_out(rowid, None, text, body, codec))
                continue
            time = dated
        before = time
        if mine:
            sender = ME
        else:
            sender = by_handle.get(handle) or people.of_row(0, handle, thread.members).key
            by_handle[handle] = sender
        if mark and is_reaction(mark):
            who = people.of_row(mine, handle, thread.members)
            reactions.append(given(connection, ask, line, who, time))
            continue
        spoken = text.decode(codec, "replace") if text else typedstream.text(body) if body else None
        key = guid.decode(codec, "replace") if guid else f"row {rowid}"
        if key in keys:  # equal only as text, or where damage changed one and no check saw it
            report.skip(REPEATED, example=left_out(rowid, time, text, body, codec))
            continue
        reply_to = referred.decode(codec, "replace") if referred else None
        if (
            not mark
            and spoken
            and OBJECT not in spoken
            and APP not in spoken
            and rowid not in carrying
            and not (body and b"OneTimeCode" in body)
            and not spoken.isspace()
        ):
            plain += 1
            if not text:
                recovered += 1
                if recovered <= room:
                    report.note("recovered", Example(place(rowid), time, spoken))
            messages.append(Message(key, sender, time, spoken, reply_to=reply_to))
        else:
            what = said(*whole(connection, ask, [line])[rowid], people)
            if isinstance(what, str):
                report.skip(what, example=left_out(rowid, time, text, body, codec))
                continue
            report.keep(what.kind)
            if what.recovered:
                recovered += 1
                report.note("recovered", Example(place(rowid), time, what.text))
            messages.append(message(key, sender, time, what, reply_to))
        if sender not in senders:
            senders[sender] = people.of_row(mine, handle, thread.members)
        keys.add(key)
        if with_oneself and not mine:
            come_back[key] = rowid, not text
    report.keep(Kind.SPEECH, plain)
    report.recovered += recovered
    if come_back:
        messages = _without_echoes(messages, come_back, report)
    return Read(Columns.of(messages), reactions, senders)


def given(connection: sqlite3.Connection, ask: Queries, line: Line, sender: Sender, time: int) -> Given:
    rowid, on, code = line[0], (line[7] or b"").decode(ask.codec, "replace"), line[8] or 0
    reaction = Given(rowid, code, on, "", sender, time)
    if reaction.tapback in TAPBACKS:
        return reaction
    return reaction._replace(emoji=emoji(connection, ask, rowid))


def said(row: Row, carried: list[Attachment], people: People) -> Content | str:
    """What a row says that is no reaction, or the reason why it is left out."""
    if row.item_type:
        return Content(Kind.EVENT, event(row, people.name(row.other_handle)))
    return content(row, carried)


def message(key: str, sender: str, time: int, what: Content, reply_to: str | None) -> Message:
    return Message(
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


def _first_time(connection: sqlite3.Connection, ask: Queries, thread: Thread) -> int | None:
    """The time of the first row that has one."""
    found = lines(connection, ask, thread.rows)
    return next((time for line in found if (time := milliseconds(line[5])) is not None), None)


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
