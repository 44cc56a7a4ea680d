"""Everything at the paths that somebody names is found, and what it seems to hold is told cheaply."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from imessage_database import Database
from messenger_export import ROOT, mojibake, said, thread_bytes, write_thread, zip_export
from plug_in import diary
from plug_in import install as install_plug_in

from engine import samples
from engine.errors import StudioError
from engine.importers import ImportReport, export_files, importers, recognise
from engine.importers.finding import Export, Found, recognise_all
from engine.importers.survey import Survey, survey

T = 1_700_000_000_000


class StopError(Exception):
    pass


def nothing() -> None:
    pass


def found(*paths: Path) -> dict[str, list[Path]]:
    return {export.importer.name: list(export.paths) for export in recognise_all(paths).exports}


def seen(path: Path) -> Survey:
    (export,) = recognise_all([path]).exports
    return survey(export, nothing)


def read(found: Found) -> dict[str, int]:
    """Messages by importer."""
    return {
        export.importer.name: sum(len(list(one.messages)) for one in export.conversations(ImportReport()))
        for export in found.exports
    }


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Zips of a download at two levels, Instagram, a phone, and things that are nothing."""
    folder = tmp_path / "mixed"
    (folder / "more").mkdir(parents=True)
    for number, place in enumerate((folder, folder / "more")):
        write_thread(
            tmp_path / f"part{number}", f"t_{number}", [said("Ann", T + number, "hi")], ["Ann", "Me"]
        )
        zip_export(tmp_path / f"part{number}", place / f"facebook-{number}.ZIP")
    instagram = folder / "ig/your_instagram_activity/messages/inbox/zoe_1"
    instagram.mkdir(parents=True)
    thread = thread_bytes([said("zoë", T, "hé")], ["zoë", "me"], path="inbox/zoe_1")
    (instagram / "message_1.json").write_bytes(thread)
    (folder / "phone").mkdir()
    shutil.copy(samples.imessage(), folder / "phone" / "copy of messages.db")
    (folder / "history.sqlite").write_bytes(b"SQLite format 3\0" + bytes(100))
    (folder / "cat.jpg").write_bytes(b"\xff\xd8")
    return folder


def test_a_mixed_folder(mixed: Path) -> None:
    assert found(mixed) == {
        "imessage": [mixed / "phone" / "copy of messages.db"],
        "instagram": [mixed],
        "messenger": [mixed],
    }
    assert recognise_all([mixed]).left == ()
    assert read(recognise_all([mixed])) == {"imessage": 670, "instagram": 1, "messenger": 2}


