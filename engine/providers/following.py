"""Follow a job to its end, through lost connections and restarts; steer it meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Literal

import msgspec

from engine.archive import CheckpointRow, EventRow, JobRow, MetricRow, Studio
from engine.archive.jobs import add_events, add_metrics, events, job, metrics, save_checkpoints, save_job
from engine.errors import StudioError
from engine.providers.connection import Connection
from engine.providers.failures import explain, is_passing
from engine.providers.job_state import (
    FINAL,
    checkpoint_row,
    event_row,
    find_job,
    from_wire,
    job_settings,
    merge,
    point,
    with_figures,
    withdraw,
    without_files,
)

# A row may be "creating" because another process is at it right now; only later is it given up.
_CREATING_MILLISECONDS = 600_000


class JobUpdate(msgspec.Struct, frozen=True):
    """One look at a job. events, metrics: what is new, oldest first. live: the provider answered."""

    job: JobRow
    events: tuple[EventRow, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    live: bool = True


class _Known(msgspec.Struct):
    """What the studio holds of a job; grows while following."""

    row: JobRow
    events: set[str]
    metrics: dict[int, MetricRow]


async def follow(studio: Studio, connection: Connection, key: str) -> AsyncIterator[JobUpdate]:
    """Look at the job again and again until its end; the first update comes after the first look.

    key: a job's key or id. Everything is in the studio before it is yielded, so it can be left and
    taken up at any time. An update comes when something changed. While the provider does not answer,
    one update says live=False, and asking goes on, ever more seldom. When the job has ended its
    uploaded files are deleted at the provider. Raises StudioError where asking on is no use.
    """
    row = await job(studio, key)
    known = _Known(
        row,
        {event.id for event in await events(studio, row.key)},
        {metric.step: metric for metric in await metrics(studio, row.key)},
    )
    pace, failures, shown = _slowest(connection, 0), 0, False
    while True:
        try:
            update = await _look(studio, connection, known)
        except Exception as error:
            if not (is_passing(error) or _lost_server(error, connection)):
                raise explain(error, connection.provider) from error
            failures += 1
            if failures == 1:
                yield JobUpdate(known.row, live=False)
            await asyncio.sleep(_backoff(connection, failures))
            if connection.provider.stays_here:
                await connection.reopen()  # its server ended: a new one takes the job up again
            continue
        news = bool(update.events or update.metrics or update.job != row)
        if news or failures or not shown:
            yield update
        row, shown, failures = update.job, True, 0
        if row.status in FINAL:
            return
        pace = _slowest(connection, 0) if news else min(pace * 1.3, _slowest(connection, 1))
        await asyncio.sleep(pace)


async def cancel(studio: Studio, connection: Connection, key: str) -> JobRow:
    """End the job. Raises StudioError, as do the others."""
    return await _steer(studio, connection, key, "cancel")


async def pause(studio: Studio, connection: Connection, key: str) -> JobRow:
    return await _steer(studio, connection, key, "pause")


async def resume(studio: Studio, connection: Connection, key: str) -> JobRow:
    return await _steer(studio, connection, key, "resume")


async def checkpoints(studio: Studio, connection: Connection, key: str) -> list[CheckpointRow]:
    """The job's checkpoints that can be talked to, first step first."""
    import openai

    row = await job(studio, key)
    if row.id is None:
        return []
    try:
        listed = [c async for c in connection.openai.fine_tuning.jobs.checkpoints.list(row.id)]
    except (openai.OpenAIError, OSError) as error:
        raise explain(error, connection.provider) from error
    rows = sorted((checkpoint_row(checkpoint) for checkpoint in listed), key=lambda row: row.step)
    await save_checkpoints(studio, row.key, rows)
    return rows


async def _steer(
    studio: Studio, connection: Connection, key: str, verb: Literal["cancel", "pause", "resume"]
) -> JobRow:
    import openai

    row = await job(studio, key)
    if row.id is None:
        raise StudioError("That job was never created at the provider.", "Start a new one.")
    try:
        answer = await getattr(connection.openai.fine_tuning.jobs, verb)(row.id)
    except (openai.OpenAIError, OSError) as error:
        raise explain(error, connection.provider) from error
    row = from_wire(row, answer)
    await save_job(studio, row)
    return await _settled(studio, connection, row) if row.status in FINAL else row


