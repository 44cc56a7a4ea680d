"""The import screen: paths, recognition, progress, cancelling, the report, and errors in place."""

import plistlib
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from messenger_export import said, thread_bytes, write_thread, zip_export
from screen_reader import press, rows, settled, text
from textual import events
from textual.pilot import Pilot
from training_studio import until

from engine import samples
from engine.archive import open_studio, people, reading
from engine.conversation import Conversation, Message, Sender
from engine.importers import finding
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.screens.importing import Importing
from tui.screens.importing.paths import Paths, complete, typed_paths
from tui.screens.importing.rows import Behind

T = 1_700_000_000_000


def test_paths_are_completed_as_a_shell_does(tmp_path: Path) -> None:
    for name in ("facebook-1.zip", "facebook-2.zip", "fable.txt", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert complete(f"{tmp_path}/fac") == (f"{tmp_path}/facebook-", ["facebook-1.zip", "facebook-2.zip"])
    assert complete(f"{tmp_path}/fo") == (f"{tmp_path}/folder/", [])
    assert complete(f"{tmp_path}/") == (
        f"{tmp_path}/f",
        ["fable.txt", "facebook-1.zip", "facebook-2.zip", "folder/"],
    )
    assert complete(f"{tmp_path}/.h") == (f"{tmp_path}/.hidden", [])
    assert complete(f"{tmp_path}/nothing/x") == (f"{tmp_path}/nothing/x", [])
    assert complete("~") == ("~/", [])


def test_the_last_of_several_paths_is_completed(tmp_path: Path) -> None:
    (tmp_path / "my export").mkdir()
    (tmp_path / "one.zip").touch()
    one = f"{tmp_path}/one.zip"
    assert complete(f"{tmp_path}/my") == (f"{tmp_path}/my\\ export/", [])
    for typed, made in (
        (f"{one} {tmp_path}/on", f"{one} {one}"),
        (f"{one} {tmp_path}/my", f"{one} {tmp_path}/my\\ export/"),
        (f"{one} {tmp_path}/my\\ ex", f"{one} {tmp_path}/my\\ export/"),
        (f"'{one}' '{tmp_path}/my ex", f"'{one}' '{tmp_path}/my export/"),
        (f'{one} "{tmp_path}/my', f'{one} "{tmp_path}/my export/'),
        (f"{tmp_path}/my ex", f"{tmp_path}/my export/"),
    ):
        assert complete(typed) == (made, [])
        wanted = [tmp_path / "my export"] if "my" in made else [tmp_path / "one.zip"]
        assert typed_paths(made)[-1:] == wanted or made.count("'") % 2 or made.count('"') % 2


def test_pasted_and_dropped_paths_are_understood(tmp_path: Path) -> None:
    spaced, other = tmp_path / "my export", tmp_path / "Bob's 100%.zip"
    spaced.mkdir()
    other.touch()
    escaped = str(spaced).replace(" ", "\\ ")
    url = f"file://{spaced}".replace(" ", "%20")
    for typed in (f"{spaced}", f"'{spaced}'", f'"{spaced}" ', escaped, url):
        assert typed_paths(typed) == [spaced]
    assert typed_paths(f"{other}") == [other], "an apostrophe opens no quote where the path is there"
    for typed in (f"{escaped} {url}", f"'{spaced}' \"{spaced}\"", f"{url}  {escaped}"):
        assert typed_paths(typed) == [spaced, spaced]
    assert typed_paths(f'{escaped} "{other}" /no/such') == [spaced, other, Path("/no/such")]
    assert typed_paths("/no/such path") == [Path("/no/such path")], "nothing is there: one path"
    assert typed_paths("~/x") == [Path.home() / "x"]
    assert typed_paths(" ") == []
    assert typed_paths("~no-such-user/x") == [Path("~no-such-user/x")]


async def test_a_typed_path_is_recognised_completed_and_imported(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        field = app.screen.query_one(Paths)
        field.value = str(samples.messenger())[:-4]
        field.cursor_position = len(field.value)
        shown = await press(pilot, "tab")
        assert field.value == f"{samples.messenger()}/"
        assert "messenger   messenger/ · 16 conversations · about 1,800 rows" in shown
        assert f"you are {samples.OWNER}, who is in every conversation" in shown
        assert "⏎ import" in rows(app)[-1]
        shown = await press(pilot, "enter")
        assert "every row is kept or skipped" in shown and samples.OWNER in shown
        assert "⏎ open   o first conversation" in rows(app)[-1]
        shown = await press(pilot, "o")
        assert "conversations" in shown.lower() and "essenger" in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert (await reading.counts(studio)).messages > 1_000


async def test_what_cannot_be_imported_is_said_in_place(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html></html>")
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        for typed in (tmp_path / "page.html", tmp_path / "no such \x1b[31m[/] file"):
            app.screen.query_one(Paths).value = str(typed)
            await press(pilot, "enter")
            assert "\x1b" not in text(app)
            known = " ".join(row.strip() for row in rows(app)[6:9])  # a long path makes more lines of it
            assert len(known.strip()) > 20
            assert "Error" not in known
            assert app.screen.query_one(Paths).has_focus
        shown = await press(pilot, "escape")
        assert "Nothing here yet." in shown


async def look_at(pilot: Pilot[None], *paths: Path) -> str:
    """Type the paths and wait for what is said of them."""
    pilot.app.screen.query_one(Paths).value = " ".join(shlex.quote(str(path)) for path in paths)
    await settled(pilot)
    return text(pilot.app)


def parts_of_a_download(folder: Path, parts: int = 2) -> list[Path]:
    """Zips that share one thread, and each have one of their own; Wren takes part in all of them."""
    zips = []
    for part in range(parts):
        export = folder.parent / f"part {part}"
        shared = [said("Ann", T + part * 100 + at, f"{part}/{at}") for at in range(5)]
        place = write_thread(export, "ann_1", shared, ["Ann", "Wren"])
        (place / "message_1.json").rename(place / f"message_{parts - part}.json")
        write_thread(export, f"bob_{part}", [said("Wren", T, "hi")] * 3, [f"Bob {part}", "Wren"])
        folder.mkdir(exist_ok=True)
        zips.append(zip_export(export, folder / f"facebook {part}.zip"))
    return zips


async def test_the_zips_of_one_download_are_one_export(tmp_path: Path) -> None:
    first, second = parts_of_a_download(tmp_path / "Downloads")
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        shown = await look_at(pilot, first, second)
        assert "messenger   2 zips · 3 conversations · about 16 rows" in shown
        assert "you are Wren, who is in every conversation" in shown
        shown = await look_at(pilot, first.parent)
        assert "messenger   Downloads/ · 2 zips · 3 conversations" in shown
        shown = await press(pilot, "enter")
        assert "16 rows" in shown and "in 3 conversations" in shown and "you are Wren" in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        (whole,) = [row for row in await reading.conversations(studio) if "Ann" in row.people]
        spoken = [message.text for message in await reading.messages(studio, whole.id)]
        assert spoken == [f"{part}/{at}" for part in range(2) for at in range(5)]


async def test_everything_in_a_folder_is_imported_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "Downloads"
    parts_of_a_download(folder)
    place = folder / "instagram-wren" / "your_instagram_activity/messages/inbox/zoe_1"
    place.mkdir(parents=True)
    thread = thread_bytes([said("zoë", T, "hé")], ["zoë", "wren"], path="inbox/zoe_1")
    (place / "message_1.json").write_bytes(thread)
    (folder / "phone").mkdir()
    shutil.copy(samples.imessage(), folder / "phone")
    (folder / "older").mkdir()
    (folder / "older" / "message_1.html").write_text("<html></html>")
    (folder / "older" / "sms.db").write_bytes(b"dear diary")
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        shown = await look_at(pilot, folder)
        for line in (
            "imessage    chat.db · 15 chats · 716 rows",
            "it marks the messages that are yours",
            "instagram   Downloads/ · 1 conversation · about 1 row",
            "messenger   Downloads/ · 2 zips · 3 conversations · about 16 rows",
            "not read    older: 1 HTML page of messages",
            "older/sms.db: is not an SQLite database",
        ):
            assert line in shown
        shown = await press(pilot, "enter")
        assert "Who are you in instagram?" in shown
        shown = await press(pilot, "escape")
        for line in (
            "imessage    you are Wren",  # as the other export says
            "instagram   who you are is not known: m in Senders says it",
            "messenger   you are Wren",
            "not read    older: 1 HTML page of messages",
        ):
            assert line in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        sources = {source.name: source.messages for source in await reading.sources(studio)}
        assert sources == {"imessage": 670, "instagram": 1, "messenger": 16}


async def test_one_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "Downloads"
    parts_of_a_download(folder)
    backup = folder / "backup"
    (backup / "3d").mkdir(parents=True)
    (backup / "3d" / "3d0d7e5fb2ce288813306e4d4636395e047a3d28").write_bytes(b"\x8f" * 4096)
    (backup / "Manifest.plist").write_bytes(plistlib.dumps({"IsEncrypted": True}))
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        assert "imessage    backup/" in await look_at(pilot, folder)
        shown = await press(pilot, "enter")
        assert "messenger   you are Wren" in shown
        assert "imessage    The iPhone backup" in shown
        assert "is encrypted. In Finder or iTunes" in " ".join(shown.split())


async def test_who_one_is_is_asked_once(tmp_path: Path) -> None:
    folder = write_thread(
        tmp_path / "export",
        "ann_1",
        [said("Ann", T, "hi"), said("Wren [/]\x1b[31m", T + 1, "hello"), said("Ann", T + 2, "tea?")],
        ["Ann", "Wren [/]\x1b[31m"],
    )
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        assert "who you are is asked afterwards" in await look_at(pilot, folder)
        shown = await press(pilot, "enter")
        assert "Who are you in messenger?" in shown and "\x1b" not in shown
        asked = [row.split()[0] for row in rows(app) if row.endswith((" messages", " message", "of them"))]
        assert asked == ["Ann", "Wren", "None"], "most messages first"
        shown = await press(pilot, "down", "enter")
        assert "messenger   you are Wren [/]" in shown
        await press(pilot, "escape", "i")
        assert "you are Wren [/]␛[31m, as before" in await look_at(pilot, folder)
        shown = await press(pilot, "enter")
        assert "Who are you" not in shown and "messenger   you are Wren [/]" in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert [one.name for one in await people.people(studio) if one.is_owner] == ["Wren [/]\x1b[31m"]


async def test_nobody_in_it_is_an_answer_too_and_senders_corrects_it(tmp_path: Path) -> None:
    folder = write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")] * 3, ["Ann", "Wren"])
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        await look_at(pilot, folder)
        assert "Who are you" in await press(pilot, "enter")
        assert "who you are is not known: m in Senders" in await press(pilot, "end", "enter")
        await press(pilot, "escape", "i")
        assert "who you are was not said" in await look_at(pilot, folder)
        assert "Who are you" not in await press(pilot, "enter")
        await press(pilot, "escape", "2")
        shown = await press(pilot, "m")
        assert "Ann (me)" in shown and "You are Ann in Messenger." in shown
        assert "(me)" not in await press(pilot, "u")
        await press(pilot, "m", "1", "i")
        assert "you are Ann, as before" in await look_at(pilot, folder)


async def test_the_question_waits_for_its_pane(tmp_path: Path) -> None:
    folder = write_thread(tmp_path / "export", "ann_1", [said("Ann", T, "hi")] * 3, ["Ann", "Wren"])
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        await look_at(pilot, folder)
        screen = app.screen
        assert isinstance(screen, Importing)
        screen.action_start()
        app.action_pane(2)
        await settled(pilot)
        assert screen.state == "done" and "Who are you" not in text(app)
        assert "Who are you in messenger?" in await press(pilot, "1")


async def test_what_is_pasted_line_by_line_is_several_paths(tmp_path: Path) -> None:
    zips = parts_of_a_download(tmp_path / "Downloads", 9)
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        field = app.screen.query_one(Paths)
        field.post_message(events.Paste("\n".join(f"{path.as_uri()}" for path in zips * 3) + "\n"))
        await settled(pilot)
        assert len(field.value) > 1_000
        assert typed_paths(field.value) == zips * 3
        assert "messenger   9 zips" in text(app)


class Endless:
    """An importer whose export never ends."""

    name = "endless"

    def recognises(self, path: Path) -> bool:
        return True

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        def said() -> Iterator[Message]:
            number = 0
            while True:
                number += 1
                report.rows_total = number + 1_000_000
                report.keep("speech")
                yield Message(f"m{number}", "hare", number * 1000, "again")

        yield Conversation("c", "Hare", (Sender("hare", "Hare"),), said())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_cancelling_leaves_the_studio_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(finding, "importers", lambda: [Endless()])
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        app.screen.query_one(Paths).value = str(tmp_path)
        await pilot.press("enter")
        await until(pilot, lambda: "/s" in rows(app)[0])
        assert "importing " in rows(app)[0] and "──" in text(app)
        assert any("/s · " in row and row.endswith(" left") for row in rows(app)), "in one line"
        assert "Read on meanwhile" in text(app)
        assert "c cancel" in rows(app)[-1]
        await pilot.press("2")
        await pilot.pause()
        assert "importing " in rows(app)[0], "other panes say it too"
        await pilot.press("1")
        await pilot.pause()
        shown = await press(pilot, "c")
        assert "The import was cancelled. " in shown.replace("\n", " ") or "cancelled" in shown
        assert "importing" not in rows(app)[0]
        assert "⏎ import" in rows(app)[-1], "once more"
        await pilot.press("enter")
        await until(pilot, lambda: "/s" in rows(app)[0])
        assert "cancelled" not in text(app), "that was the one before"
        await press(pilot, "c")
        shown = await press(pilot, "escape")
        assert "Nothing here yet." in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert (await reading.counts(studio)).messages == 0


T = 1_700_000_000_000


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A thread in two folders with one row that has no time, and a file that is cut short."""
    folder = tmp_path / "export"
    spoken = [said("Nora", T + number * 1000, f"líne {number}") for number in range(60)]
    hostile = {"sender_name": "Ida", "content": "\x1b[2Jlost for [b]words[/b]"}
    write_thread(folder, "ida_1", [*spoken, hostile], ["Ida", "Nora"])
    write_thread(folder, "ida_1", spoken[:7], ["Ida", "Nora"], section="archived_threads")
    bad = write_thread(folder, "fox_3", spoken, ["Fox", "Nora"]) / "message_1.json"
    bad.write_bytes(bad.read_bytes()[:900])
    return folder


def line(app: UnderstudyApp, label: str) -> str:
    """The first line of the screen that begins so."""
    return next(row.strip() for row in rows(app) if row.strip().startswith(label))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_line_of_the_report_opens_the_rows_behind_it(
    tmp_path: Path, export: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        app.screen.query_one(Paths).value = str(export)
        await settled(pilot)
        await press(pilot, "enter")
        counts = {label: line(app, label).split()[-1 if label == "skipped" else len(label.split())]
                  for label in ("read", "kept", "repaired", "skipped", "joined", "bad files")}  # fmt: skip
        assert counts == {
            "read": "68", "kept": "60", "repaired": "60", "skipped": "8", "joined": "1", "bad files": "1",
        }  # fmt: skip
        assert "in 1 conversation · speech 60" in line(app, "kept") and "byte 900" in line(app, "bad files")
        shown = await press(pilot, "j", "down", "j", "j", "enter")
        assert line(app, "skipped:") == "skipped: repeated in the export   7"
        assert "message_1.json, row 55 " in shown and "líne 6" in shown
        shown = await press(pilot, "j")
        assert "messages/inbox/ida_1/message_1.json, row 56" in shown, "where it is, in full, below the list"
        shown = await press(pilot, "escape", "j", "enter")
        assert "lost for [b]words[/b]" in shown and "\x1b" not in shown
        assert "no time   1" in line(app, "skipped:")
        shown = await press(pilot, "escape", "k", "k", "enter", "G")
        assert line(app, "skipped ").split() == ["skipped", "8"] and "no time · ␛[2Jlost for" in shown
        shown = await press(pilot, "escape", "g", "j", "enter", "G")
        assert "kept   60" in shown and "row 54" in shown and "⏎ open" not in rows(app)[-1]
        shown = await press(pilot, "escape", "G", "enter")
        assert "fox_3/message_1.json" in shown and "ends in the middle of a message" in shown
        assert "every row is kept or skipped" in await press(pilot, "escape")
        assert "1 conversation" in await press(pilot, "escape")


async def test_reports_of_past_imports_are_opened_again(tmp_path: Path, export: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert "ctrl+r past reports" in (await press(pilot, "i")).splitlines()[-1]
        assert "Nothing was imported yet." in await press(pilot, "ctrl+r")
        app.screen.query_one(Paths).value = str(export)
        await settled(pilot)
        await press(pilot, "enter", "escape")
        shown = await press(pilot, "i", "ctrl+r")
        assert "Messenger: …" in shown and "/export " in shown
        shown = await press(pilot, "enter")
        assert "export" in shown and "1 conversation" in shown and "every row is kept or skipped" in shown
        shown = await press(pilot, "j", "j", "j", "j", "j", "enter")
        assert "lost for" in shown
        await press(pilot, "escape", "escape")
        await until(pilot, lambda: isinstance(app.focused, Paths))


async def test_a_line_whose_rows_nobody_noted_says_so(tmp_path: Path) -> None:
    report = ImportReport()
    report.keep("speech", 3)
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await app.push_screen(Behind(report.lines()[1], report.behind("kept")))
        assert "kept   3, and not noted which" in await press(pilot, "j", "G", "enter")
        assert "Nothing here yet." in await press(pilot, "escape")


async def test_cancelling_the_second_keeps_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Downloads"
    parts_of_a_download(folder)
    (folder / "endless.txt").touch()
    monkeypatch.setattr(Endless, "recognises", lambda self, path: path.suffix == ".txt")
    known = [*finding.importers(), Endless()]
    monkeypatch.setattr(finding, "importers", lambda: known)
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        assert "endless     endless.txt" in await look_at(pilot, folder)
        await pilot.press("enter")
        await until(pilot, lambda: "/s" in rows(app)[0])
        shown = await press(pilot, "c")
        assert "messenger   you are Wren" in shown
        assert "endless     cancelled: nothing of it was taken over" in shown
        assert "importing" not in rows(app)[0]
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert [source.name for source in await reading.sources(studio)] == ["messenger"]
