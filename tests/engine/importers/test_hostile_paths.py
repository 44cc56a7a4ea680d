"""Paths and databases that hang or crash a careless reader: each ends, in a sentence or in messages."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from imessage_database import Database
from messenger_export import said, write_thread

from engine.errors import DataError, StudioError
from engine.importers import ImportReport, recognise
from engine.importers.imessage import IMessageImporter
from engine.importers.messenger import MessengerImporter
from engine.importers.opening import snapshot
from engine.importers.salvage import salvage

T = 1_700_000_000_000

# Its own process: what hangs here would hang the whole run.
LOOK = """
import sys
from pathlib import Path
from engine.errors import StudioError
from engine.importers import ImportReport, recognise
path, report = Path(sys.argv[1]), ImportReport()
try:
    found = [len(list(c.messages)) for c in recognise(path).conversations(path, report)]
    print("messages", sum(found))
except StudioError as error:
    print("refused", error)
"""


def look(path: Path, seconds: int = 20) -> str:
    """ "messages N" or "refused <sentence>". Fails where it takes longer."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True, timeout=seconds
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    database = Database(tmp_path_factory.mktemp("sound") / "chat.db")
    hare = database.handle("+15550100001")
    chat = database.chat("+15550100001", hare)
    for n in range(1500):
        database.message(chat, hare, T + n, f"line {n} " + "x" * 40)
    return database.close().read_bytes()


