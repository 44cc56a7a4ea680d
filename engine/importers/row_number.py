"""SQLite's own number of a row. An extract may have a column ROWID that is not it: a column like any other,
without an index, which may repeat, be empty or hold a text."""

from __future__ import annotations

import sqlite3


def key_column(connection: sqlite3.Connection, table: str) -> str | None:
    """The column that is the number itself: the only one of the primary key, and an INTEGER."""
    quoted = table.replace('"', '""')
    keys = [row for row in connection.execute(f'PRAGMA table_info("{quoted}")') if row[5]]
    if len(keys) == 1 and keys[0][2].upper() == "INTEGER":
        return str(keys[0][1])
    return None


def row_number(connection: sqlite3.Connection, table: str) -> str:
    """What to call the number in a query: ROWID where that is the number, as in every chat.db of a Mac."""
    quoted = table.replace('"', '""')
    have = {row[1].lower() for row in connection.execute(f'PRAGMA table_info("{quoted}")')}
    if "rowid" not in have or (key_column(connection, table) or "").lower() == "rowid":
        return "ROWID"
    return next((name for name in ("_rowid_", "oid") if name not in have), "ROWID")
