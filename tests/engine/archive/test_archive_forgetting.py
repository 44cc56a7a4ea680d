"""Forgetting a source: nothing of it is left in any table, nor in the bytes of the file."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import studio_builder

from engine.archive import (
    JobRow,
    Studio,
    chats,
    datasets,
    forgetting,
    ingest,
    open_studio,
    people,
    reading,
    searching,
)
from engine.archive.jobs import job, save_job
from engine.archive.studio import connect
from engine.conversation import Conversation, Message, Reaction, Sender
from engine.dataset import make, preset, save
from engine.errors import StudioError
from engine.importers.report import ImportReport

WORD = "quixotically"
NAME = "Zaphira"
OWNER = "Tortoise"


def secret(lines: int = 90) -> Conversation:
    """A conversation with a word and a name that nothing else holds."""
    people = (Sender("z", NAME), Sender("tortoise", OWNER, is_owner=True))
    said = [
        Message(
            f"s{index}",
            people[index % 2].key,
            studio_builder.START + index * 60_000,
            f"{WORD} said, line {index}",
            reactions=(Reaction(NAME, WORD),),
            reply_to=f"s{index - 1}" if index else None,
        )
        for index in range(lines)
    ]
    return Conversation(f"thread {WORD}", f"about {WORD}", people, said)


async def add(studio: Studio, source: str, *conversations: Conversation) -> None:
    await ingest.ingest(
        studio,
        source=source,
        importer="test",
        path=f"/{source}",
        conversations=iter(conversations),
        report=ImportReport(),
        owner=OWNER,
    )


@pytest.fixture
async def studio(tmp_path: Path):
    """One source to forget, one to keep; a dataset of both, one of the kept alone, and a job."""
    async with await open_studio(tmp_path / "studio.db") as opened:
        await add(opened, "kept", studio_builder.fable(200))
        owner = await people.find_person(opened, OWNER)
        await save(opened, await make(opened, preset("studio"), owner))
        await add(opened, "secret", secret())
        await save(opened, await make(opened, preset("studio"), owner))
        [newest, _] = await datasets.datasets(opened)
        await save_job(
            opened,
            JobRow(
                key="k1", id="ftjob-1", provider="local", base_model="imitation", model="ft:imitation:z:1",
                status="succeeded", dataset=newest.id, suffix="z", system="", created_at=1,
            ),
        )  # fmt: skip
        await chats.create_chat(opened, "a chat", "ft:imitation:z:1:ckpt-step-10", "local")
        yield opened


def in_files(path: Path, word: str) -> bool:
    files = (path, path.with_name(path.name + "-wal"))
    return any(word.encode() in file.read_bytes() for file in files if file.exists())


async def test_the_words_are_gone_from_the_bytes_of_the_file(studio: Studio) -> None:
    assert in_files(studio.path, WORD) and in_files(studio.path, NAME)
    assert await searching.search(studio, WORD)
    done = await forgetting.forget(studio, await forgetting.find_source(studio, "secret"))
    assert done.erased
    for word in (WORD, WORD[1:], NAME):
        assert not in_files(studio.path, word)
    assert not await searching.search(studio, WORD)
    assert await searching.search(studio, "balanced approach")
    await studio.close()
    assert not in_files(studio.path, WORD)


async def test_what_went_is_said_and_the_rest_stays_sound(studio: Studio) -> None:
    source = await forgetting.find_source(studio, "SECRET")
    before = await forgetting.preview(studio, source)
    kept = await reading.counts(studio)
    done = await forgetting.forget(studio, source)
    assert done == before
    assert (done.conversations, done.messages, done.people, done.ai) == (1, 90, 1, None)
    assert len(done.datasets) == 1
    assert [one.key for one in done.jobs] == ["k1"]
    assert done.models == (("local", "ft:imitation:z:1"),)
    assert done.chats == 1
    assert (await job(studio, "k1")).dataset is None
    [left] = await datasets.datasets(studio)
    assert await datasets.chunks(studio, left.id)
    counts = await reading.counts(studio)
    assert counts.messages == kept.messages - 90 == 200
    assert [row.name for row in await reading.sources(studio)] == ["kept"]
    owner = await people.find_person(studio, OWNER)
    assert owner.is_owner and owner.sources == ("kept",)
    with connect(studio.path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)")
    connection.close()
    await add(studio, "secret", secret())
    assert (await reading.counts(studio)).messages == 290


async def test_the_ai_sender_and_joined_people(studio: Studio) -> None:
    hare, stranger = [await people.find_person(studio, name) for name in ("Hare", NAME)]
    await people.set_ai(studio, stranger.id)
    source = await forgetting.find_source(studio, "secret")
    assert (await forgetting.preview(studio, source)).ai == NAME
    await people.join(studio, stranger.id, hare.id)
    assert (await forgetting.preview(studio, source)).ai is None
    await forgetting.forget(studio, source)
    chosen = await people.ai(studio)
    assert chosen is not None and chosen.name == "Hare", "the joined person stays, under a name still known"
    kept = await forgetting.find_source(studio, "kept")
    assert (await forgetting.forget(studio, kept)).ai == "Hare"
    assert await people.ai(studio) is None
    assert await people.people(studio) == []


async def test_unknown_names_and_running_trainings_are_refused(studio: Studio) -> None:
    with pytest.raises(StudioError) as refused:
        await forgetting.find_source(studio, "secert")
    assert 'Did you mean "secret"?' in refused.value.hint
    with pytest.raises(StudioError, match="There are: secret, kept"):
        await forgetting.find_source(studio, "@@@")
    row = await job(studio, "k1")
    fields = {name: getattr(row, name) for name in row.__struct_fields__} | {"status": "running"}
    await save_job(studio, JobRow(**fields))
    with pytest.raises(StudioError, match="going on"):
        await forgetting.forget(studio, await forgetting.find_source(studio, "secret"))
    assert await searching.search(studio, WORD)


async def test_another_program_that_reads_is_told_of(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "READER_MS", 20)
    other = sqlite3.connect(studio.path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM messages").fetchone()
    done = await forgetting.forget(studio, await forgetting.find_source(studio, "secret"))
    assert not done.erased
    assert not await searching.search(studio, WORD)
    other.close()
    await studio.close()
    assert not in_files(studio.path, WORD), "gone once everybody has closed it"


def test_without_room_for_a_second_copy_the_words_are_gone_all_the_same(tmp_path: Path) -> None:
    """A real limit on the size of files stands in for a full disk."""
    path = tmp_path / "studio.db"
    script = """
import asyncio, resource, signal, sys
from pathlib import Path
from test_archive_forgetting import add, secret
import studio_builder
from engine.archive import forgetting, open_studio

async def main():
    path = Path(sys.argv[1])
    async with await open_studio(path) as studio:
        await add(studio, "kept", studio_builder.fable(30_000))
        await add(studio, "secret", secret())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = path.stat().st_size  # what is deleted fits into the log, a whole copy does not
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    async with await open_studio(path) as studio:
        done = await forgetting.forget(studio, await forgetting.find_source(studio, "secret"))
        print(*forgetting.left(done), done.erased, done.shrunk, sep="|")

asyncio.run(main())
"""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert done.stdout.strip().endswith("True|False"), done.stderr
    assert "keeps its size" in done.stdout and "Another program" not in done.stdout
    assert not in_files(path, WORD) and not in_files(path, NAME)