@pytest.mark.parametrize(
    ("seed", "spots", "size", "cut"),
    [(3, 30, 1, 1000), (1, 30, 50, 0), (5, 30, 1, 1000), (6, 30, 50, 0), (7, 3, 4096, 1000), (8, 3, 50, -1)],
)
def test_every_damaged_database_ends(
    sound: bytes, tmp_path: Path, seed: int, spots: int, size: int, cut: int
) -> None:
    chance = random.Random(seed)
    raw = bytearray(sound)
    for _ in range(spots):
        at = chance.randrange(4096, len(raw) - size)
        raw[at : at + size] = chance.randbytes(size)
    path = tmp_path / "chat.db"
    path.write_bytes(raw[: len(raw) // 2 if cut < 0 else len(raw) - cut])
    outcome, _, rest = look(path).partition(" ")
    assert (outcome == "messages" and int(rest) > 0) or (outcome == "refused" and rest.endswith("."))


def test_rows_whose_rowid_falls_are_lost_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text)")
    rowids = [1, 2, 3, 4, 5, 6, 900, 901, 902]
    connection.executemany("INSERT INTO message VALUES (?, 'x')", [(rowid,) for rowid in rowids])
    connection.commit()
    connection.close()
    raw = bytearray((tmp_path / "a.db").read_bytes())
    page = 4096  # the leaf of `message`: 8 bytes, then 2 for the place of each row, in the order of ROWIDs
    places = {rowid: raw[page + 8 + 2 * n : page + 10 + 2 * n] for n, rowid in enumerate(rowids)}
    order = [1, 2, 900, 3, 4, 2, 5, 5, 6]  # leaping, falling and repeated
    raw[page + 8 : page + 8 + 2 * len(order)] = b"".join(places[rowid] for rowid in order)
    (tmp_path / "a.db").write_bytes(raw)
    damaged = sqlite3.connect(tmp_path / "a.db")
    assert [row[0] for row in damaged.execute("SELECT ROWID FROM message ORDER BY ROWID")] == order
    target = sqlite3.connect(":memory:", isolation_level=None)
    lost = salvage(damaged, target)
    assert [row[0] for row in target.execute("SELECT ROWID FROM message")] == [1, 2, 3, 4, 5, 6]
    assert [(loss.first, loss.last) for loss in lost] == [(2, 2), (5, 5), (900, 900)]


def test_an_error_of_writing_is_no_damage(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(sound)
    target = sqlite3.connect(":memory:", isolation_level=None)
    target.execute("PRAGMA max_page_count = 20")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        salvage(sqlite3.connect(tmp_path / "chat.db"), target)


@pytest.mark.parametrize("name", ["chat.db", "x.zip", "message_1.json", "thing"])
def test_a_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "is no file or folder that can hold an export." in look(tmp_path / name)
    assert look(tmp_path).startswith("refused")
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    assert look(tmp_path) == "messages 1"


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_pipe_beside_a_database(sound: bytes, tmp_path: Path, ending: str) -> None:
    (tmp_path / "chat.db").write_bytes(sound)
    os.mkfifo(tmp_path / f"chat.db{ending}")
    assert look(tmp_path / "chat.db") == "messages 1500"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/proc/self/mem"])
def test_devices(path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"there is no {path} here")
    assert look(Path(path)).startswith(f"refused {path} ")


def test_a_device_given_to_an_importer(tmp_path: Path) -> None:
    for importer in (IMessageImporter(), MessengerImporter()):
        with pytest.raises(StudioError, match="can hold an export"):
            list(importer.conversations(Path(os.devnull), ImportReport()))


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door")
        assert "is no file or folder that can hold an export." in look(tmp_path / "door")


def refusal(path: Path) -> StudioError:
    with pytest.raises(StudioError) as caught:
        recognise(path)
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith((".", "?"))
    return caught.value


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "export").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for name in ("export", "round"):
        error = refusal(tmp_path / name)
        assert "is a link that leads nowhere." in error.message
        assert "Did you mean" not in error.hint
    assert refusal(tmp_path / "round" / "x").message


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    error = refusal(tmp_path / ("x" * 5000))
    assert "too long" in error.message
    assert len(error.message) < 200
    assert refusal(Path("/".join(["x" * 100] * 50))).message
    assert refusal(Path("~nobody-of-that-name/x")).message
    assert refusal("").message == "The path is empty."  # type: ignore[arg-type]


def test_a_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter everything")
    write_thread(tmp_path / "shut", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    for mode in (0o000, 0o400):
        (tmp_path / "shut").chmod(mode)
        try:
            errors = [refusal(tmp_path / "shut"), refusal(tmp_path / "shut" / "x")]
        finally:
            (tmp_path / "shut").chmod(0o700)
        assert any("Permission denied" in error.message for error in errors)


KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from engine.importers.opening import snapshot
tempfile.tempdir = sys.argv[2]
with snapshot(Path(sys.argv[1]), []):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_copies_of_the_killed_are_swept(
    sound: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scratch = tmp_path / "chat.db", tmp_path / "scratch"
    path.write_bytes(sound)
    scratch.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, path, scratch])
    assert done.returncode == -signal.SIGKILL
    (left,) = scratch.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    others = [scratch / "understudy-open", scratch / "understudy-elsewhere", scratch / "understudy-link"]
    others[0].mkdir(mode=0o755)  # not private, so not ours
    (others[0] / "snapshot.lock").touch()
    others[1].mkdir(mode=0o700)  # no copy of a database
    others[2].symlink_to(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with snapshot(path, []):
        (own,) = set(scratch.iterdir()) - set(others)
        assert own != left
        with snapshot(path, []) as second:  # the first lives, and stays
            assert second.execute("SELECT count(*) FROM message").fetchone() == (1500,)
            assert own.exists()
    assert set(scratch.iterdir()) == set(others)


@pytest.mark.parametrize("table", ["handle", "chat", "message"])
def test_a_view_that_never_ends(tmp_path: Path, table: str) -> None:
    database = Database(tmp_path / "chat.db")
    database.message(database.chat("Ann", database.handle("Ann")), 1, T, "hi")
    columns = [row[1] for row in database.connection.execute(f"PRAGMA table_info({table})")]
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i FROM n)"
    database.connection.execute("PRAGMA legacy_alter_table = ON")
    database.connection.execute(f"DROP TABLE {table}")
    named = ", ".join(f"i AS {column}" for column in columns)
    database.connection.execute(f"CREATE VIEW {table} AS {endless} SELECT {named} FROM n")
    path = database.close()
    if table == "message":
        assert "not one of iMessage" in look(path)
    else:
        assert look(path) == "messages 1"


def test_sentences_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 cut")
    message = "x.zip: The zip x.zip is damaged or was not downloaded completely."
    error = refusal(tmp_path)
    assert isinstance(error, DataError)
    assert error.message == message
    with pytest.raises(DataError) as caught:
        list(MessengerImporter().conversations(tmp_path, ImportReport()))
    assert caught.value.message == message
