"""Opening live, copied and damaged databases: every row is seen, and nothing is written beside them."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from imessage_database import Database

from engine.errors import DataError, StudioError
from engine.importers import recognise
from engine.importers.imessage import IMessageImporter
from engine.importers.opening import denied, snapshot
from engine.importers.report import ImportReport

T = 1_700_000_000_000


def trace(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def load(path: Path) -> tuple[list[str], ImportReport]:
    report = ImportReport()
    texts = [m.text for c in IMessageImporter().conversations(path, report) for m in c.messages]
    assert report.rows_read == report.kept + sum(report.skipped.values())
    return texts, report


@pytest.fixture
def live(tmp_path: Path) -> Database:
    """20 rows in the database, 10 more in its -wal; still open, as Messages keeps it."""
    database = Database(tmp_path / "live" / "chat.db")
    database.connection.execute("PRAGMA journal_mode = WAL")
    hare = database.handle("+15550100001")
    chat = database.chat("+15550100001", hare)
    for n in range(20):
        database.message(chat, hare, T + n, f"{n}")
    database.connection.commit()
    database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.connection.execute("PRAGMA wal_autocheckpoint = 0")
    for n in range(20, 30):
        database.message(chat, hare, T + n, f"{n}")
    database.connection.commit()
    return database


@pytest.mark.parametrize(
    ("files", "rows", "warned"),
    [
        (["", "-wal", "-shm"], 30, False),
        (["", "-wal"], 30, False),
        ([""], 20, True),
    ],
)
def test_copies(live: Database, tmp_path: Path, files: list[str], rows: int, warned: bool) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for ending in files:
        shutil.copy(f"{live.path}{ending}", copy)
    before = trace(copy)
    assert IMessageImporter().recognises(copy)
    texts, report = load(copy)
    assert len(texts) == rows
    assert any("newest messages may be missing" in warning for warning in report.warnings) == warned
    assert trace(copy) == before


READER = """
import sys
from pathlib import Path
from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport
path, report = Path(sys.argv[1]), ImportReport()
assert IMessageImporter().recognises(path)
print(sum(len(list(c.messages)) for c in IMessageImporter().conversations(path, report)), report.warnings)
"""


def test_a_live_database(live: Database) -> None:
    before = trace(live.path.parent)
    # Its own process: the database is open in this one, as it is in Messages.
    done = subprocess.run(
        [sys.executable, "-c", READER, live.path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "30 []\n"
    assert trace(live.path.parent) == before
    live.connection.execute("DELETE FROM message WHERE text = '29'")  # its owner can still write
    live.connection.commit()
    assert len(load(live.path)[0]) == 29


def test_without_room_for_a_copy_it_is_read_as_it_lies_and_says_what_is_missing(
    live: Database, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = trace(live.path.parent)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"  # no larger file
    done = subprocess.run(
        [sys.executable, "-c", limit + READER, live.path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert done.stdout.startswith("20 [")
    assert "the newest messages may be missing" in done.stdout
    assert trace(live.path.parent) == before
    assert list(scratch.iterdir()) == []


def test_a_database_whose_tables_are_still_in_the_wal(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "chat.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        """CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text, date, handle_id); CREATE TABLE handle (id);
           INSERT INTO message VALUES (1, 'new', 1, 'Hare');"""
    )
    assert IMessageImporter().recognises(tmp_path / "chat.db")
    assert load(tmp_path)[0] == ["new"]
    connection.close()


def test_the_private_copy_is_private_and_gone_afterwards(
    live: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with snapshot(live.path, []):
        modes = {stat.S_IMODE(entry.stat().st_mode) & 0o077 for entry in scratch.rglob("*")}
        assert modes == {0}
    assert list(scratch.iterdir()) == []
    found = IMessageImporter().conversations(live.path, ImportReport())
    next(found)
    assert list(scratch.iterdir()) != []
    found.close()  # type: ignore[attr-defined] - abandoned in the middle
    assert list(scratch.iterdir()) == []


def test_a_damaged_database_gives_all_but_the_bad_pages(tmp_path: Path) -> None:
    database = Database(tmp_path / "chat.db")
    hare = database.handle("+15550100001")
    chat = database.chat("+15550100001", hare)
    for n in range(2000):
        database.message(chat, hare, T + n, f"line {n} " + "x" * 60)
    path = database.close()
    raw = bytearray(path.read_bytes())
    # Pages that hold rows of `message` and nothing else: wipe three of them.
    pages = [at for at in range(4096, len(raw), 4096) if raw[at] == 0x0D and b"line 1" in raw[at : at + 4096]]
    for at in random.Random(4).sample(pages, 3):
        raw[at : at + 4096] = b"\xa5" * 4096
    path.write_bytes(raw)
    assert IMessageImporter().recognises(path)
    texts, report = load(path)
    assert 1800 < len(texts) < 2000
    assert len(report.bad_files) == 3
    lost = sum(
        int(last.replace(",", "")) - int(first.replace(",", "")) + 1
        for _, reason in report.bad_files
        for first, _, last in [reason.split("rows ")[1].removesuffix(" cannot be read").partition(" to ")]
    )
    assert len(texts) == 2000 - lost
    assert path.read_bytes() == bytes(raw)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"just some notes\n", "is not an SQLite database"),
        (b"SQLite format 3\0 cut", "is not an SQLite database"),
        (b"SQLite format 3\0" + b"\1" * 5000, "damaged"),
    ],
)
def test_what_is_no_database(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "chat.db").write_bytes(content)
    assert not IMessageImporter().recognises(tmp_path)
    with pytest.raises(StudioError, match=sentence) as caught:
        load(tmp_path)
    assert caught.value.hint


def test_another_kind_of_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.execute("CREATE TABLE message (id, subject)")
    connection.close()
    assert not IMessageImporter().recognises(tmp_path)
    with pytest.raises(StudioError, match="not one of iMessage"):
        load(tmp_path)
    with pytest.raises(StudioError, match=r"no chat\.db"):
        load(tmp_path / ".." / tmp_path.name / "..")


def test_the_refusal_names_full_disk_access() -> None:
    error = denied(Path("chat.db"), PermissionError(1, "Operation not permitted"))
    assert "Full Disk Access" in error.hint
    assert "Operation not permitted" in error.message
    assert "room" in denied(Path("chat.db"), OSError(28, "No space left on device")).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_entered_names_full_disk_access(live: Database) -> None:
    folder = live.path.parent
    folder.chmod(0)
    try:
        assert not IMessageImporter().recognises(folder)
        with pytest.raises(StudioError, match="may not be read") as caught:
            load(folder)
        assert "Full Disk Access" in caught.value.hint
        with pytest.raises(StudioError) as caught:
            recognise(folder)
        assert "Full Disk Access" in caught.value.hint
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(live: Database) -> None:
    live.path.chmod(0)
    assert not IMessageImporter().recognises(live.path)
    with pytest.raises(StudioError, match="may not be read"):
        load(live.path)


def test_damage_without_a_place_to_say_so_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "book.db").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    with pytest.raises(DataError, match="damaged"), snapshot(tmp_path / "book.db", []):
        pass


@pytest.mark.parametrize("table", ["message", "chat_message_join", "chat_handle_join"])
def test_an_index_that_says_something_else_is_named_and_nothing_is_lost(tmp_path: Path, table: str) -> None:
    """Rows that were put into a table behind its index's back: quick_check finds nothing wrong."""
    database = Database(tmp_path / "chat.db")
    hare, owl = database.handle("+15550100001"), database.handle("+15550100002")
    connection = database.connection
    connection.execute(f"CREATE INDEX hidden ON {table} ({'guid' if table == 'message' else 'chat_id'})")
    connection.commit()
    connection.execute("PRAGMA writable_schema = ON")
    kept = connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master").fetchall()
    connection.execute("DELETE FROM sqlite_master WHERE name = 'hidden'")
    connection.commit()
    connection.execute("PRAGMA writable_schema = RESET")
    chat = database.chat("+15550100001", hare, owl)
    for n in range(50):
        database.message(chat, (hare, owl)[n % 2], T + n, f"{n}")
    connection.commit()
    connection.execute("PRAGMA writable_schema = ON")
    (row,) = [one for one in kept if one[1] == "hidden"]
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    path = database.close()
    with sqlite3.connect(path) as looked_at:
        assert looked_at.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert looked_at.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    texts, report = load(path)
    assert texts == [f"{n}" for n in range(50)]
    (note,) = [one for one in report.warnings if "quick check" in one]
    assert "chat.db is damaged" in note and "hidden" in note
    assert not report.bad_files


def test_whoever_stops_does_not_wait_for_a_check(live: Database) -> None:
    """Closing what is read ends the look for damage with it."""
    path = live.close()
    conversations = IMessageImporter().conversations(path, ImportReport())
    next(conversations)
    before = {thread.name for thread in threading.enumerate()}
    conversations.close()  # type: ignore[attr-defined]
    assert {thread.name for thread in threading.enumerate()} <= before
