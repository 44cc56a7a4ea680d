"""Values in a chat.db that are small and do harm: each costs its row at most, and no time."""

from __future__ import annotations

import plistlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from imessage_database import Database
from typedstream_writer import encode, laughing

from engine.conversation import Conversation
from engine.errors import DataError
from engine.importers import ImportReport
from engine.importers.imessage import IMessageImporter
from engine.importers.imessage_places import is_encrypted
from engine.importers.plists import dictionary

T = 1_700_000_000_000

LOOK = """
import sys
from pathlib import Path
from engine.importers import ImportReport, recognise
report = ImportReport()
for conversation in recognise(Path(sys.argv[1])).conversations(Path(sys.argv[1]), report):
    print(*(message.text for message in conversation.messages), sep="\\n")
"""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chat.db")


def texts(path: Path) -> list[str]:
    """Read in a process of its own: what hangs here would hang the whole run."""
    program = [sys.executable, "-c", LOOK, path]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def load(path: Path) -> list[Conversation]:
    return list(IMessageImporter().conversations(path, ImportReport()))


def laughing_list(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made, made]
    return made


def test_lists_of_twice_the_same_list(database: Database) -> None:
    """The laughing bytes: 500 of them, and 2**50 once somebody writes them out."""
    chat = database.chat("Ann", database.handle("Ann"))
    database.message(chat, 1, T, None, body=laughing(50))
    edits = {
        "ec": {"0": [{"d": 1.0, "t": encode("new")}]},
        "otr": {"0": {}, "1": {}},
        "rp": [1, laughing_list(50)],
    }
    summary = plistlib.dumps(edits, fmt=plistlib.FMT_BINARY)
    assert len(laughing(50)) + len(summary) < 2000
    database.message(chat, 1, T + 1, "old", body=laughing(50), date_edited=1, message_summary_info=summary)
    database.message(chat, 1, T + 2, "bye")
    assert texts(database.close()) == ["hi", "new", "bye"]


@pytest.mark.parametrize(
    "broken",
    [
        b"<plist><dict><key>when</key><date>never</date></dict></plist>",
        b"<plist>" + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>",
        b'<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>',
        b"bplist00" + b"\xff" * 40,
        plistlib.dumps([laughing_list(60)], fmt=plistlib.FMT_BINARY),
        b"",
    ],
)
def test_property_lists(database: Database, tmp_path: Path, broken: bytes) -> None:
    assert dictionary(broken) == {}
    (tmp_path / "Manifest.plist").write_bytes(broken)
    assert not is_encrypted(tmp_path)
    chat = database.chat("Ann", database.handle("Ann"))
    database.message(chat, 1, T, "hi", date_retracted=1, message_summary_info=broken)
    (found,) = load(database.close())
    assert [message.text for message in found.messages] == ["hi"]


def test_a_handle_of_five_thousand_digits(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection, connection:
        connection.execute("CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id)")
        connection.execute("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text, date, handle_id)")
        connection.execute("INSERT INTO message VALUES (1, 'hi', 1, ?)", ("9" * 5000,))
    (found,) = load(tmp_path / "chat.db")
    assert [message.text for message in found.messages] == ["hi"]


def test_chats_that_have_each_others_names(database: Database) -> None:
    """The third one's identifier, guid and number all belong to others."""
    for guid, identifier in (("x 3", "x 3"), ("y", "x"), ("x", "x")):
        chat = database.insert("chat", guid=guid, style=43, chat_identifier=identifier)
        database.message(chat, 0, T + chat, f"in chat {chat}")
    found = load(database.close())
    assert sorted(text for c in found for text in (m.text for m in c.messages)) == [
        f"in chat {n}" for n in (1, 2, 3)
    ]
    assert len({conversation.key for conversation in found}) == 3


def test_a_database_that_is_only_read_as_wal(database: Database, tmp_path: Path) -> None:
    """Its header says otherwise of writing; nothing may be written beside it all the same."""
    database.message(database.chat("Ann", database.handle("Ann")), 1, T, "hi")
    raw = bytearray(database.close().read_bytes())
    raw[18:20] = b"\x73\x02"
    (tmp_path / "chat.db").write_bytes(raw)
    load(tmp_path / "chat.db")
    assert [entry.name for entry in tmp_path.iterdir()] == ["chat.db"]


def test_a_schema_that_is_no_text(database: Database) -> None:
    """SQLite's own sentence about it quotes the bytes."""
    database.message(database.chat("Ann", database.handle("Ann")), 1, T, "hi")
    database.connection.execute("PRAGMA writable_schema = ON")
    change = "UPDATE sqlite_master SET sql = CAST(x'ff2067' AS TEXT), name = CAST(x'c3' AS TEXT)"
    database.connection.execute(change + " WHERE name = 'attachment'")
    with pytest.raises(DataError, match="damaged at its very beginning"):
        load(database.close())
