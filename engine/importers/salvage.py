"""Get the sound rows out of a damaged SQLite database, going on behind each bad page."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from engine.errors import DataError
from engine.importers.row_number import key_column, row_number

# What a damaged database raises; the second where SQLite's own sentence quotes the broken bytes.
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
_LAST_ROWID = 2**62
_MOST_STRAYS = 10_000
_MOST_BYTES = 2**28  # of one value: a damaged length may say more than memory holds


class _BadPageError(Exception):
    """Reading cannot go on here; kept apart from what may go wrong with writing."""


class Loss(msgspec.Struct, frozen=True):
    """Rows of a table that could not be read: those with a ROWID from first to last (None: up to the end)."""

    table: str
    first: int
    last: int | None


def salvage(damaged: sqlite3.Connection, target: sqlite3.Connection) -> list[Loss]:
    """Copy every readable row of every table, with its ROWID.

    Raises DataError where not even the schema can be read.
    """
    damaged.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    try:
        tables = [
            row[0]
            for row in damaged.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
    except DAMAGE:
        raise DataError(
            "The database is damaged at its very beginning.", "Restore it from a backup."
        ) from None
    lost: list[Loss] = []
    for table in tables:
        lost += _copy_table(damaged, target, table)
    return lost


def _copy_table(damaged: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[Loss]:
    name = '"' + table.replace('"', '""') + '"'
    try:
        columns = [
            '"' + row[1].replace('"', '""') + '"' for row in damaged.execute(f"PRAGMA table_info({name})")
        ]
        number, key = row_number(damaged, table), key_column(damaged, table)
        damaged.execute(f"SELECT {number} FROM {name} LIMIT 0")  # noqa: S608
    except DAMAGE:
        return []  # a virtual table, or one without ROWIDs: none that messages are kept in
    keys = [] if key is None else ['"' + key.replace('"', '""') + '"']
    made = [f"{column} INTEGER PRIMARY KEY" if column in keys else column for column in columns]
    target.execute(f"CREATE TABLE {name} ({', '.join(made)})")
    fields = ", ".join([number, *columns])
    places = ", ".join("?" * (len(columns) + 1))
    insert = f"INSERT OR IGNORE INTO {name} ({fields}) VALUES ({places})"  # noqa: S608
    if keys:
        insert = f"INSERT OR IGNORE INTO {name} VALUES ({places[3:]})"  # noqa: S608
    lost: list[Loss] = []
    strays: list[int] = []
    last = -_LAST_ROWID
    target.execute("BEGIN")
    # Not `> last`: that looks for the last row itself, in the page before.
    query = f"SELECT {fields} FROM {name} WHERE {number} >= ? + 1 ORDER BY {number}"  # noqa: S608
    while True:
        try:
            for row in _rising(damaged, query, last, strays):
                last = row[0]
                target.execute(insert, row[1:] if keys else row)
            break
        except _BadPageError:
            before = _next(damaged, query, last)  # the cursor reads ahead: it fell with the bad page
            if before is not None:
                last = before[0]
                target.execute(insert, before[1:] if keys else before)
            behind = _behind(damaged, query, last) if len(strays) < _MOST_STRAYS else None
            first = last + 1 if last > -_LAST_ROWID else 1
            lost.append(Loss(table, first, behind))
            if behind is None:
                break
            last = behind
    target.execute("COMMIT")
    return lost + [Loss(table, rowid, rowid) for rowid in sorted(set(strays))]


def _rising(
    damaged: sqlite3.Connection, query: str, last: int, strays: list[int]
) -> Iterator[tuple[Any, ...]]:
    """The rows behind `last`, each ROWID above the one before: a damaged tree also gives others, even
    the same ones over and over. Those are added to `strays`.

    A row waits for the next one, since a ROWID that is too high would make strays of all behind it.
    Raises _BadPageError where reading fails, or with too many strays.
    """
    waiting: tuple[Any, ...] | None = None
    failed = False
    try:
        for row in damaged.execute(query, (last,)):
            if not isinstance(row[0], int) or row[0] <= last:
                strays.append(row[0] if isinstance(row[0], int) else last)
            elif waiting is None:
                waiting = row
            elif row[0] > waiting[0]:
                last = waiting[0]
                yield waiting
                waiting = row
            else:
                strays.append(waiting[0])
                waiting = row
            if len(strays) >= _MOST_STRAYS:
                failed = True
                break
    except DAMAGE:
        failed = True
    if waiting is not None:
        yield waiting
    if failed:
        raise _BadPageError


def _next(damaged: sqlite3.Connection, query: str, last: int) -> tuple[Any, ...] | None:
    """The row behind `last`, None where there is none or it cannot be read."""
    try:
        row: tuple[Any, ...] | None = damaged.execute(f"{query} LIMIT 1", (last,)).fetchone()
    except DAMAGE:
        return None
    return row if row is not None and isinstance(row[0], int) and row[0] > last else None


def _behind(damaged: sqlite3.Connection, query: str, last: int) -> int | None:
    """The last ROWID of the bad stretch that begins behind `last`, None where it reaches to the end.

    Steps that double find a place where reading works again, halving finds where it begins to.
    """

    def reads(start: int) -> bool:
        try:
            row = damaged.execute(f"{query} LIMIT 1", (start,)).fetchone()
        except DAMAGE:
            return False
        return row is None or (isinstance(row[0], int) and row[0] > start)  # else we would stand still

    bad = max(last, 0)
    step = 1
    if bad > _LAST_ROWID // 4:
        return None
    while not reads(bad + step):
        bad, step = bad + step, step * 2
        if bad > _LAST_ROWID // 4:
            return None
    good = bad + step
    while good - bad > 1:
        middle = (bad + good) // 2
        if reads(middle):
            good = middle
        else:
            bad = middle
    return good
