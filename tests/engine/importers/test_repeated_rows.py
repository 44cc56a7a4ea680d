"""Rows that come twice, in extracts and in damaged pages: each is kept once or counted with its reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import accounted
import pytest
from imessage_database import Database, nanoseconds

from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport

T = 1_700_000_000_000
HARE = "+15550100001"
PAGE = 4096


def load(path: Path) -> tuple[list[tuple[str, str, int]], ImportReport]:
    """(guid, text, number of attachments) of each message."""
    report = ImportReport()
    found = [m for c in IMessageImporter().conversations(path, report) for m in c.messages]
    accounted.check(report)
    accounted.check_places(report)
    assert len({m.key for m in found}) == len(found)
    return [(m.key, m.text, len(m.attachments)) for m in found], report


def extract(path: Path, lines: int = 0) -> Path:
    """As CREATE TABLE AS makes one: ROWID is a column like any other. lines: more rows, with long texts."""
    with closing(sqlite3.connect(path)) as made:
        made.executescript(
            f"""CREATE TABLE message (ROWID INT, guid TEXT, text TEXT, handle_id INT, date INT);
                CREATE TABLE handle (ROWID INT, id TEXT);
                CREATE TABLE attachment (ROWID INT, filename TEXT);
                CREATE TABLE chat_message_join (chat_id INT, message_id INT);
                CREATE TABLE message_attachment_join (message_id INT, attachment_id INT);
                INSERT INTO handle VALUES (1, '{HARE}');
                INSERT INTO message VALUES
                    (5, 'a', 'slow', 1, {nanoseconds(T)}), (6, 'b', 'fast', 1, {nanoseconds(T + 1)}),
                    (6, 'b', 'fast', 1, {nanoseconds(T + 1)}), (6, 'c', 'another', 1, {nanoseconds(T + 2)}),
                    (7, NULL, 'nameless', 1, {nanoseconds(T + 3)}), (7, NULL, 'too', 1, {nanoseconds(T + 4)}),
                    (NULL, 'd', 'numberless', 1, {nanoseconds(T)}), ('x', 'e', 'odd', 1, {nanoseconds(T)});
                INSERT INTO chat_message_join VALUES (1, 5), (1, 6), (1, 7);
                INSERT INTO attachment VALUES (3, 'a.jpeg'), (3, 'a.jpeg');
                INSERT INTO message_attachment_join VALUES (5, 3), (5, 3);"""
        )
        for n in range(lines):
            row = 100 + n // 2, f"line {n}", "x" * 300, 1, nanoseconds(T + 10 + n)
            made.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
        made.execute("INSERT INTO chat_message_join SELECT DISTINCT 1, ROWID FROM message WHERE ROWID >= 100")
        made.execute("DELETE FROM chat_message_join WHERE message_id = 'x'")
        made.commit()
    return path


def test_an_extract_whose_rowid_comes_twice(tmp_path: Path) -> None:
    messages, report = load(extract(tmp_path / "chat.db"))
    assert messages == [
        *(("a", "slow", 1), ("b", "fast", 0), ("c", "another", 0)),
        *(("row 5", "nameless", 0), ("row 6", "too", 0)),
    ]
    assert report.skipped == {"repeated in the database": 1, "in no conversation": 2}
    assert report.rows_read == report.rows_total == 8
    assert report.behind("skipped: in no conversation") == [
        ("message ROWID 7", T, "numberless"),
        ("message ROWID 8", T, "odd"),
    ]


def test_a_damaged_extract_whose_rowid_comes_twice(tmp_path: Path) -> None:
    path = extract(tmp_path / "chat.db", lines=400)
    raw = bytearray(path.read_bytes())
    pages = [
        at for at in range(PAGE, len(raw), PAGE) if raw[at] == 0x0D and b"line 200" in raw[at : at + PAGE]
    ]
    assert len(pages) == 1
    wiped = raw[pages[0] : pages[0] + PAGE].count(b"x" * 300)
    raw[pages[0] : pages[0] + PAGE] = b"\xa5" * PAGE
    path.write_bytes(raw)
    messages, report = load(path)
    assert [reason for _, reason in report.bad_files] == [
        reason for _, reason in report.bad_files if "table message" in reason
    ]
    assert len(report.bad_files) == 1
    assert len(messages) == 5 + 400 - wiped
    assert report.skipped == {"repeated in the database": 1, "in no conversation": 2}


@pytest.fixture
def long_one(tmp_path: Path) -> Path:
    database = Database(tmp_path / "chat.db")
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare)
    for n in range(400):
        database.message(chat, hare, T + n, f"line {n:03} " + "x" * 300, guid=f"guid-{n:03}")
    return Path(database.close())


def leaves(raw: bytes | bytearray) -> list[int]:
    """Where the pages begin that hold messages and nothing else."""
    return [at for at in range(PAGE, len(raw), PAGE) if raw[at] == 0x0D and b"xxxx" in raw[at : at + PAGE]]


def test_a_page_that_stands_twice(long_one: Path) -> None:
    raw = bytearray(long_one.read_bytes())
    twice, gone = leaves(raw)[3:5]
    lost = raw[gone : gone + PAGE].count(b"x" * 300)
    raw[gone : gone + PAGE] = raw[twice : twice + PAGE]
    long_one.write_bytes(raw)
    messages, report = load(long_one)
    assert len(messages) == 400 - lost
    assert report.bad_files
    assert all("table message" in reason for _, reason in report.bad_files)


def test_a_guid_that_damage_made_another(long_one: Path) -> None:
    """The index on guid still says that each is there once, and so does a quick check."""
    raw = bytearray(long_one.read_bytes())
    (page,) = [at for at in leaves(raw) if b"guid-200" in raw[at : at + PAGE]]
    at = raw.index(b"guid-200", page)
    raw[at : at + 8] = b"guid-199"
    long_one.write_bytes(raw)
    messages, report = load(long_one)
    assert len(messages) == 399
    assert report.skipped == {"repeated in the database": 1}
    assert report.rows_read == 400


def test_an_index_that_damage_gave_a_row_that_is_nowhere(tmp_path: Path) -> None:
    """A quick check does not see that an index and its table say different things."""
    database = Database(tmp_path / "chat.db")
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare)
    for n in range(300):
        database.message(chat, hare, T + n, f"line {n}")
    path = database.close()
    with closing(sqlite3.connect(path)) as connection:
        # Each entry of the index that SQLite counts and lists by: its handle, then its ROWID.
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'message_idx_handle_id'"
        ).fetchone()
    raw = bytearray(path.read_bytes())
    page = slice((root - 1) * PAGE, root * PAGE)
    assert raw[page][0] == 0x0A  # one leaf
    last = raw[page].index(b"\x03\x09\x02\x01\x2c")  # a head of three bytes, handle 1, ROWID 300
    raw[page.start + last + 3 : page.start + last + 5] = b"\x7f\x2c"
    path.write_bytes(raw)
    messages, report = load(path)
    assert len(messages) == 300
    assert not report.skipped
