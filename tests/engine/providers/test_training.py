"""Starting jobs: nothing is sent that must not be, no job is made twice, and none is forgotten."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from faulty_provider import FaultyProvider, error
from tortoise_dataset import tortoise

from engine.archive import JobRow, Studio
from engine.archive.datasets import datasets
from engine.archive.jobs import jobs, save_job
from engine.errors import DataError, StudioError
from engine.providers import Connection, Stage, TrainSettings, follow, training
from engine.providers import train as start

SETTINGS = TrainSettings("base-1")


@pytest.fixture(autouse=True)
def look_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOOKS", (0.0, 0.05, 0.1))


async def stages(studio: Studio, connection: Connection, settings: TrainSettings = SETTINGS) -> list[Stage]:
    return [stage async for stage in start(studio, connection, tortoise(), settings)]


async def only_job(studio: Studio) -> JobRow:
    rows = await jobs(studio)
    assert len(rows) == 1
    return rows[0]


async def test_the_stages_and_what_is_sent(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    found = await stages(studio, remote, TrainSettings("base-1", 2, 4, 0.5, "race", 7))
    assert [stage.name for stage in found] == [
        "checking",
        "uploading",
        "uploading",
        "processing",
        "processing",
        "creating",
        "created",
    ]
    row = await only_job(studio)
    assert found[-1].job == row
    assert (row.id, row.status, row.suffix, row.seed) == ("ftjob-0", "queued", "race", 7)
    assert row.system == "You are Tortoise, talking with Hare."
    assert (row.base_url, row.provider) == (faulty.url, "custom")
    assert [dataset.id for dataset in await datasets(studio)] == [row.dataset] == [tortoise().id]
    assert row.error is None, "an error object without fields is no error"
    files = msgspec.json.decode(row.settings)["files"]
    assert faulty.jobs["ftjob-0"]["metadata"] == {
        "understudy_key": row.key,
        "understudy_dataset": tortoise().id,
    }
    assert files == ["file-0", "file-1"]


async def test_held_out_messages_are_never_sent(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    await stages(studio, remote)
    sent = b"".join(faulty.bodies.values()).decode()
    learned = [turn.text for chunk in tortoise().split("train") for turn in chunk.turns]
    held_out = [turn.text for chunk in tortoise().split("test") for turn in chunk.turns if "day" in turn.text]
    assert all(json.dumps(text)[1:-1] in sent for text in learned)
    assert held_out and not any(text in sent for text in held_out)
    assert "Tortoise" not in str([file["filename"] for file in faulty.files.values()])


async def test_too_few_examples_are_refused_before_anything_is_sent(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    with pytest.raises(DataError, match=r"There are 2 examples; at least 10 are needed\. Nothing was sent"):
        [stage async for stage in start(studio, remote, tortoise(2), SETTINGS)]
    assert faulty.requests == []
    assert await jobs(studio) == []


async def test_a_service_for_chat_alone_is_refused_before_anything_is_sent(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    remote.calls = frozenset({"chat"})
    with pytest.raises(StudioError, match="cannot fine-tune"):
        await stages(studio, remote)
    assert faulty.requests == []


async def test_a_refusal_takes_the_uploaded_files_back(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.creating = ["403"]
    with pytest.raises(StudioError, match="closing self-serve fine-tuning") as refused:
        await stages(studio, remote)
    assert "is deleted again" in refused.value.hint
    assert len(faulty.bodies) == 2 and not faulty.files
    row = await only_job(studio)
    assert (row.status, row.id) == ("refused", None)
    assert "closing" in (row.error or "")
    assert [update.job.status async for update in follow(studio, remote, row.key)] == ["refused"]


async def test_files_that_cannot_be_taken_back_are_said(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.creating = ["403"]
    faulty.broken = {("DELETE", "/files"): error(500)}
    with pytest.raises(StudioError) as refused:
        await stages(studio, remote)
    assert "could not be deleted" in refused.value.hint
    faulty.broken = {}
    async for _ in follow(studio, remote, (await only_job(studio)).key):
        pass
    assert not faulty.files, "the next look takes them back"


async def test_a_file_that_is_not_accepted_is_taken_back(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.file_status = "error"
    with pytest.raises(DataError, match="line 3 is bad"):
        await stages(studio, remote)
    assert faulty.bodies and not faulty.files
    assert faulty.asked("POST", "/fine_tuning") == 0
    row = await only_job(studio)
    assert row.status == "failed"
    assert "line 3 is bad" in (row.error or "")


@pytest.mark.parametrize("creating", ["500 but created", "hang but created", "late"])
@pytest.mark.parametrize("keeps_metadata", [True, False])
async def test_a_lost_answer_makes_no_second_job(
    studio: Studio, remote: Connection, faulty: FaultyProvider, creating: str, keeps_metadata: bool
) -> None:
    faulty.creating, faulty.keeps_metadata = [creating], keeps_metadata
    found = await stages(studio, remote)
    assert faulty.asked("POST", "/fine_tuning/jobs") == 1
    assert len(faulty.jobs) == 1
    assert found[-1].job == await only_job(studio)
    assert found[-1].job and found[-1].job.id == "ftjob-0"
    assert len(faulty.files) == 2, "the job needs them"


async def test_a_fault_that_made_no_job_is_tried_again(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.creating = ["500", "500", "ok"]
    await stages(studio, remote)
    assert faulty.asked("POST", "/fine_tuning/jobs") == 3
    assert len(faulty.jobs) == 1
    assert (await only_job(studio)).id == "ftjob-0"


async def test_a_job_that_comes_after_the_second_try_leaves_one(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.creating, faulty.late_looks = ["late", "500 but created"], 4
    await stages(studio, remote)
    assert len(faulty.jobs) == 2
    row = await only_job(studio)
    running = [job["id"] for job in faulty.jobs.values() if job["status"] != "cancelled"]
    assert running == [row.id]


async def test_three_faults_are_a_refusal(studio: Studio, remote: Connection, faulty: FaultyProvider) -> None:
    faulty.creating = ["500"] * 9
    with pytest.raises(StudioError, match="fault of its own"):
        await stages(studio, remote)
    assert faulty.asked("POST", "/fine_tuning/jobs") == training.ATTEMPTS
    assert not faulty.files
    assert (await only_job(studio)).status == "refused"


async def test_a_rate_limit_says_when(studio: Studio, remote: Connection, faulty: FaultyProvider) -> None:
    faulty.creating = ["429"]
    with pytest.raises(StudioError) as refused:
        await stages(studio, remote)
    assert "in 7 seconds" in refused.value.hint
    assert not faulty.files


async def test_a_job_is_not_forgotten_when_the_service_goes_away(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    """It answers neither to the creation nor to the question after it; later it is there again."""
    faulty.creating = ["hang but created"]
    port = faulty.port

    async def go_away() -> None:
        await faulty.created.wait()
        await faulty.stop()

    going = asyncio.create_task(go_away())
    with pytest.raises(StudioError, match="not known whether the job was created"):
        await stages(studio, remote)
    await going
    row = await only_job(studio)
    assert (row.status, row.id) == ("creating", None)
    assert len(faulty.files) == 2
    await faulty.start(port)
    async for update in follow(studio, remote, row.key):
        if update.job.id:
            break
    assert (await only_job(studio)).id == "ftjob-0"


async def test_a_crash_while_creating_leaves_a_row_that_finds_its_job(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    faulty.creating = ["hang but created"]
    running = start(studio, remote, tortoise(), SETTINGS)
    async for stage in running:
        if stage.name == "creating":
            break
    step = asyncio.ensure_future(anext(running))
    await faulty.created.wait()
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    row = await only_job(studio)
    assert (row.status, row.id) == ("creating", None)
    assert len(faulty.files) == 2
    async for update in follow(studio, remote, row.key):
        assert update.job.id == "ftjob-0"
        break


@pytest.mark.parametrize("reached", ["processing", "creating"])
async def test_a_row_that_never_became_a_job_is_given_up_and_its_files_taken_back(
    studio: Studio, remote: Connection, faulty: FaultyProvider, reached: str
) -> None:
    """As after a crash at that stage: whoever looks later cleans up."""
    running = start(studio, remote, tortoise(), SETTINGS)
    async for stage in running:
        if stage.name == reached:
            break
    assert faulty.files
    row = await only_job(studio)
    async for update in follow(studio, remote, row.key):
        assert update.job.status == "creating", "another process may be at it right now"
        break
    await save_job(studio, msgspec.structs.replace(row, created_at=row.created_at - 3_600_000))
    updates = [update async for update in follow(studio, remote, row.key)]
    assert updates[-1].job.status == "failed"
    assert "never created" in (updates[-1].job.error or "")
    assert not faulty.files
    await running.aclose()


async def test_giving_up_before_creating_takes_the_files_back(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    running = start(studio, remote, tortoise(), SETTINGS)
    async for stage in running:
        if stage.name == "processing":
            break
    assert faulty.files
    await running.aclose()
    assert not faulty.files
    row = await only_job(studio)
    assert (row.status, row.id, row.error) == ("cancelled", None, None)


async def test_an_upload_whose_answer_was_lost_is_taken_back(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    original = faulty._files

    async def kept_but_silent(request, parts):
        answer = await original(request, parts)
        if request.method == "POST":
            await asyncio.sleep(2)
        return answer

    faulty._files = kept_but_silent  # type: ignore[method-assign]
    with pytest.raises(StudioError, match="took too long"):
        await stages(studio, remote)
    assert faulty.bodies and not faulty.files


async def test_nothing_answering_in_the_middle_is_one_sentence(
    studio: Studio, remote: Connection, faulty: FaultyProvider
) -> None:
    await faulty.stop()
    with pytest.raises(StudioError, match="Nothing answers at"):
        await stages(studio, remote)
    await faulty.start()
    assert faulty.bodies == {}


async def test_an_unknown_base_model_is_refused_by_the_real_server(studio: Studio, local: Connection) -> None:
    with pytest.raises(StudioError, match="no model imitatio") as refused:
        await stages(studio, local, TrainSettings("imitatio"))
    assert "Did you mean imitation" in refused.value.hint
    assert [file async for file in local.openai.files.list(purpose="fine-tune")] == []
