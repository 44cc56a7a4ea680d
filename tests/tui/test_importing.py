"""The import screen: paths, recognition, progress, cancelling, the report, and errors in place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from screen_reader import press, rows, settled, text

import engine.importers
from engine import samples
from engine.archive import open_studio, reading
from engine.conversation import Conversation, Message, Sender
from engine.importers.report import Example, ImportReport
from tui.app import UnderstudyApp
from tui.screens.importing.paths import complete, typed_path
from tui.screens.importing.report import lines, total
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


def test_the_report_says_where_every_row_went() -> None:
    first, second = ImportReport(), ImportReport()
    for _ in range(1_200):
        first.keep("speech")
    second.keep("call")
    second.skip("empty")
    second.bad_files += [(f"inbox/fox_{number}/message_1.json", "ends too soon") for number in range(9)]
    whole = total([first, second])
    assert whole.rows_read == whole.kept + sum(whole.skipped.values()) == 1_202
    shown = [line.plain for line in lines(whole, 100)]
    assert any(line.split()[:2] == ["kept", "1,201"] for line in shown)
    assert any("call 1" in line for line in shown)
    assert any(line.split()[:3] == ["left", "out", "1"] and "empty" in line for line in shown)
    assert sum("ends too soon" in line for line in shown) == 5
    assert any("and 4 more" in line for line in shown)
    assert sum("ends too soon" in line.plain for line in lines(whole, 100, everything=True)) == 9
    assert shown[-1].split()[:3] == ["rows", "read", "1,202"]


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
        assert "rows read" in shown and samples.OWNER in shown
        assert "⏎ open the first conversation" in rows(app)[-1]
        shown = await press(pilot, "enter")
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


def test_what_was_left_out_is_listed_row_by_row() -> None:
    report = ImportReport()
    report.skip("no time", 3, Example("chat.db, message 7", 1_700_000_000_000, "\x1b[2Jlost for words"))
    assert not any("lost for words" in line.plain for line in lines(report, 120))
    shown = [line.plain for line in lines(total([report]), 120, everything=True)]
    [row] = [line for line in shown if "lost for words" in line]
    assert "chat.db, message 7" in row and "2023" in row and "\x1b" not in row
    assert any("and 2 more" in line for line in shown)
