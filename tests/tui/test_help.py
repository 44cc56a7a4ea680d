"""`?`, the palette and the keys that are there everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text

from engine.config import Loaded, Settings
from tui.app import UnderstudyApp
from tui.pane import Pane
from tui.screens.training.confirm import Confirm

LATER = "not just now"


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


async def test_the_keys_that_work_stand_first_and_the_others_below_a_line_that_says_so(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 60)) as pilot:
        await settled(pilot)
        works, later = (await press(pilot, "question_mark")).split(LATER)
        assert "find in all messages as you type" in works and "next hit" not in works
        assert "next hit" in later and "load the sample exports" in later
        await press(pilot, "escape", "slash", *"lettuce", "enter")
        works, later = (await press(pilot, "question_mark")).split(LATER)
        assert "next hit" in works and "next hit" not in later


async def test_a_key_that_means_something_else_now_is_not_among_an_action_s_keys(studio: Path) -> None:
    app = UnderstudyApp(
        studio, loaded=Loaded(settings=Settings(keys={"conversations.details": ["enter", "D"]}))
    )
    async with app.run_test(size=(80, 60)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "question_mark")
        assert any("⏎  D" in row and "all that is known" in row for row in rows(app))


async def test_the_help_is_read_with_the_keys_of_every_page(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(60, 15)) as pilot:
        await settled(pilot)
        first = await press(pilot, "question_mark")
        for key, back in (("j", "k"), ("G", "g"), ("pagedown", "pageup")):
            assert await press(pilot, key) != first
            assert await press(pilot, back) == first


async def test_the_palette_finds_what_can_be_done_on_the_page_before_a_training(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "a", "enter", "3")
        await press(pilot, "t")
        assert isinstance(app.screen, Confirm)
        assert "another provider" in await press(pilot, "ctrl+p", *"provider")
        assert "Train where?" in await press(pilot, "enter")
        await press(pilot, "escape", "ctrl+p", *"go to")
        assert "go to Senders" not in text(app), "the page must be left first"


async def test_ctrl_c_twice_leaves_from_a_sheet_too(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "f")
        assert not isinstance(app.screen, Pane)
        await press(pilot, "ctrl+c")
        assert app.is_running
        await pilot.press("ctrl+c")
        assert not app.is_running


async def test_why_there_is_no_studio_stays_in_view(tmp_path: Path) -> None:
    app = UnderstudyApp(Path("/dev/null"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key in ("j", "2", "3", "j", "4", "5", "1"):
            assert "/dev/null is not a studio." in await press(pilot, key), key


async def test_a_studio_that_can_be_opened_at_last_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    path.write_text("no database")
    app = UnderstudyApp(path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "is not a studio" in text(app)
        path.unlink()
        await studio_builder.build(path)
        await press(pilot, "2")
        assert "Hare" in text(app)
        assert "2 conversations" in await press(pilot, "1")
