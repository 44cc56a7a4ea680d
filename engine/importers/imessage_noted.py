"""The rows of a chat.db behind the lines of an import's report, by SQLite's number of them in its table
message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import islice

from engine.conversation import Message
from engine.importers import typedstream
from engine.importers.imessage_queries import Line
from engine.importers.imessage_rows import milliseconds
from engine.importers.opening import fields
from engine.importers.report import EXAMPLES, Example, ImportReport, skipped
from engine.importers.row_number import row_number

DELETED, REPEATED, UNPLACED = "recently deleted", "repeated in the database", "in no conversation"


def place(rowid: int) -> str:
    return f"message ROWID {rowid}"


def left_out(rowid: int, time: int | None, text: bytes | None, body: bytes | None, codec: str) -> Example:
    """A row that is no message. A login code is a secret: its text is nowhere noted."""
    if body and b"OneTimeCode" in body:
        return Example(place(rowid), time)
    said = text.decode(codec, "replace") if text else typedstream.text(body) if body else None
    return Example(place(rowid), time, said or "")


def count_gone(connection: sqlite3.Connection, report: ImportReport) -> None:
    """Count the rows of the temporary table `gone` (message, reason) and note the first of each reason."""
    codec = connection.execute("PRAGMA encoding").fetchone()[0]
    text, body = fields(connection, "message", ("text", "attributedBody"), "m.", "BLOB")
    [date] = fields(connection, "message", ("date",), "m.")
    number = row_number(connection, "message")
    for reason, rows in connection.execute("SELECT reason, count(*) FROM gone GROUP BY reason").fetchall():
        report.skip(reason, rows)
        found = connection.execute(
            f"""SELECT g.message, {date}, {text}, {body}
                FROM gone g LEFT JOIN message m ON m.{number} = g.message
                WHERE g.reason = ? ORDER BY g.message LIMIT {EXAMPLES}""",  # noqa: S608 - our own list
            (reason,),
        )
        for rowid, when, said, rich in found:
            if reason == DELETED:  # what somebody deleted is not written down elsewhere
                said = rich = None
            report.note(skipped(reason), left_out(rowid, milliseconds(when), said, rich, codec))


def note_kept(lines: Iterable[Line], codec: str, messages: Iterable[Message], report: ImportReport) -> None:
    """Note the first messages of a conversation. lines: its rows (ROWID, guid, ...), in the same order."""
    keyed = ((rowid, guid.decode(codec, "replace") if guid else f"row {rowid}") for rowid, guid, *_ in lines)
    for message in islice(messages, report.room("kept")):
        rowid = next((rowid for rowid, key in keyed if key == message.key), None)
        if rowid is not None:
            report.note("kept", Example(place(rowid), message.time, message.text))
