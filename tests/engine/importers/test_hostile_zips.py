"""Zips that are made to do harm: each is refused in one sentence, with a remedy, before it does any."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from imessage_database import Database
from messenger_export import said, thread_bytes
from zip_writer import LOCKED, Member, directory_only, link, member, zip_bytes

from engine.errors import DataError, StudioError
from engine.importers import ImportReport, recognise
from engine.importers.imessage import IMessageImporter
from engine.importers.messenger import MessengerImporter

T = 1_700_000_000_000
THREAD = thread_bytes([said("Ann", T, "hi")], ["Ann"])
SOUND = member("messages/inbox/ann_1/message_1.json", THREAD)


def write(path: Path, members: Iterable[Member]) -> Path:
    path.write_bytes(zip_bytes(members))
    return path


def refusal(path: Path) -> StudioError:
    """The one error of asking what it is and of both readers."""
    errors = []
    with pytest.raises(StudioError) as caught:
        recognise(path)
    errors.append(caught.value)
    with pytest.raises(StudioError) as caught:
        list(MessengerImporter().conversations(path, ImportReport()))
    errors.append(caught.value)
    assert not IMessageImporter().recognises(path)
    assert errors[0].message == errors[1].message
    assert errors[0].message.endswith(".")
    assert errors[0].hint.endswith(".")
    return errors[0]


def test_the_writer_writes_zips_that_can_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [SOUND, member("cat.png", b"x"), link("shortcut", "inbox")])
    (found,) = recognise(path).conversations(path, ImportReport())
    assert [message.text for message in found.messages] == ["hi"]


@pytest.mark.parametrize(
    "name",
    ["/etc/message_1.json", "C:\\message_1.json", "../message_1.json", "a/../../b.json", "..\\chat.db"],
)
def test_a_member_that_leads_outside(tmp_path: Path, name: str) -> None:
    error = refusal(write(tmp_path / "a.zip", [SOUND, member(name, THREAD)]))
    assert str(error) == (
        "a.zip holds a file whose path leads out of the zip. Use a zip that comes from the service."
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"]


@pytest.mark.parametrize("name", ["messages/inbox/ann_1/message_2.json", "message_1.json"])
def test_a_link(tmp_path: Path, name: str) -> None:
    error = refusal(write(tmp_path / "a.zip", [SOUND, link(name, "/etc/passwd")]))
    assert error.message == "a.zip holds a link in the place of a file."


def test_a_link_called_chat_db(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [link("chat.db", "/etc/passwd")])
    with pytest.raises(StudioError, match="holds a link"):
        list(recognise(path).conversations(path, ImportReport()))


def test_a_locked_member(tmp_path: Path) -> None:
    locked = member("message_2.json", THREAD, flags=LOCKED)
    error = refusal(write(tmp_path / "a.zip", [SOUND, locked]))
    assert str(error) == (
        "a.zip is locked with a password. Unpack it yourself and import the folder that comes out."
    )


def test_a_locked_database(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [member("chat.db", b"SQLite", flags=LOCKED)])
    with pytest.raises(StudioError, match="locked with a password"):
        list(recognise(path).conversations(path, ImportReport()))


def test_a_bomb(tmp_path: Path) -> None:
    bomb = member("message_2.json", b'{"participants":[],"messages":[' + b"{}," * 10**7 + b"{}]}")
    error = refusal(write(tmp_path / "a.zip", [SOUND, bomb]))
    assert "holds a file that unpacks to" in error.message
    assert error.message.endswith("times its size, as no export does.")
    assert "If you trust it" in error.hint


def test_a_bomb_called_chat_db(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [member("chat.db", b"SQLite format 3\0" + bytes(10**8))])
    with pytest.raises(StudioError, match="times its size"):
        list(recognise(path).conversations(path, ImportReport()))


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Each is within bounds, all of them are not: the bytes of one are the bytes of every other."""
    data = bytearray(THREAD + b" " * 2**24)
    one = zip_bytes([member("0.json", bytes(data))])
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entry = bytearray(one[start:end])
    directory = bytearray()
    for n in range(600):
        entry[-6:-5] = b"%d" % (n % 10)
        directory += entry
    (tmp_path / "a.zip").write_bytes(
        one[:start]
        + directory
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, 600, 600, len(directory), start, 0)
    )
    assert "unpacks to more than 8 GB" in refusal(tmp_path / "a.zip").message


