"""Exports that are read by processes of their own: the same comes out, and none of them stays behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
from imessage_database import Database
from messenger_export import said, write_thread

from engine.archive import open_studio, reading
from engine.errors import DataError, StudioError
from engine.importers import ImportReport
from engine.importers.finding import Export, recognise_all
from engine.importing import begin, finish
from engine.packed import packed
from engine.readers import reading as readers


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(readers, "_WORTH", 0)


def messenger(folder: Path, threads: int = 7, rows: int = 40) -> Export:
    export = folder / "export"
    for n in range(threads):
        people = ["Wren", f"Friend {n}" if n % 3 else "Facebook user"]
        texts = ("tide 🦦", "two words", "", "日本", "Zoë\0", "naïve")
        messages = [
            said(people[i % 2], 1_000_000 + 7 * i, texts[i % len(texts)] or None) for i in range(rows)
        ]
        messages.append(said("Wren", 999_999, "look", reactions=[{"reaction": "❤", "actor": "Wren"}]))
        # Two folders are one thread, which only who reads both can join.
        write_thread(export, f"same_{n // 2}", messages, people, section=("inbox", "archived_threads")[n % 2])
    (export / "your_activity_across_facebook/messages/inbox/same_0/message_9.json").write_text(
        '{"messages": ['
    )
    (found,) = recognise_all([export]).exports
    return found


def together(conversations):
    return [
        (one.key, one.title, one.senders, one.is_group, one.section, one.also, list(one.messages))
        for one in conversations
    ]


def test_two_processes_tell_what_one_reader_would_have_told(tmp_path):
    export = messenger(tmp_path)
    alone, shared = ImportReport(), ImportReport()
    expected = together(map(packed, export.conversations(alone)))
    tasks = readers.tasks(export)
    assert [task.of for task in tasks] == [2, 2]
    assert together(readers.read(tasks, shared)) == expected
    assert len(expected) == shared.conversations == 4
    assert shared.joined == 3
    assert shared.rows_read > 200
    assert shared.bad_files
    for report in (alone, shared):
        report.rows_total = None  # an estimate
        report.examples = {line: sorted(rows) for line, rows in report.examples.items()}
    assert shared == alone


def test_a_database_too(tmp_path):
    database = Database(tmp_path / "chat.db")
    for n in range(3):
        friend = database.handle(f"+4917{n}")
        chat = database.chat(f"+4917{n}", friend)
        for i in range(20):
            time = 1_600_000_000_000 + 1000 * i
            database.message(chat, friend, time, f"hello {i}", mine=bool(i % 2))
    database.close()
    (export,) = recognise_all([tmp_path / "chat.db"]).exports
    alone, shared = ImportReport(), ImportReport()
    expected = together(map(packed, export.conversations(alone)))
    assert together(readers.read(readers.tasks(export), shared)) == expected
    assert len(expected) == 3
    assert (shared.kept, shared.skipped) == (alone.kept, alone.skipped)


async def test_what_they_read_gets_into_the_studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as studio:
        imported = await finish(studio, await begin(messenger(tmp_path)))
        assert (await reading.counts(studio)).messages == imported.report.kept > 100


async def test_a_refusal_is_told_as_it_is(tmp_path):
    export = messenger(tmp_path)
    for file in export.paths[0].rglob("*.json"):
        file.write_text('{"participants": [], "messages": [')
    with pytest.raises(DataError, match="ends in the middle"):
        await begin(export)


def readers_of(process: int) -> list[int]:
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in found.stdout.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == process and "engine.readers" in row[2]]


def gone(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_one_that_is_killed_changes_nothing_and_is_told_of(tmp_path):
    export = messenger(tmp_path, rows=20_000)
    async with await open_studio(tmp_path / "studio.db") as studio:
        begun = await begin(export)
        for pid in readers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(StudioError, match="ended unexpectedly"):
            await finish(studio, begun)
        assert (await reading.counts(studio)).messages == 0
        assert readers_of(os.getpid()) == []


async def test_none_is_left_when_an_import_is_cancelled(tmp_path):
    export = messenger(tmp_path, rows=20_000)
    async with await open_studio(tmp_path / "studio.db") as studio:
        begun = await begin(export)
        assert readers_of(os.getpid())
        with pytest.raises(StudioError, match="cancelled"):
            await finish(studio, begun, cancelled=lambda: True)
        assert readers_of(os.getpid()) == []


def test_none_outlives_the_program(tmp_path):
    messenger(tmp_path, rows=20_000)
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from engine.importers import ImportReport
        from engine.importers.finding import recognise_all
        from engine.readers import reading
        reading._WORTH = 0
        (export,) = recognise_all([Path(sys.argv[1])]).exports
        conversations = reading.read(reading.tasks(export), ImportReport())
        next(conversations)
        print("begun", flush=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "export")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    left = readers_of(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while not all(map(gone, left)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_where_no_process_can_be_started_that_is_said(tmp_path, monkeypatch):
    export = messenger(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(StudioError, match="No process could be started"):
        next(readers.read(readers.tasks(export), ImportReport()))


def test_a_mistake_in_a_process_says_where_and_quotes_nothing():
    task = readers.Task("messenger", (b"/private\0name",), None, False, 0, 1)  # no path that a system takes
    with pytest.raises(StudioError, match="never should") as told:
        next(readers.read([task], ImportReport()))
    assert "private" not in str(told.value)
