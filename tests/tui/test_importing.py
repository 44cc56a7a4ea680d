"""The import screen: paths, recognition, progress, cancelling, the report, and errors in place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from messenger_export import said, write_thread
from screen_reader import press, rows, settled, text

import engine.importers
from engine import samples
from engine.archive import open_studio, reading
from engine.conversation import Conversation, Message, Sender
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.screens.importing.paths import complete, typed_path
from tui.screens.importing.rows import Behind
from tui.widgets.field import Field


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


def test_pasted_and_dropped_paths_are_understood(tmp_path: Path) -> None:
    spaced = tmp_path / "my export"
    spaced.mkdir()
    for typed in (f"{spaced}", f"'{spaced}'", f'"{spaced}" ', str(spaced).replace(" ", "\\ ")):
        assert typed_path(typed) == spaced
    assert typed_path("~/x") == Path.home() / "x"


async def test_a_typed_path_is_recognised_completed_and_imported(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        field = app.screen.query_one(Field)
        field.value = str(samples.messenger())[:-4]
        field.cursor_position = len(field.value)
        shown = await press(pilot, "tab")
        assert field.value == f"{samples.messenger()}/"
        assert "Recognised: messenger." in shown
        assert "⏎ import" in rows(app)[-1]
        shown = await press(pilot, "enter")
        assert "every row is kept or skipped" in shown and samples.OWNER in shown
        assert "⏎ open   o first conversation" in rows(app)[-1]
        shown = await press(pilot, "o")
        assert "conversations" in shown and "messenger" in shown
    async with await open_studio(tmp_path / "studio.db") as studio:
        assert (await reading.counts(studio)).messages > 1_000


async def test_what_cannot_be_imported_is_said_in_place(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html></html>")
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(110, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        for typed in (tmp_path / "page.html", tmp_path / "no such \x1b[31m[/] file"):
            app.screen.query_one(Field).value = str(typed)
            await press(pilot, "enter")
            assert "\x1b" not in text(app)
            known = rows(app)[5]
            assert len(known.strip()) > 20
            assert "Error" not in known
            assert app.screen.query_one(Field).has_focus
        shown = await press(pilot, "escape")
        assert "Nothing here yet." in shown


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


@pytest.mark.parametrize("key", ["c", "escape"])
async def test_cancelling_leaves_the_studio_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(engine.importers, "importers", lambda: [Endless()])
    monkeypatch.setattr(engine.importers, "recognise", lambda path: Endless())
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "i")
        app.screen.query_one(Field).value = str(tmp_path)
        await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.02)
            if "/s" in rows(app)[0]:
                break
        assert "importing " in rows(app)[0] and "━" in text(app)
        assert "c cancel" in rows(app)[-1]
        await pilot.press("2")
        await pilot.pause()
        assert "importing " in rows(app)[0], "other panes say it too"
        await pilot.press("1")
        await pilot.pause()
        shown = await press(pilot, key)
        assert "The import was cancelled. " in shown.replace("\n", " ") or "cancelled" in shown
        assert "importing" not in rows(app)[0]
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
        app.screen.query_one(Field).value = str(export)
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
        app.screen.query_one(Field).value = str(export)
        await settled(pilot)
        await press(pilot, "enter", "escape")
        shown = await press(pilot, "i", "ctrl+r")
        assert "messenger: …" in shown and "/export " in shown
        shown = await press(pilot, "enter")
        assert str(export) in shown and "1 conversation" in shown and "every row is kept or skipped" in shown
        shown = await press(pilot, "j", "j", "j", "j", "j", "enter")
        assert "lost for" in shown
        await press(pilot, "escape", "escape")
        assert app.screen.query_one(Field).has_focus


async def test_a_line_whose_rows_nobody_noted_says_so(tmp_path: Path) -> None:
    report = ImportReport()
    report.keep("speech", 3)
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await app.push_screen(Behind(report.lines()[1], report.behind("kept")))
        assert "kept   3, and not noted which" in await press(pilot, "j", "G", "enter")
        assert "Nothing here yet." in await press(pilot, "escape")