def test_a_size_that_lies(tmp_path: Path) -> None:
    """What unpacks to more than its size says is cut there, and said to be damaged."""
    rows = thread_bytes([said("Ann", T + n, "x" * 100) for n in range(5000)], ["Ann"])
    made = member("inbox/bob_2/message_1.json", rows)
    path = write(tmp_path / "a.zip", [SOUND, Member(made.name, made.packed, 1000, made.crc)])
    report = ImportReport()
    assert [found.key for found in recognise(path).conversations(path, report)] == ["ann_1"]
    assert report.bad_files == [("inbox/bob_2/message_1.json", "is damaged inside the zip")]


def lying(one: Member, packed: int) -> bytes:
    """A zip of `one` that says it takes `packed` bytes."""
    raw = bytearray(zip_bytes([one]))
    at = raw.index(b"PK\x01\x02") + 20
    raw[at : at + 4] = struct.pack("<I", packed)
    return bytes(raw)


def test_a_packed_size_that_lies(tmp_path: Path) -> None:
    """It neither makes room for itself in memory nor makes a bomb look harmless."""
    (tmp_path / "a.zip").write_bytes(lying(SOUND, 2**31 - 1))
    assert look(tmp_path / "a.zip") == "messenger"
    bomb = b'{"participants":[],"messages":[' + b"{}," * 10**7 + b"{}]}"
    (tmp_path / "a.zip").write_bytes(lying(member("message_1.json", bomb), 2**31 - 1))
    assert "times its size" in refusal(tmp_path / "a.zip").message


LOOK = """
import resource, sys
from pathlib import Path
from engine.errors import StudioError
from engine.importers import recognise
if sys.platform == "linux":
    resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
try:
    print(recognise(Path(sys.argv[1])).name)
except StudioError as error:
    print(error)
"""
REFUSED = "a.zip holds more than 300,000 files. Unpack it yourself and import only its messages folder."


def look(path: Path) -> str:
    """What `recognise` says, within 300 MB and a minute."""
    program = [sys.executable, "-c", LOOK, path]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("told", [True, False])
def test_a_million_members(tmp_path: Path, told: bool) -> None:
    """Refused before there is an object of each: those would be 500 MB. told: the zip says how many."""
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        for piece in directory_only(1_000_000):
            file.write(piece)
    if not told:
        raw = bytearray(path.read_bytes())
        raw[-14:-10] = struct.pack("<HH", 1, 1)
        at = raw.rindex(b"PK\x06\x06")
        raw[at + 24 : at + 40] = struct.pack("<QQ", 1, 1)
        path.write_bytes(raw)
    assert look(path) == REFUSED


def test_a_directory_of_half_a_gigabyte(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(2**29)  # a hole: no disk is filled
        file.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 2**29, 0, 0))
    assert look(tmp_path / "a.zip") == REFUSED


def test_a_zip_that_is_cut(tmp_path: Path) -> None:
    whole = zip_bytes([SOUND, SOUND])
    for length in (4, 30, len(whole) // 2, len(whole) - 1):
        (tmp_path / "a.zip").write_bytes(whole[:length])
        assert isinstance(refusal(tmp_path / "a.zip"), DataError)


def test_a_database_whose_place_in_the_zip_is_none(tmp_path: Path) -> None:
    made = Database(tmp_path / "chat.db")
    made.message(made.chat("Ann", made.handle("Ann")), 1, T, "hi")
    raw = bytearray(zip_bytes([member("chat.db", made.close().read_bytes())]))
    at = raw.index(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)  # its true offset, as large zips write it
    raw[at + 42 : at + 46] = b"\xff" * 4
    raw[at + 30 : at + 32] = struct.pack("<H", len(extra))
    raw[at + 53 : at + 53] = extra
    end = raw.rindex(b"PK\x05\x06")
    raw[end + 12 : end + 16] = struct.pack("<I", end - at)
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(DataError, match="cannot be unpacked"):
        list(IMessageImporter().conversations(tmp_path / "a.zip", ImportReport()))
