"""The file itself: made private, opened again, refused where it is not ours."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.archive import chats, open_studio, reading, studio
from engine.errors import StudioError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_new_studio_is_private(tmp_path):
    path = tmp_path / "folder" / "studio.db"
    async with await open_studio(path) as opened:
        await chats.create_chat(opened, title="t", model="m", provider="local")
        assert mode(path) == 0o600
        assert mode(path.parent) == 0o700
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}  # the -wal and -shm too
        assert (await reading.counts(opened)).messages == 0


async def test_a_studio_others_can_read_is_made_private(tmp_path):
    path = tmp_path / "studio.db"
    await (await open_studio(path)).close()
    path.chmod(0o644)
    await (await open_studio(path)).close()
    assert mode(path) == 0o600


async def test_wal_foreign_keys_and_readers_that_only_read(tmp_path):
    async with await open_studio(tmp_path / "s.db") as opened:
        assert await opened.rows(str, "PRAGMA journal_mode") == ["wal"]
        assert await opened.rows(int, "PRAGMA foreign_keys") == [1]
        with pytest.raises(StudioError):
            await opened.rows(int, "DELETE FROM people RETURNING id")
        with pytest.raises(sqlite3.IntegrityError):
            async with opened.writing() as connection:
                await connection.execute("INSERT INTO metrics VALUES ('no such job', 1, 1, 1, 1)")


async def test_what_is_no_studio_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("dear diary, " * 100)
    other = tmp_path / "chat.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE message (text)")
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(StudioError) as refused:
            await open_studio(path)
        assert "is not a studio" in refused.value.message
        assert refused.value.hint
        assert path.read_bytes() == before
    with pytest.raises(StudioError, match="is a folder"):
        await open_studio(tmp_path)
    with pytest.raises(StudioError, match="cannot be written"):
        await open_studio(text / "studio.db")


async def test_a_newer_studio_is_refused(tmp_path):
    path = tmp_path / "s.db"
    await (await open_studio(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StudioError, match="newer Understudy") as refused:
        await open_studio(path)
    assert "Update" in refused.value.hint


async def test_a_damaged_studio_says_so(tmp_path):
    path = tmp_path / "s.db"
    await (await open_studio(path)).close()
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(8192))
    with pytest.raises(StudioError, match="damaged"):
        async with await open_studio(path) as opened:
            await reading.sources(opened)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StudioError, match="cannot be written"):
        await open_studio(tmp_path / "s.db")
    tmp_path.chmod(0o700)


async def test_a_locked_studio_says_who_is_at_it(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    await (await open_studio(path)).close()
    monkeypatch.setattr(studio, "BUSY_MS", 20)
    other = sqlite3.connect(path, isolation_level=None)
    async with await open_studio(path) as opened:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StudioError, match="Another program is writing"):
            await chats.create_chat(opened, title="t", model="m", provider="local")
        assert await chats.chats(opened) == []  # reading goes on
        other.execute("ROLLBACK")
        await chats.create_chat(opened, title="t", model="m", provider="local")
    other.close()


async def test_two_programs_share_a_studio(tmp_path):
    path = tmp_path / "s.db"
    async with await open_studio(path) as screen, await open_studio(path) as command:
        await asyncio.gather(
            *(
                chats.create_chat((screen, command)[n % 2], title=str(n), model="m", provider="local")
                for n in range(20)
            )
        )
        assert len(await chats.chats(screen)) == len(await chats.chats(command)) == 20


async def test_a_failed_write_keeps_nothing(tmp_path):
    async with await open_studio(tmp_path / "s.db") as opened:
        with pytest.raises(ZeroDivisionError):
            async with opened.writing() as connection:
                await connection.execute("INSERT INTO people (name) VALUES ('Hare')")
                raise ZeroDivisionError
        assert (await reading.counts(opened)).people == 0
        await chats.create_chat(opened, title="t", model="m", provider="local")  # and the writer lives on


async def test_a_reader_cancelled_behind_its_answer_does_not_spoil_the_next(tmp_path):
    """The answer has come, its task has not gone on: then it is cancelled, and somebody keeps the error."""
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n"
    async with await open_studio(tmp_path / "s.db") as opened:
        for _ in range(10):
            asked = asyncio.ensure_future(opened.rows(int, sql))
            await asyncio.sleep(0)
            time.sleep(0.05)  # noqa: ASYNC251 - the loop must not see the answer yet
            asyncio.get_running_loop().call_soon(asked.cancel)
            (kept,) = await asyncio.gather(asked, return_exceptions=True)
            await asyncio.sleep(0.01)
            for _ in range(2 * studio.READERS):
                assert sum(await opened.rows(int, sql)) == 500_500
            assert isinstance(kept, asyncio.CancelledError)


async def test_a_cancelled_reader_does_not_spoil_the_next(tmp_path):
    slow = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
        " SELECT max(i) FROM n"
    )
    async with await open_studio(tmp_path / "s.db") as opened:
        for _ in range(studio.READERS):
            task = asyncio.ensure_future(opened.rows(int, slow))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await asyncio.wait_for(opened.rows(int, "SELECT 1"), 5) == [1]


async def test_a_disk_without_room_is_explained(tmp_path):
    """A real limit on the size of files stands in for a full disk."""
    path = tmp_path / "s.db"
    await (await open_studio(path)).close()
    script = """
import asyncio, sys
from pathlib import Path
from engine.archive import chats, open_studio
from engine.errors import StudioError

async def main():
    async with await open_studio(Path(sys.argv[1])) as studio:
        try:
            await chats.create_chat(studio, title="x" * 4_000_000, model="m", provider="local")
        except StudioError as error:
            print(error)

asyncio.run(main())
"""
    limit = 1 << 20
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "written" in done.stdout
    async with await open_studio(path) as opened:
        assert await chats.chats(opened) == []
