"""Following jobs at the real local server, and through everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from faulty_provider import FaultyProvider, error
from tortoise_dataset import tortoise

import engine
from engine.archive import JobRow, Studio
from engine.archive.jobs import checkpoints as kept_checkpoints
from engine.archive.jobs import events, job, metrics, save_job
from engine.errors import StudioError
from engine.providers import (
    Connection,
    JobUpdate,
    TrainSettings,
    cancel,
    checkpoints,
    connect,
    follow,
    local_process,
    models,
    pause,
    provider,
    resume,
    train,
)

LONG = TrainSettings("imitation", epochs=50, batch_size=1, seed=1)
SHORT = TrainSettings("imitation", epochs=3, seed=1, suffix="short")


async def started(studio: Studio, connection: Connection, settings: TrainSettings) -> JobRow:
    stages = [stage async for stage in train(studio, connection, tortoise(), settings)]
    row = stages[-1].job
    assert row is not None
    return row


async def until(updates: AsyncIterator[JobUpdate], status: str) -> JobRow:
    async for update in updates:
        if update.job.status == status:
            return update.job
    raise AssertionError(f"it never was {status}")


async def test_a_real_job_from_the_first_look_to_the_model(studio: Studio, local: Connection) -> None:
    row = await started(studio, local, SHORT)
    updates = [update async for update in follow(studio, local, row.key)]
    last = updates[-1].job
    assert last.status == "succeeded", last.error
    assert last == await job(studio, row.key)
    assert last.model and last.model.startswith("ft:imitation:short:")
    assert last.finished_at and last.finished_at >= last.created_at > 1_700_000_000_000
    assert last.steps and last.step == last.steps
    assert last.train_loss is not None and last.valid_loss is not None
    said = await events(studio, row.key)
    assert [event.id for update in updates for event in update.events] == [event.id for event in said]
    assert len({event.id for event in said}) == len(said)
    points = await metrics(studio, row.key)
    assert points[-1].train_loss == last.train_loss
    assert [file async for file in local.openai.files.list(purpose="fine-tune")] == []
    assert (await models(local))[0].fine_tuned
    found = await checkpoints(studio, local, row.key)
    assert [checkpoint.step for checkpoint in found] == sorted(checkpoint.step for checkpoint in found)
    assert found == await kept_checkpoints(studio, row.key)
    again = [update async for update in follow(studio, local, row.key)]
    assert [(update.job, update.events, update.metrics) for update in again] == [(last, (), ())]


async def test_following_can_be_left_and_taken_up(studio: Studio, local: Connection) -> None:
    row = await started(studio, local, SHORT)
    seen: list[str] = []
    async for update in follow(studio, local, row.key):
        seen += [event.id for event in update.events]
        if update.events:
            break
    async for update in follow(studio, local, row.key):
        seen += [event.id for event in update.events]
    kept = await events(studio, row.key)
    assert seen == [event.id for event in kept]
    assert len(set(seen)) == len(seen)


async def test_pause_resume_and_cancel(studio: Studio, local: Connection) -> None:
    row = await started(studio, local, LONG)
    await until(follow(studio, local, row.key), "running")
    assert (await pause(studio, local, row.key)).status == "paused"
    assert (await job(studio, row.key)).status == "paused"
    assert (await resume(studio, local, row.key)).status in ("queued", "running")
    assert (await cancel(studio, local, row.key)).status == "cancelled"
    assert [file async for file in local.openai.files.list(purpose="fine-tune")] == []
    last = [update async for update in follow(studio, local, row.key)][-1].job
    assert (last.status, last.error) == ("cancelled", None)
    with pytest.raises(StudioError):
        await resume(studio, local, row.key)
    assert [file async for file in local.openai.files.list(purpose="fine-tune")] == []


async def test_a_killed_server_is_started_anew_and_its_job_goes_on(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "local"
    try:
        async with await connect(provider("local"), folder) as connection:
            row = await started(studio, connection, SHORT)
            updates = follow(studio, connection, row.key)
            await anext(updates)
            endpoint = await local_process.find(folder)
            assert endpoint
            os.kill(endpoint.pid, signal.SIGKILL)
            rest = [update async for update in updates]
            assert rest[-1].job.status == "succeeded", rest[-1].job.error
            again = await local_process.find(folder)
            assert again and again.pid != endpoint.pid
    finally:
        await local_process.stop(folder)


async def test_a_busy_server_of_another_version_is_left_alone(
    studio: Studio, local: Connection, local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await started(studio, local, LONG)
    before = await local_process.find(local_folder)
    monkeypatch.setattr(engine, "__version__", "99.0")
    assert await local_process.start(local_folder) == before
    monkeypatch.undo()
    assert (await cancel(studio, local, row.key)).status == "cancelled"


@pytest.fixture
async def queued(studio: Studio, remote: Connection) -> JobRow:
    return await started(studio, remote, TrainSettings("base-1"))


def said(id: str, message: str, **fields: object) -> dict[str, object]:
    return {"id": id, "created_at": 1_700_000_000, "level": "info", "message": message, **fields}


async def test_a_lost_connection_is_said_once_and_survived(
    studio: Studio, remote: Connection, faulty: FaultyProvider, queued: JobRow
) -> None:
    updates = follow(studio, remote, queued.key)
    assert (await anext(updates)).live
    await faulty.stop()
    lost = await anext(updates)
    assert (lost.live, lost.job.status) == (False, "queued")
    await faulty.start(faulty.port)
    back = await anext(updates)
    assert (back.live, back.job.status) == (True, "queued")
    faulty.broken = {("GET", "/fine_tuning"): error(429)}
    assert not (await anext(updates)).live
    faulty.broken = {("GET", "/fine_tuning"): error(502)}
    await asyncio.sleep(0.5)
    faulty.broken = {}
    faulty.jobs["ftjob-0"] |= {"status": "succeeded", "fine_tuned_model": "ft:x"}
    last = [update async for update in updates][-1]
    assert (last.live, last.job.status, last.job.model) == (True, "succeeded", "ft:x")
    assert not faulty.files


async def test_figures_come_from_data_or_from_the_text(
    studio: Studio, remote: Connection, faulty: FaultyProvider, queued: JobRow
) -> None:
    faulty.events = [
        said("e1", "Fine-tuning job started"),
        said("e2", "Step 1/300: training loss=0.22"),
        said("e3", "Step 2/300: training loss=0.21, validation loss=0.33"),
        said("e4", "Step 2/300: training loss=0.21, validation loss=0.33, full validation loss=0.35"),
        said("e5", "Step 3", type="metrics", data={"step": 3, "train_loss": 0.2, "total_steps": 400}),
        said("e6", "", type="metrics", data={"step": 3, "full_valid_loss": 0.3, "valid_loss": 0.9}),
        said("e7", "Step 4/400: training loss=nan"),
        {"id": "e8"},
    ]
    updates = follow(studio, remote, queued.key)
    first = await anext(updates)
    assert [event.id for event in first.events] == [f"e{n}" for n in range(1, 9)]
    assert (first.job.step, first.job.steps, first.job.train_loss, first.job.valid_loss) == (4, 400, 0.2, 0.3)
    points = {point.step: point for point in await metrics(studio, queued.key)}
    assert (points[1].train_loss, points[1].valid_loss) == (0.22, None)
    assert (points[2].train_loss, points[2].valid_loss) == (0.21, 0.35)
    assert (points[3].train_loss, points[3].valid_loss) == (0.2, 0.3)
    assert points[4].train_loss is None
    faulty.events.append(said("e9", "Step 3/400: training loss=0.2"))
    second = await anext(updates)
    assert [event.id for event in second.events] == ["e9"]
    assert second.metrics[0].valid_loss == 0.3, "what an event does not say is not forgotten"


async def test_jobs_with_missing_fields_and_foreign_words_are_understood(
    studio: Studio, remote: Connection, faulty: FaultyProvider, queued: JobRow
) -> None:
    faulty.broken = {("GET", "/fine_tuning/jobs/ftjob-0/events"): error(404)}
    faulty.jobs["ftjob-0"] = {"id": "ftjob-0", "status": "RUNNING"}
    updates = follow(studio, remote, queued.key)
    first = (await anext(updates)).job
    assert (first.status, first.base_model, first.created_at) == ("running", "base-1", queued.created_at)
    faulty.jobs["ftjob-0"] = {
        "id": "ftjob-0",
        "status": "failed",
        "error": {"code": "oom", "message": "too big"},
    }
    last = [update.job async for update in updates][-1]
    assert (last.status, last.error) == ("failed", "too big")


async def test_a_job_that_vanished_ends(
    studio: Studio, remote: Connection, faulty: FaultyProvider, queued: JobRow
) -> None:
    faulty.jobs.clear()
    last = [update.job async for update in follow(studio, remote, queued.key)][-1]
    assert last.status == "failed"
    assert "does not know this job any more" in (last.error or "")


async def test_a_withdrawn_key_is_no_lost_connection(
    studio: Studio,
    remote: Connection,
    faulty: FaultyProvider,
    queued: JobRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "withdrawn")
    faulty.broken = {("GET", "/"): error(401)}
    with pytest.raises(StudioError, match="does not accept the key"):
        await anext(follow(studio, remote, queued.key))


async def test_what_a_service_cannot_do_is_said(
    studio: Studio, remote: Connection, faulty: FaultyProvider, queued: JobRow
) -> None:
    faulty.broken = {("POST", "/fine_tuning/jobs/ftjob-0/pause"): error(405)}
    with pytest.raises(StudioError):
        await pause(studio, remote, queued.key)
    never = msgspec.structs.replace(queued, key="k2", id=None)
    await save_job(studio, never)
    with pytest.raises(StudioError, match="never created"):
        await cancel(studio, remote, "k2")
