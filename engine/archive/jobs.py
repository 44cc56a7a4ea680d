"""What is known of every fine-tuning job, at whatever provider: status, events, curves, checkpoints."""

# ruff: noqa: S608 - statements are put together from this module's own words; every value is a parameter

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.archive.names import nearest
from engine.archive.rows import CheckpointRow, EventRow, JobRow, MetricRow
from engine.archive.studio import Studio
from engine.errors import StudioError
from engine.packed import storable

COLUMNS = JobRow.__struct_fields__
JOB = f"SELECT {', '.join(COLUMNS)} FROM jobs"
SAVE_JOB = (
    f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    f" ON CONFLICT (key) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS)}"
)


async def save_job(studio: Studio, row: JobRow) -> None:
    """Keep what is known of a job now; its key says which one it is."""
    async with studio.writing() as connection:
        await connection.execute(SAVE_JOB, msgspec.structs.astuple(row))


async def jobs(studio: Studio) -> list[JobRow]:
    """Every job, the newest first."""
    return await studio.rows(_job, f"{JOB} ORDER BY created_at DESC, rowid DESC")


async def job(studio: Studio, reference: str) -> JobRow:
    """The job of this key, provider's id, model, checkpoint's model or suffix; the newest of several.

    The beginning of a key or id is enough where it is the only one. Raises StudioError otherwise.
    """
    known = await jobs(studio)
    for row in known:
        if reference in (row.key, row.id, row.model):
            return row
    owner = await studio.rows(str, "SELECT job FROM checkpoints WHERE ? IN (id, model)", (reference,))
    for row in known:
        if row.key in owner or (row.suffix and row.suffix == reference):
            return row
    found = [row for row in known if reference and (row.key + "\0" + (row.id or "")).startswith(reference)]
    found = found or [row for row in known if reference and row.id and row.id.startswith(reference)]
    if len(found) == 1:
        return found[0]
    if not known:
        raise StudioError(f'There is no job "{reference}".', "`understudy train --ai NAME` starts the first.")
    names = [name for row in known for name in (row.suffix, row.model, row.id, row.key) if name]
    near = nearest(reference, names)
    what = "Several jobs begin with" if found else "There is no job"
    raise StudioError(f'{what} "{reference}".', f"{near} `understudy jobs` lists them all.".strip())


async def add_events(studio: Studio, key: str, rows: Iterable[EventRow]) -> None:
    """Keep events of a job; one whose id is there already is left as it is."""
    values = [(key, *map(storable, msgspec.structs.astuple(row))) for row in rows]
    async with studio.writing() as connection:
        await connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, id) DO NOTHING", values
        )


async def events(studio: Studio, key: str, limit: int | None = None) -> list[EventRow]:
    """The events of a job in the order of time; with `limit` the newest."""
    rows = await studio.rows(
        EventRow,
        "SELECT id, time, level, type, message, data FROM events WHERE job = ?"
        " ORDER BY time DESC, rowid DESC LIMIT ?",
        (key, -1 if limit is None else limit),
    )
    rows.reverse()
    return rows


async def add_metrics(studio: Studio, key: str, rows: Iterable[MetricRow]) -> None:
    """Keep points of a job's curves. A step may come in parts: what is None leaves the known figure."""
    values = [(key, *msgspec.structs.astuple(row)) for row in rows]
    async with studio.writing() as connection:
        await connection.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?) ON CONFLICT (job, step) DO UPDATE SET"
            " train_loss = coalesce(excluded.train_loss, train_loss),"
            " valid_loss = coalesce(excluded.valid_loss, valid_loss),"
            " accuracy = coalesce(excluded.accuracy, accuracy)",
            values,
        )


async def metrics(studio: Studio, key: str) -> list[MetricRow]:
    """The points of a job's curves, by step."""
    return await studio.rows(
        MetricRow,
        "SELECT step, train_loss, valid_loss, accuracy FROM metrics WHERE job = ? ORDER BY step",
        (key,),
    )


async def save_checkpoints(studio: Studio, key: str, rows: Iterable[CheckpointRow]) -> None:
    """Keep a job's checkpoints; one of a known id is brought up to date."""
    values = [(key, *map(storable, msgspec.structs.astuple(row))) for row in rows]
    async with studio.writing() as connection:
        await connection.executemany(
            "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job, id) DO UPDATE SET"
            " step = excluded.step, model = excluded.model,"
            " train_loss = excluded.train_loss, valid_loss = excluded.valid_loss",
            values,
        )


async def checkpoints(studio: Studio, key: str) -> list[CheckpointRow]:
    """The checkpoints of a job, by step."""
    return await studio.rows(
        CheckpointRow,
        "SELECT id, step, model, train_loss, valid_loss FROM checkpoints WHERE job = ? ORDER BY step, id",
        (key,),
    )


def _job(*columns: Any) -> JobRow:
    return JobRow(**dict(zip(COLUMNS, columns, strict=True)))