def test_a_mixed_zip(mixed: Path) -> None:
    shutil.rmtree(mixed / "more")
    write_thread(mixed, "bob_1", [said("Bob", T, "hi")], ["Bob", "Me"])
    shutil.move(mixed / "phone" / "copy of messages.db", mixed / "phone" / "chat.db")
    path = zip_export(mixed, mixed.parent / "all.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("old/phone/backups/chat.db", b"x")
    everything = recognise_all([path])
    assert read(everything) == {"imessage": 670, "instagram": 1, "messenger": 1}
    (left,) = everything.left
    assert left.name == "all.zip: old/phone/backups/chat.db" and "another database" in left.why


def test_only_a_database_far_down(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    shutil.copy(samples.imessage(), place / "sms.db")
    assert found(tmp_path) == {"imessage": [place / "sms.db"]}


def test_what_somebody_was_sent_is_no_export(tmp_path: Path) -> None:
    thread = write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    write_thread(tmp_path / "other", "eve_1", [said("Eve", T, "secret")], ["Eve", "Ann"])
    (thread / "files").mkdir()
    zip_export(tmp_path / "other", thread / "files" / "sent.zip")
    (thread / "files" / "broken.zip").write_bytes(b"PK\x03\x04")
    shutil.copy(samples.imessage(), thread / "files" / "chat.db")
    for path in (tmp_path / "export", tmp_path / "export" / ROOT):
        assert found(path) == {"messenger": [path]}
        assert read(recognise_all([path])) == {"messenger": 1}
        assert recognise_all([path]).left == ()


def test_what_looks_like_an_export_and_is_none_is_named(tmp_path: Path) -> None:
    shutil.copy(samples.imessage(), tmp_path / "sms.db")
    (tmp_path / "chat.db").write_bytes(b"")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "old").mkdir()
    for number in (1, 2):
        (tmp_path / "old" / f"message_{number}.html").write_text("<html>")
    (tmp_path / "old" / "index.html").write_text("<html>")
    left = {one.name: one.why for one in recognise_all([tmp_path]).left}
    assert set(left) == {"chat.db", "cut.zip", "old"}
    assert left["chat.db"] == "is empty"
    assert "damaged" in left["cut.zip"]
    assert left["old"].startswith("2 HTML pages of messages")


def test_a_zip_that_is_no_media_is_not_passed_over_among_zips(tmp_path: Path) -> None:
    write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    facebook = zip_export(tmp_path / "export", tmp_path / "facebook.zip")
    phone = tmp_path / "phone.zip"
    with zipfile.ZipFile(phone, "w") as archive:
        archive.write(samples.imessage(), "Messages/chat.db")
    assert found(facebook, phone) == {"messenger": [facebook], "imessage": [phone]}
    assert found(tmp_path) == {"messenger": [tmp_path], "imessage": [phone]}


def test_what_a_plug_in_reads_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(install_plug_in(tmp_path / "plug-in"))
    folder = tmp_path / "folder"
    write_thread(folder, "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    (folder / "notes" / "2026").mkdir(parents=True)
    kept = diary(folder / "notes" / "2026" / "june.txt", 4)
    assert found(folder) == {"messenger": [folder], "diary": [kept]}
    assert found(folder / "notes") == {"diary": [kept]}
    assert read(recognise_all([folder])) == {"messenger": 1, "diary": 4}


def test_what_a_plug_in_would_take_too_stays_with_its_own_importer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install_plug_in(tmp_path / "plug-in")
    monkeypatch.syspath_prepend(site)
    write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    path = zip_export(tmp_path / "export", tmp_path / "facebook.zip")
    (plug_in,) = [one for one in importers() if one.name == "diary"]
    monkeypatch.setattr(type(plug_in), "recognises", lambda self, path: True)
    assert found(path) == {"messenger": [path]}
    assert found(tmp_path / "export") == {"messenger": [tmp_path / "export"]}


def test_a_path_given_twice_is_one(tmp_path: Path) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    assert found(tmp_path, tmp_path) == {"messenger": [tmp_path]}


def test_a_wrong_path_among_right_ones_is_said(mixed: Path) -> None:
    with pytest.raises(StudioError, match="does not exist"):
        recognise_all([mixed, mixed.parent / "nothing"])
    with pytest.raises(StudioError, match="There is no folder"):
        recognise_all([Path("~no-such-user/x")])


def test_too_many_files_are_refused(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "MAX_ENTRIES", 2)
    with pytest.raises(StudioError, match="more than 2 files"):
        recognise_all([mixed])


@pytest.mark.parametrize("allowed", [0, 2, 4])
def test_looking_can_be_stopped(mixed: Path, allowed: int) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise StopError

    with pytest.raises(StopError):
        recognise_all([mixed], check)
    calls = 0
    with pytest.raises(StopError):
        survey(Export(recognise(mixed), (mixed,)), check)


def test_a_survey_tells_what_the_import_will_find() -> None:
    for path in (samples.messenger(), samples.imessage()):
        before, report = seen(path), ImportReport()
        assert list(recognise(path).conversations(path, report))
        assert before.rows is not None and abs(before.rows - report.rows_read) < 0.02 * report.rows_read
        assert before.mine or (before.owner, before.threads) == (report.owner, report.conversations)


def test_a_survey_reads_only_the_beginnings(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, "a line of some words " * 5) for n in range(40_000)]
    write_thread(tmp_path, "ann_1", rows, ["Ann", "Me"])
    write_thread(tmp_path, "bob_1", [said("Bob", T, "hi")], ["Bob", "Me"])
    (export,) = recognise_all([tmp_path]).exports
    before = read_bytes()
    about = survey(export, nothing)
    taken = read_bytes() - before
    assert about.size > 8_000_000 and taken < 500_000
    assert about.threads == 2 and about.owner == "Me"
    assert about.rows is not None and 39_000 < about.rows < 41_000


def read_bytes() -> int:
    """What this process has read from files so far."""
    try:
        status = Path("/proc/self/io").read_text()
    except OSError:
        pytest.skip("only Linux counts what a process reads")
    return int(status.split()[1])


def test_the_encrypted_twin_joins_its_thread(tmp_path: Path) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann", "Zoë"], section="e2ee_cutover")
    write_thread(tmp_path, "bob_1", [said("Bob", T, "hi")], ["Bob", "Zoë"])
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "Ann_1.json").write_text(
        '{"participants": ["Ann", "Zoë"], "threadName": "Ann_1", "messages": [{"senderName":'
        ' "Ann", "timestamp": 1, "text": "later", "type": "text", "isUnsent": false, "media": []}]}',
        encoding="utf-8",
    )
    (folder / "odd.json").write_text('{"messages": [], "participants": [{"name": "Cy"}, {"name": "Zoë"}]}')
    assert mojibake("Zoë") != "Zoë"
    about = seen(tmp_path)
    assert (about.threads, about.rows, about.owner) == (3, 3, "Zoë")


def test_a_survey_raises_nothing(tmp_path: Path) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    (export,) = recognise_all([tmp_path]).exports
    shutil.rmtree(tmp_path)
    assert survey(export, nothing).threads in (None, 0)


def test_a_schema_that_is_no_text_costs_the_counts_alone(tmp_path: Path) -> None:
    """SQLite quotes the broken bytes in what it says, which Python then cannot decode."""
    database = Database(tmp_path / "chat.db")
    database.connection.execute("PRAGMA writable_schema = ON")
    change = "UPDATE sqlite_master SET sql = CAST(x'ff2067' AS TEXT), name = CAST(x'c3' AS TEXT)"
    database.connection.execute(change + " WHERE name = 'attachment'")
    (export,) = recognise_all([database.close()]).exports
    seen = survey(export, lambda: None)
    assert seen.size > 0
    assert seen.rows is None
