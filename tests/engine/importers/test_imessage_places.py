"""Where a chat.db may lie: iPhone backups, zips, and with which address book."""

from __future__ import annotations

import plistlib
import sqlite3
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from imessage_database import Database, write_contacts

from engine.errors import DataError, StudioError
from engine.importers import ImportReport, recognise
from engine.importers.imessage import IMessageImporter

T = 1_700_000_000_000
HARE = "+15550100001"
SMS = "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"
BOOK = "31/31bb7ba8914766d4ba40d6dfb6113c8b614be442"


def a_database(path: Path) -> Path:
    database = Database(path)
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare)
    database.message(chat, hare, T, "hi")
    gone = database.message(None, hare, T + 1, "take that back")
    database.insert("chat_recoverable_message_join", chat_id=chat, message_id=gone, delete_date=1)
    return database.close()


def titles(path: Path, importer: IMessageImporter | None = None) -> dict[str, list[str]]:
    report = ImportReport()
    importer = importer or IMessageImporter()
    found = {c.title: [m.text for m in c.messages] for c in importer.conversations(path, report)}
    assert report.rows_read == report.kept + sum(report.skipped.values()) == 2
    return found


def iphone_contacts(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            f"""CREATE TABLE ABPerson (ROWID INTEGER PRIMARY KEY, First, Last, Organization, Nickname);
                CREATE TABLE ABMultiValue (UID, record_id, property, value);
                INSERT INTO ABPerson VALUES (1, 'Hare', 'Swift', NULL, NULL), (2, NULL, NULL, NULL, NULL);
                INSERT INTO ABMultiValue VALUES (1, 1, 3, '{HARE}'), (3, 1, 4, NULL);"""
        )
    connection.close()


def test_an_iphone_backup_with_its_contacts(tmp_path: Path) -> None:
    a_database(tmp_path / SMS)
    iphone_contacts(tmp_path / BOOK)
    (tmp_path / "Manifest.plist").write_bytes(plistlib.dumps({"IsEncrypted": False}))
    assert isinstance(recognise(tmp_path), IMessageImporter)
    assert titles(tmp_path) == {"Hare Swift": ["hi"]}


def test_a_backup_of_before_ios_10_has_no_folders_inside(tmp_path: Path) -> None:
    a_database(tmp_path / Path(SMS).name)
    iphone_contacts(tmp_path / Path(BOOK).name)
    assert isinstance(recognise(tmp_path), IMessageImporter)
    assert titles(tmp_path) == {"Hare Swift": ["hi"]}
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for place in (SMS, BOOK):
            archive.write(tmp_path / Path(place).name, f"backup/{Path(place).name}")
    assert titles(tmp_path / "mine.zip") == {"Hare Swift": ["hi"]}


def test_an_encrypted_backup_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "3d").mkdir()
    (tmp_path / SMS).write_bytes(b"\x8f" * 5000)
    (tmp_path / "Manifest.plist").write_bytes(plistlib.dumps({"IsEncrypted": True}))
    with pytest.raises(StudioError, match="is encrypted") as caught:
        next(recognise(tmp_path).conversations(tmp_path, ImportReport()))
    assert "Encrypt local backup" in caught.value.hint


@pytest.mark.parametrize("inside", ["chat.db", "Messages/chat.db", SMS, "backup/" + SMS])
def test_a_zip(tmp_path: Path, inside: str) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(a_database(tmp_path / "chat.db"), inside)
        archive.writestr("__MACOSX/chat.db", "a shadow")
    assert isinstance(recognise(tmp_path / "mine.zip"), IMessageImporter)
    assert titles(tmp_path / "mine.zip") == {HARE: ["hi"]}
    assert {entry.name for entry in tmp_path.iterdir()} == {"chat.db", "mine.zip"}


def test_a_zip_that_is_a_bomb_or_damaged(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chat.db", bytes(20_000_000))
    with pytest.raises(StudioError, match="unpacks to"):
        titles(bomb)
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("chat.db", b"SQLite format 3\0" * 1000)
    raw = bytearray(bomb.read_bytes())
    raw[200:210] = b"x" * 10
    bomb.write_bytes(raw)
    with pytest.raises(DataError, match="cannot be unpacked"):
        titles(bomb)


def test_an_address_book_of_ones_choice(tmp_path: Path) -> None:
    path = a_database(tmp_path / "chat.db")
    books = tmp_path / "AddressBook" / "Sources" / "1"
    books.mkdir(parents=True)
    write_contacts(books, {HARE: ("Hare", "Chosen")})
    for chosen in (tmp_path / "AddressBook", books / "AddressBook-v22.abcddb"):
        assert titles(path, IMessageImporter(chosen)) == {"Hare Chosen": ["hi"]}
    with pytest.raises(StudioError, match="no address book"):
        titles(path, IMessageImporter(tmp_path / "nowhere"))


def test_recently_deleted_messages_on_request(tmp_path: Path) -> None:
    path = a_database(tmp_path / "chat.db")
    assert titles(path) == {HARE: ["hi"]}
    assert titles(path, IMessageImporter(include_deleted=True)) == {HARE: ["hi", "take that back"]}


def test_an_import_may_go_on_in_another_thread(tmp_path: Path) -> None:
    found = IMessageImporter().conversations(a_database(tmp_path / "chat.db"), ImportReport())
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        assert one.submit(next, found).result().title == HARE
        assert other.submit(list, found).result() == []
