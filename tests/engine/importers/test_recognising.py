"""What a path is, and what to say when it is nothing that can be imported."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from messenger_export import ROOT, said, thread_bytes, write_thread, zip_export

from engine import samples
from engine.conversation import Conversation
from engine.errors import DataError, StudioError
from engine.importers import ImportReport, export_files, importers, recognise
from engine.importers.finding import recognise_all

T = 1_700_000_000_000


def refusal(path: Path) -> StudioError:
    with pytest.raises(StudioError) as caught:
        recognise(path)
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith((".", "?"))
    return caught.value


@pytest.fixture
def export(tmp_path: Path) -> Path:
    write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    return tmp_path / "export"


def test_the_samples() -> None:
    assert recognise(samples.messenger()).name == "messenger"
    assert recognise(samples.imessage()).name == "imessage"
    assert recognise(samples.imessage().parent).name == "imessage"


def test_exports(export: Path, tmp_path: Path) -> None:
    for path in (
        export,
        export / ROOT,
        export / ROOT / "inbox",
        export / ROOT / "inbox/ann_1",
        export / ROOT / "inbox/ann_1/message_1.json",
        zip_export(export, tmp_path / "facebook.zip"),
    ):
        assert recognise(path).name == "messenger"


def test_the_zips_of_one_download_are_read_as_one(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"{n}") for n in range(6)]
    for number, part in enumerate((rows[3:], rows[:3]), 1):  # message_1 is the newest
        folder = write_thread(tmp_path / f"part{number}", "ann_1", part, ["Ann", "Me"])
        (folder / "message_1.json").rename(folder / f"message_{number}.json")
        zip_export(tmp_path / f"part{number}", tmp_path / f"facebook-{number}.zip")
    pictures = make_zip(tmp_path / "facebook-3.zip", {"messages/inbox/ann_1/photos/1.jpg": b"x"})
    posts = make_zip(tmp_path / "facebook-4.zip", {"posts/your_posts_1.json": b'[{"timestamp": 1}]'})
    phone = samples.imessage()
    exports = recognise_all(
        [tmp_path / "facebook-2.zip", phone, posts, pictures, tmp_path / "facebook-1.zip"]
    ).exports
    assert [(export.importer.name, len(export.paths)) for export in exports] == [
        ("messenger", 2), ("imessage", 1)
    ]  # fmt: skip
    report = ImportReport()
    (conversation,) = exports[0].conversations(report)
    assert [message.text for message in conversation.messages] == ["0", "1", "2", "3", "4", "5"]
    assert report.skipped == {}
    with pytest.raises(StudioError, match="holds no conversations"):
        recognise_all([pictures, posts])
    pages = make_zip(tmp_path / "facebook-5.zip", {"messages/inbox/ann_1/message_1.html": b"<html>"})
    with pytest.raises(StudioError, match="HTML pages, not JSON"):
        recognise_all([tmp_path / "facebook-1.zip", pages])


def test_instagram_is_told_from_facebook(tmp_path: Path) -> None:
    place = "your_instagram_activity/messages/inbox/zoe_1"
    (tmp_path / "ig" / place).mkdir(parents=True)
    thread = thread_bytes([said("zoë", T, "hé")], ["zoë", "me"], path="inbox/zoe_1")
    (tmp_path / "ig" / place / "message_1.json").write_bytes(thread)
    for path in (tmp_path / "ig", tmp_path / "ig" / place, zip_export(tmp_path / "ig", tmp_path / "ig.zip")):
        importer = recognise(path)
        assert importer.name == "instagram"
        (conversation,) = importer.conversations(path, ImportReport())
        assert (conversation.title, conversation.section) == ("zoë", "inbox")
        assert [message.text for message in conversation.messages] == ["hé"]
    write_thread(tmp_path / "ig", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])  # both in one download
    assert recognise(tmp_path / "ig").name == "messenger"
    exports = recognise_all([tmp_path / "ig"]).exports
    read = {e.importer.name: [c.key for c in e.conversations(ImportReport())] for e in exports}
    assert read == {"messenger": ["ann_1"], "instagram": ["zoe_1"]}
    report = ImportReport()
    assert [c.key for c in recognise(tmp_path / "ig").conversations(tmp_path / "ig", report)] == ["ann_1"]
    assert len(report.warnings) == 1 and "Instagram" in report.warnings[0]


def write_older(folder: Path, name: str, *rows: dict[str, Any]) -> Path:
    """A thread as downloads had it before either service had a folder of its own."""
    thread = folder / "messages/inbox" / name
    thread.mkdir(parents=True)
    (thread / "message_1.json").write_bytes(thread_bytes(list(rows), ["zoë", "me"], path=f"inbox/{name}"))
    return thread


def test_older_downloads_of_instagram_are_told_from_facebook_s(tmp_path: Path) -> None:
    shared = said("zoë", T, "zoë sent an attachment.", share={"link": "x", "original_content_owner": "bob"})
    liked = said("zoë", T, "Liked a message")
    sticker = said("zoë", T + 1, sticker={"uri": "messages/stickers_used/1.png"})
    told = {
        "share": (write_older(tmp_path / "share", "zoe_u2df5hj1x9", shared), "instagram"),
        "liked": (write_older(tmp_path / "liked", "zoe_17842000000000003", liked), "instagram"),
        "both": (write_older(tmp_path / "both", "zoe_17842000000000003", liked, sticker), "messenger"),
        "neither": (write_older(tmp_path / "neither", "zoe_178420", said("zoë", T, "hé")), "messenger"),
        "beside": (write_older(tmp_path / "beside", "zoe_178420", said("zoë", T, "hé")), "instagram"),
    }
    (tmp_path / "beside" / "followers_and_following").mkdir()
    (tmp_path / "beside" / "followers_and_following" / "followers.json").write_text("[]")
    for name, (thread, service) in told.items():
        assert recognise(tmp_path / name).name == service
        assert recognise(zip_export(tmp_path / name, tmp_path / f"{name}.zip")).name == service
        if name != "beside":  # one file alone does not tell what lies beside its folders
            assert recognise(thread / "message_1.json").name == service
    parts = [tmp_path / "neither.zip", tmp_path / "share.zip"]
    assert [(e.importer.name, e.paths) for e in recognise_all(parts).exports] == [("instagram", tuple(parts))]
    parts.append(tmp_path / "both.zip")
    assert [e.importer.name for e in recognise_all(parts).exports] == ["messenger", "instagram"]


def test_home_is_expanded(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(export.parent))
    assert recognise(Path("~/export")).name == "messenger"
    assert list(recognise(Path("~/export")).conversations(Path("~/export"), ImportReport()))


def test_a_misspelled_path(export: Path) -> None:
    error = refusal(export.parent / "exprot")
    assert "does not exist" in error.message
    assert error.hint == f"Did you mean {export}?"
    assert "Did you mean" not in refusal(export.parent / "quite-another-thing").hint
    assert "no folder" in refusal(export.parent / "nowhere" / "x").message


def test_folders(tmp_path: Path) -> None:
    assert "is empty" in refusal(tmp_path).message
    (tmp_path / "notes.txt").write_text("hello")
    assert "holds no conversations" in refusal(tmp_path).message
    (tmp_path / "settings.json").write_text('{"a": 1}')
    assert "holds no conversations" in refusal(tmp_path).message
    (tmp_path / "message_1.html").write_text("<html>")
    assert "HTML pages, not JSON" in refusal(tmp_path).message
    (tmp_path / "message_1.json").write_text('{"participants": [')
    assert isinstance(refusal(tmp_path), DataError)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "is a PDF"),
        ("a.png", b"\x89PNG\r\n", "is not an export"),
        ("a.txt", b"", "is empty"),
        ("a.json", b"", "is empty"),
        ("a.json", b"[]", "holds no conversation"),
        ("a.json", b'{"settings": 1}', "holds no conversation"),
        ("a.html", b"<!DOCTYPE html><html>", "is an HTML page"),
        ("chat.db", b"dear diary", "is not an SQLite database, although it is named chat.db"),
        ("sms.db", b"", "is empty"),
        ("a.zip", b"PK\x03\x04 cut", "damaged or was not downloaded completely"),
    ],
)
def test_files(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refusal(tmp_path / name).message


def test_a_truncated_file_says_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "message_1.json"
    file.write_bytes(thread_bytes([said("Ann", T, "hi" * 4000)], ["Ann"])[:1234])
    error = refusal(file)
    assert isinstance(error, DataError)
    assert error.exit_code == 1
    assert error.message == "message_1.json ends in the middle of a message (byte 1,234)."


def test_another_database(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "history.db")
    connection.execute("CREATE TABLE visits (url)")
    connection.close()
    assert "not one of iMessage" in refusal(tmp_path / "history.db").message
    shutil.move(tmp_path / "history.db", tmp_path / "chat.db")
    assert "not one of iMessage" in refusal(tmp_path).message


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


THREAD = thread_bytes([said("Ann", T, "hi")], ["Ann"])


def test_zips_that_hold_something_else(tmp_path: Path) -> None:
    assert "holds no conversations" in refusal(make_zip(tmp_path / "a.zip", {"cat.png": b"x"})).message
    error = refusal(make_zip(tmp_path / "b.zip", {"messages/inbox/ann_1/message_1.html": b"<html>"}))
    assert str(error) == (
        "This zip holds HTML pages, not JSON. Ask Facebook for the download again and choose the format JSON."
    )


@pytest.mark.parametrize(
    "name", ["../message_1.json", "/inbox/message_1.json", "C:/message_1.json", "a\\..\\b.json"]
)
def test_zips_that_lead_outside(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "a.zip", {"inbox/ann_1/message_1.json": THREAD, name: THREAD})
    assert "leads out of the zip" in refusal(path).message
    with pytest.raises(StudioError, match="leads out"):
        list(recognise(samples.messenger()).conversations(path, ImportReport()))


def test_a_locked_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"message_1.json": THREAD})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # the flag in the member's own header and in the directory
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert "locked with a password" in refusal(path).message


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("MAX_MEMBER_BYTES", 2**20, "unpacks to more than 1 MB"),
        ("MAX_TOTAL_BYTES", 2**30, "unpacks to more than 1 GB"),
    ],
)
def test_absurd_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, sentence: str
) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{n}.json": THREAD for n in range(3)})
    assert recognise(path).name == "messenger"
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    while at > 0:  # the directory says how large each member is: half a gigabyte
        raw[at + 24 : at + 28] = (2**29).to_bytes(4, "little")
        at = raw.find(b"PK\x01\x02", at + 4)
    path.write_bytes(raw)
    monkeypatch.setattr(export_files, limit, value)
    assert sentence in refusal(path).message


def test_a_damaged_member_costs_itself(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("inbox/ann_1/message_1.json", THREAD)
        archive.writestr("inbox/bob_2/message_1.json", THREAD.replace(b"hi", b"XX"))
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"XX", b"YY"))  # the checksum says otherwise
    report = ImportReport()
    found = list(recognise(tmp_path / "a.zip").conversations(tmp_path / "a.zip", report))
    assert [conversation.key for conversation in found] == ["ann_1"]
    assert report.bad_files == [("inbox/bob_2/message_1.json", "is damaged inside the zip")]


class Pigeon:
    """A plug-in, as another package would bring it."""

    name = "pigeon"

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".coo"

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        yield from ()


PIGEON = Pigeon()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    """Put a distribution with these entry points onto the path, as pip would."""
    info = folder / "coop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: coop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[understudy.importers]\n{entries}")
    shutil.copy(__file__, folder / "coop_of_pigeons.py")
    monkeypatch.syspath_prepend(folder)


def test_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "pigeon = coop_of_pigeons:Pigeon\nready = coop_of_pigeons:PIGEON\n")
    (tmp_path / "a.coo").write_text("coo")
    assert [importer.name for importer in importers()] == [
        "imessage", "instagram", "messenger", "pigeon", "pigeon"
    ]  # fmt: skip
    assert recognise(tmp_path / "a.coo").name == "pigeon"


def test_a_broken_plug_in_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "gone = no_such_module:Thing\nodd = coop_of_pigeons:T\n")
    with pytest.warns(RuntimeWarning) as caught:
        names = [importer.name for importer in importers()]
    assert names == ["imessage", "instagram", "messenger"]
    assert sorted(str(warning.message).split(" cannot")[0] for warning in caught) == [
        "The importer gone", "The importer odd"
    ]  # fmt: skip


def test_importing_the_room_is_light() -> None:
    heavy = ("sqlite3", "zipfile", "engine.importers.messenger", "engine.importers.imessage", "plistlib")
    script = f"import sys, engine.importers; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
