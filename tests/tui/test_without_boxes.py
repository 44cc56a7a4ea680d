"""The screen for screen readers, its themes, and NO_COLOR."""

from __future__ import annotations

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text

from engine import config
from engine.config import Loaded, Settings
from tui.app import UnderstudyApp
from tui.screens.chat.bubbles import Bubble, bubble_lines
from tui.themes import NAMES, textual_name
from tui.widgets.loss_chart import in_figures

DRAWN = {chr(code) for code in [*range(0x2500, 0x25A0), *range(0x2800, 0x2900)]} | set("·▸✓⏎")
PLAIN = Loaded(settings=Settings(boxes=False))


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_nothing_is_drawn_and_one_thing_is_read_at_a_time(studio: Path, size: tuple[int, int]) -> None:
    app = UnderstudyApp(studio, loaded=PLAIN)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert "Race committee" in text(app) and "Speed is key" not in text(app), "no second column"
        for keys in (["enter"], ["escape", "slash"], ["escape", "2"], ["3"], ["4"], ["5"], ["ctrl+p"]):
            shown = await press(pilot, *keys)
            assert not DRAWN & set(shown), keys
        await press(pilot, "escape", "1")
        assert "[1] Conversations" in rows(app)[0] or "[1]" in rows(app)[0]
        assert "enter open" in rows(app)[-1]


async def test_the_row_under_the_bar_has_a_sign_and_the_cursor(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=PLAIN)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for _ in range(2):
            (place,) = [y for y, row in enumerate(rows(app)) if row.startswith(">")]
            assert app.cursor_position.y == place
            await press(pilot, "j")


async def test_the_cursor_is_where_one_reads_or_types(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=PLAIN)

    def here() -> str:
        return rows(app)[app.cursor_position.y]

    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g")
        assert here().lstrip().startswith("> Hare"), "the first message, which stands under a day"
        await press(pilot, "ctrl+p")
        assert "what to do" in here()
        await press(pilot, "down")
        assert here().lstrip().startswith(">")
        await press(pilot, "escape")
        assert here().lstrip().startswith("> Hare"), "the sheet has left none behind"
        await press(pilot, "escape", "slash", "o")
        assert here().startswith(" / o")


async def test_a_sheet_is_read_alone(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=PLAIN)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key in ("f", "question_mark", "ctrl+p"):
            assert "Race committee" not in await press(pilot, key), key
            assert "Race committee" in await press(pilot, "escape")


async def test_what_is_secondary_is_dim_in_the_terminal_s_own_palette(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=Loaded(settings=Settings(theme="dark")))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "T", "T", "enter")
        assert app.theme_name == "ansi"
        styles = [
            segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style and segment.text.strip()
        ]
        assert any(style.dim for style in styles)
        assert not [style for style in styles if style.color and style.color.number == 8], "may be unreadable"
        await press(pilot, "T")
        styles = [segment.style for strip in app.screen._compositor.render_strips() for segment in strip]
        assert not any(style and style.dim for style in styles)


async def test_who_is_the_ai_sender_is_said_in_words(studio: Path) -> None:
    app = UnderstudyApp(studio, loaded=PLAIN)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "Tortoise, AI sender" in await press(pilot, "a", "enter", "enter")


def test_a_chat_names_its_speakers_and_the_curve_is_figures() -> None:
    lines = [line.plain for line in bubble_lines(Bubble("user", "hi"), 80, False, named=True)]
    assert lines[0] == "You"
    assert bubble_lines(Bubble("assistant", "hi"), 80, False, named=True)[0].plain == "Model"
    train = [(step, 7 - step / 50) for step in range(1, 101)]
    figures = [line.plain for line in in_figures(train, [(50, 6.5), (100, 5.5)], 100, width=60, height=5)]
    assert len(figures) == 5
    assert figures[-1] == "step 100: training loss 5.00, validation 5.50"
    assert in_figures([], [], 0, width=60, height=5) == []


async def test_a_theme_that_was_chosen_is_there_at_the_next_start(
    studio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for wanted in (*NAMES[1:], NAMES[0]):
        app = UnderstudyApp(studio, loaded=config.load())
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            await press(pilot, "T")
            assert app.theme == textual_name(wanted)
        assert config.load().settings.theme == wanted


@pytest.mark.parametrize("theme", NAMES)
async def test_without_colour_every_theme_still_shows_where_the_bar_is(
    studio: Path, theme: config.Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = UnderstudyApp(studio, loaded=Loaded(settings=Settings(theme=theme)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        strips = app.screen._compositor.render_strips()
        listed = [strip for strip in strips if strip.text.split()[:1] in (["Hare"], ["Race"])]
        assert len(listed) == 2
        looks = []
        for strip in listed:
            style = next(segment.style for segment in strip if segment.text.strip())
            assert style is not None
            looks.append((style.reverse, style.bold))
        assert len(set(looks)) > 1, looks
        styles = [segment.style for strip in strips for segment in strip if segment.style]
        assert not [style for style in styles if style.color or style.bgcolor]
        assert any(style.dim for style in styles), "what is secondary still is"
        assert "NO_COLOR is set" in await press(pilot, "T")
