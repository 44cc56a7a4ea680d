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
_ODD_NUMBERS = ("item_type", "is_audio_message", "date_edited", "date_retracted")
_ODD_TEXTS = ("balloon_bundle_id", "subject")

Line = tuple[
    int,
    bytes | None,
    bytes | None,
    bytes | None,
    object,
    object,
    int | None,
    bytes | None,
    int | None,
]
"""A row as it is first read: its number, guid, text, attributedBody, handle_id, date, is_from_me, what it
refers to (a reaction its target, any other row the message that it answers) and its mark: the
associated_message_type, ODD where that is none and more than text is in the row, else None.

Texts are bytes: decoding them here is four times as fast as a text_factory that bears bad UTF-8."""

ODD = -1
_EMPTY = Row(0, *[None] * len(COLUMNS))


class Queries(msgspec.Struct, frozen=True):
    """lines: the Lines of the rows whose numbers are in a JSON array, in its order. rows: their Rows.
    summaries: the message_summary_info of each, behind its number. attachments: theirs, likewise. emoji: of
    a reaction.

    carrying: the numbers of the rows that have attachments. codec: what the texts are encoded in.
    """

    lines: str
    rows: str
    summaries: str
    attachments: str
    emoji: str
    carrying: frozenset[int]
    codec: str


def queries(connection: sqlite3.Connection) -> Queries:
    def read(name: str, cast: str = "BLOB") -> str:
        return fields(connection, "message", [name], "m.", cast)[0]

    raw, code = read("associated_message_type", ""), read("associated_message_type", "INTEGER")
    # As few steps as can be: this is asked of every row.
    odd = [read(name, "") for name in _ODD_NUMBERS]
    odd += [f"{read(name, '')} IS NOT NULL" for name in _ODD_TEXTS]
    line = (
        read("guid"), read("text"), read("attributedBody"), read("handle_id", ""), read("date", ""),
        read("is_from_me", "INTEGER"),
        f"CASE WHEN {raw} AND ({REACTION.format(code)}) THEN {read('associated_message_guid')}"
        f" ELSE {read('thread_originator_guid')} END",
        f"CASE WHEN {raw} THEN coalesce(nullif({code}, 0), {ODD}) WHEN {' OR '.join(odd)} THEN {ODD} END",
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
        f"""SELECT m.{number}, {read("message_summary_info")}
            FROM json_each(?) j CROSS JOIN message m ON m.{number} = j.value""",  # noqa: S608
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
    connection: sqlite3.Connection, ask: Queries, lines: list[Line]
) -> dict[int, tuple[Row, list[Attachment]]]:
    """By their numbers the rows of these lines, each with what is attached to it."""
    attached: dict[int, list[Attachment]] = {}
    carrying = [line[0] for line in lines if line[0] in ask.carrying]
    if carrying:
        for number, *described in connection.execute(ask.attachments, (json.dumps(carrying),)):
            marker = attachment(*described)
            if marker is not None:
                attached.setdefault(number, []).append(marker)
    found: dict[int, Row] = {}
    if marked := [line[0] for line in lines if line[8]]:
        for row in map(Row._make, connection.execute(ask.rows, (json.dumps(marked),)).fetchall()):
            found[row.rowid] = row
    if unmarked := {line[0]: line for line in lines if not line[8]}:
        for number, summary in connection.execute(ask.summaries, (json.dumps([*unmarked]),)):
            found[number] = _unmarked(unmarked[number], summary, ask.codec)
    return {number: (row, attached.get(number, [])) for number, row in found.items()}


def _unmarked(line: Line, summary: bytes | None, codec: str) -> Row:
    """All that is in such a row, without what is of no matter to what it says."""
    text = None if line[2] is None else line[2].decode(codec, "replace")
    return Row(line[0], None, text, line[3], *_EMPTY[4:13], summary, *_EMPTY[14:])


def emoji(connection: sqlite3.Connection, ask: Queries, number: int) -> str:
    """What a reaction says, "" where it does not."""
    (written,) = connection.execute(ask.emoji, (number,)).fetchone()
    return (written or b"").decode(ask.codec, "replace")
