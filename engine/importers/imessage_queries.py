"""What is asked of a chat.db about the messages of a conversation, whatever columns it has."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterator

import msgspec

from engine.conversation import Attachment
from engine.importers.imessage_rows import COLUMNS, REACTION, Row, attachment
from engine.importers.opening import columns, fields
from engine.importers.row_number import row_number

BATCH = 500

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

Line = tuple[
    int, bytes | None, bytes | None, bytes | None, object, object, int | None, bytes | None, int | None
]
"""A row as it is first read: its number, guid, text, attributedBody, handle_id, date, is_from_me, what it
refers to (a reaction its target, any other row the message that it answers) and its mark: the
associated_message_type, ODD where that is none and more than text is in the row, else None or 0.

Texts are bytes: decoding them here is four times as fast as a text_factory that bears bad UTF-8."""

ODD = -1


class Queries(msgspec.Struct, frozen=True):
    """lines: the Lines of the rows whose numbers are in a JSON array, in its order. rows: their Rows.
    attachments: theirs, each behind the number of its row. emoji: of a reaction.

    carrying: the numbers of the rows that have attachments. codec: what the texts are encoded in.
    """

    lines: str
    rows: str
    attachments: str
    emoji: str
    carrying: frozenset[int]
    codec: str


def queries(connection: sqlite3.Connection) -> Queries:
    def read(name: str, cast: str = "BLOB") -> str:
        return fields(connection, "message", [name], "m.", cast)[0]

    code = read("associated_message_type", "INTEGER")
    is_odd = [f"ifnull(m.{name}, 0) <> 0" for name in _ODD if name in columns(connection, "message")]
    line = (
        read("guid"), read("text"), read("attributedBody"), read("handle_id", ""), read("date", ""),
        read("is_from_me", "INTEGER"),
        f"CASE WHEN {code} <> 0 AND ({REACTION.format(code)}) THEN {read('associated_message_guid')}"
        f" ELSE {read('thread_originator_guid')} END",
        f"CASE WHEN {code} <> 0 THEN {code} WHEN {' OR '.join(is_odd) or '0'} THEN {ODD} END",
    )  # fmt: skip
    row = [read(name, cast) for name, cast in COLUMNS.items()]
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
        f"""SELECT m.{number}, {", ".join(line)}
            FROM json_each(?) j CROSS JOIN message m ON m.{number} = j.value""",  # noqa: S608 - our own list
        f"""SELECT m.{number}, {", ".join(row)}
            FROM json_each(?) j CROSS JOIN message m ON m.{number} = j.value""",  # noqa: S608 - our own list
        f"""SELECT c.message, {", ".join(described)}
            FROM json_each(?) j CROSS JOIN temp.carried c ON c.message = j.value
            CROSS JOIN attachment a ON a.{file} = c.attachment
            ORDER BY c.message, c.attachment""",  # noqa: S608
        f"SELECT {read('associated_message_emoji')} FROM message m WHERE m.{number} = ?",  # noqa: S608
        carrying,
        connection.execute("PRAGMA encoding").fetchone()[0],
    )


def batches(connection: sqlite3.Connection, ask: Queries, rows: array[int]) -> Iterator[list[Line]]:
    """The lines of these rows in their order, without those that are not there. No batch is empty."""
    for start in range(0, len(rows), BATCH):
        numbers = json.dumps(rows[start : start + BATCH].tolist())
        if batch := connection.execute(ask.lines, (numbers,)).fetchall():
            yield batch


def lines(connection: sqlite3.Connection, ask: Queries, rows: array[int]) -> Iterator[Line]:
    for batch in batches(connection, ask, rows):
        yield from batch


def whole(
    connection: sqlite3.Connection, ask: Queries, numbers: list[int]
) -> Iterator[tuple[Row, list[Attachment]]]:
    """The rows with these numbers in their order, each with what is attached to it."""
    attached: dict[int, list[Attachment]] = {}
    if not ask.carrying.isdisjoint(numbers):
        for number, *described in connection.execute(ask.attachments, (json.dumps(numbers),)):
            marker = attachment(*described)
            if marker is not None:
                attached.setdefault(number, []).append(marker)
    for row in map(Row._make, connection.execute(ask.rows, (json.dumps(numbers),)).fetchall()):
        yield row, attached.get(row.rowid, [])


def emoji(connection: sqlite3.Connection, ask: Queries, number: int) -> str:
    """What a reaction says, "" where it does not."""
    (written,) = connection.execute(ask.emoji, (number,)).fetchone()
    return (written or b"").decode(ask.codec, "replace")
