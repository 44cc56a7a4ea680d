"""Datasets, jobs and chats: what is kept comes back as it was."""

import msgspec
import pytest

from engine.archive import (
    CheckpointRow,
    ChunkRow,
    DatasetRow,
    EventRow,
    JobRow,
    MetricRow,
    chats,
    datasets,
    jobs,
    open_studio,
)
from engine.errors import StudioError


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


def a_dataset(id, created_at=1):
    return DatasetRow(id, created_at, 'preset = "studio"', "Hare", 2, 1, 0, 300, "studio")


def a_job(key, **more):
    given = {
        "provider": "local",
        "base_model": "imitation",
        "status": "queued",
        "suffix": "hare",
        "system": "You are Hare.",
        "created_at": 1,
    }
    return JobRow(key=key, **(given | more))


CHUNKS = [
    ChunkRow(0, "train", 1, "The race", 100, '[{"role":"user"}]', (1, 2, 3)),
    ChunkRow(1, "valid", 1, "The race", 100, "[]", ()),
    ChunkRow(2, "train", 2, "Night", 100, "[]", (9,)),
]


async def test_a_dataset_is_kept_once_and_never_changed(studio):
    await datasets.save_dataset(studio, a_dataset("abc1"), iter(CHUNKS))
    await datasets.save_dataset(studio, a_dataset("abc1", 99), CHUNKS[:1])
    await datasets.save_dataset(studio, a_dataset("abd2", 2), [])
    assert [row.id for row in await datasets.datasets(studio)] == ["abd2", "abc1"]
    assert await datasets.dataset(studio, "abc1") == a_dataset("abc1")
    assert await datasets.dataset(studio, "abc") == a_dataset("abc1")
    assert await datasets.chunks(studio, "abc1") == CHUNKS
    assert await datasets.chunks(studio, "abc1", "train") == [CHUNKS[0], CHUNKS[2]]
    for unknown in ("ab", "zz", ""):
        with pytest.raises(StudioError):
            await datasets.dataset(studio, unknown)


async def test_half_a_dataset_is_never_kept(studio):
    with pytest.raises(Exception, match="UNIQUE"):
        await datasets.save_dataset(studio, a_dataset("abc1"), [CHUNKS[0], CHUNKS[0]])
    assert await datasets.datasets(studio) == []


async def test_a_job_is_known_by_its_key_and_found_by_any_name(studio):
    old = a_job("0a-key", id="ftjob-1", created_at=1)
    await jobs.save_job(studio, old)
    new = msgspec.structs.replace(
        old, status="succeeded", model="ft:imitation:hare:12345678", step=9, steps=9, train_loss=0.5
    )
    await jobs.save_job(studio, new)
    later = a_job("0b-key", id="ftjob-2", created_at=2)
    await jobs.save_job(studio, later)
    await jobs.save_checkpoints(
        studio, "0a-key", [CheckpointRow("cp1", 5, "ft:imitation:hare:12345678:ckpt-step-5")]
    )
    assert await jobs.jobs(studio) == [later, new]
    for reference in (
        "0a-key",
        "ftjob-1",
        "ft:imitation:hare:12345678",
        "cp1",
        f"{new.model}:ckpt-step-5",
        "0a",
    ):
        assert await jobs.job(studio, reference) == new
    assert await jobs.job(studio, "hare") == later  # the newest of that suffix
    for unknown in ("0", "ftjob", "", "ft:imitation:hre:12345678"):
        with pytest.raises(StudioError) as missing:
            await jobs.job(studio, unknown)
        assert "`understudy jobs`" in missing.value.hint
    assert 'Did you mean "ft:imitation:hare:12345678"' in missing.value.hint


async def test_events_come_once_and_in_order(studio):
    await jobs.save_job(studio, a_job("k"))
    rows = [EventRow(f"e{n}", n // 2, "info", "message", f"Step {n}", '{"a":1}') for n in range(6)]
    await jobs.add_events(studio, "k", rows[:4])
    await jobs.add_events(studio, "k", rows[2:])
    assert await jobs.events(studio, "k") == rows
    assert await jobs.events(studio, "k", 2) == rows[4:]
    assert await jobs.events(studio, "other") == []


async def test_the_parts_of_a_step_make_one_point(studio):
    await jobs.save_job(studio, a_job("k"))
    await jobs.add_metrics(studio, "k", [MetricRow(2, 1.5, None, 0.4), MetricRow(1, 2.0)])
    await jobs.add_metrics(studio, "k", [MetricRow(2, None, 1.7)])
    assert await jobs.metrics(studio, "k") == [MetricRow(1, 2.0), MetricRow(2, 1.5, 1.7, 0.4)]


async def test_checkpoints_are_brought_up_to_date(studio):
    await jobs.save_job(studio, a_job("k"))
    await jobs.save_checkpoints(studio, "k", [CheckpointRow("b", 20, "m:20"), CheckpointRow("a", 10, "m:10")])
    await jobs.save_checkpoints(studio, "k", [CheckpointRow("a", 10, "m:10", 0.5, 0.6)])
    assert await jobs.checkpoints(studio, "k") == [
        CheckpointRow("a", 10, "m:10", 0.5, 0.6),
        CheckpointRow("b", 20, "m:20"),
    ]


async def test_chats(studio):
    first = await chats.create_chat(studio, title="One", model="m", provider="local", system="You are Hare.")
    second = await chats.create_chat(studio, title="Two", model="m", provider="local")
    assert {row.id: row for row in await chats.chats(studio)} == {first.id: first, second.id: second}
    turns = [
        await chats.add_turn(studio, first.id, "user", "hi"),
        await chats.add_turn(studio, first.id, "assistant", "hello", tokens=3, seconds=0.5, first_token=0.1),
        await chats.add_turn(studio, first.id, "user", "bye"),
    ]
    await chats.add_turn(studio, second.id, "user", "elsewhere")
    assert await chats.chat_turns(studio, first.id) == turns
    await chats.delete_turns_after(studio, first.id, turns[0].id)
    assert await chats.chat_turns(studio, first.id) == turns[:1]
    assert len(await chats.chat_turns(studio, second.id)) == 1
    await chats.rename_chat(studio, first.id, "Uno")
    assert {row.title for row in await chats.chats(studio)} == {"Uno", "Two"}
    await chats.delete_chat(studio, first.id)
    assert [row.title for row in await chats.chats(studio)] == ["Two"]
    assert await chats.chat_turns(studio, first.id) == []
    with pytest.raises(StudioError, match="no chat"):
        await chats.add_turn(studio, first.id, "user", "too late")


async def test_broken_texts_of_a_model_are_saved_as_far_as_they_can_be(studio):
    chat = await chats.create_chat(studio, "t \ud800", "model", "local", "be \udc9b")
    await chats.add_turn(studio, chat.id, "assistant", "a \ud83d lone one")
    (turn,) = await chats.chat_turns(studio, chat.id)
    assert "a " in turn.text and turn.text.endswith(" lone one") and turn.text.isprintable()
    turn.text.encode()
    (saved,) = await chats.chats(studio)
    f"{saved.title}{saved.system}".encode()
    await jobs.save_job(studio, a_job("key"))
    await jobs.add_events(
        studio,
        "key",
        [EventRow("e1", 1, "error", "message", "no \ud800"), EventRow("e2", 2, "error", "message", "fine")],
    )
    said = [row.message for row in await jobs.events(studio, "key")]
    assert len(said) == 2 and "fine" in said
    "".join(said).encode()
