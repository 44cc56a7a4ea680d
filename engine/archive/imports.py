"""What became of every import: its report, kept for as long as its source."""

from __future__ import annotations

import sqlite3
import time

from engine.archive.rows import ImportRow
from engine.archive.studio import Studio
from engine.errors import StudioError

IMPORT = (
    "SELECT i.id, s.name, i.importer, i.path, i.time, i.seconds, i.report"
    " FROM imports i JOIN sources s ON s.id = i.source"
)


def keep_import(
    connection: sqlite3.Connection, source: int, importer: str, path: str, report: str, seconds: float
) -> None:
    """Keep the report of an import, in its own transaction. report: JSON, the importers' own."""
    connection.execute(
        "INSERT INTO imports (source, importer, path, time, seconds, report) VALUES (?, ?, ?, ?, ?, ?)",
        (source, importer, path, time.time_ns() // 1_000_000, seconds, report),
    )


async def imports(studio: Studio) -> list[ImportRow]:
    """Every import, the newest first."""
    return await studio.rows(ImportRow, f"{IMPORT} ORDER BY i.id DESC")


async def import_of(studio: Studio, id: int) -> ImportRow:
    """One import. Raises StudioError where there is none of this number."""
    # A number that SQLite cannot hold names nothing.
    found = [row for row in await imports(studio) if row.id == id]
    if not found:
        raise StudioError(f"There is no import {id}.", "`understudy imports` lists them all.")
    return found[0]