async def _look(studio: Studio, connection: Connection, known: _Known) -> JobUpdate:
    """One look: ask, keep, and say what is new."""
    row = known.row
    if row.status in FINAL:
        known.row = await _settled(studio, connection, row)
        return JobUpdate(known.row)
    if row.id is None:
        row = await _adopted(connection, row)
        if row.id is None:
            await save_job(studio, row)
            known.row = row
            return JobUpdate(row)
    # The job first, then its events: an ended job has said its last word by then.
    row = await _retrieved(connection, row)
    fresh = await _new_events(connection, row, known.events)
    changed: dict[int, MetricRow] = {}
    steps = None
    for event in fresh:
        if found := point(event):
            step = found.metric.step
            changed[step] = merge(changed.get(step) or known.metrics.get(step), found.metric)
            steps = found.steps or steps
    known.metrics |= changed
    row = with_figures(row, known.metrics.values(), steps)
    await add_events(studio, row.key, fresh)
    await add_metrics(studio, row.key, list(changed.values()))
    if row != known.row:
        await save_job(studio, row)
    if row.status in FINAL:
        row = await _settled(studio, connection, row)
    known.events |= {event.id for event in fresh}
    known.row = row
    return JobUpdate(row, tuple(fresh), tuple(changed.values()))


async def _retrieved(connection: Connection, row: JobRow) -> JobRow:
    import openai

    assert row.id is not None
    try:
        return from_wire(row, await connection.openai.fine_tuning.jobs.retrieve(row.id))
    except openai.NotFoundError:
        return _given_up(row, f"{connection.provider.host} does not know this job any more")


async def _adopted(connection: Connection, row: JobRow) -> JobRow:
    """A job whose creation got no answer: find it, or after a while give it up."""
    found = await find_job(connection, row)
    if found is not None:
        return from_wire(row, found)
    if _now() - row.created_at > _CREATING_MILLISECONDS:
        return await _without_uploads(
            connection, _given_up(row, f"It was never created at {connection.provider.host}")
        )
    return row


async def _new_events(connection: Connection, row: JobRow, seen: set[str]) -> list[EventRow]:
    """Events not yet seen, oldest first. The protocol lists the newest first."""
    import openai

    assert row.id is not None
    fresh: dict[str, EventRow] = {}
    try:
        page = await connection.openai.fine_tuning.jobs.list_events(row.id, limit=100)
        while True:
            rows = [event_row(event) for event in page.data]
            new = {event.id: event for event in rows if event.id not in seen and event.id not in fresh}
            fresh |= new
            if len(new) < len(rows) or not rows or not page.has_next_page():
                break
            page = await page.get_next_page()
    except openai.NotFoundError:
        return []  # some services keep no events; the job's own fields must do
    return list(reversed(fresh.values()))


async def _settled(studio: Studio, connection: Connection, row: JobRow) -> JobRow:
    """An ended job: keep its checkpoints' names, and take our files back. What fails is tried again
    when the job is looked at the next time."""
    if not job_settings(row).left:
        return row
    if row.id is not None and row.status != "refused":
        try:
            await checkpoints(studio, connection, row.key)
        except StudioError:
            return row
    tidied = await _without_uploads(connection, row)
    if tidied != row:
        await save_job(studio, tidied)
    return tidied


async def _without_uploads(connection: Connection, row: JobRow) -> JobRow:
    return without_files(row) if await withdraw(connection, row) else row


def _given_up(row: JobRow, reason: str) -> JobRow:
    return msgspec.structs.replace(row, status="failed", error=reason, finished_at=_now())


def _lost_server(error: Exception, connection: Connection) -> bool:
    """A local server that was started anew has another token."""
    import openai

    return connection.provider.stays_here and isinstance(error, openai.AuthenticationError)


def _slowest(connection: Connection, quiet: int) -> float:
    """Seconds between looks: while there is news (quiet 0), and at most when there is none (1)."""
    return 0.2 if connection.nearby else (2.0, 10.0)[quiet]


def _backoff(connection: Connection, failures: int) -> float:
    longest = 2.0 if connection.nearby else 60.0
    return min(_slowest(connection, 0) * 2.0 ** min(failures, 10), longest)


def _now() -> int:
    return int(time.time() * 1000)
