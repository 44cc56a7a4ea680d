"""What is sent piece by piece over a walk shows the same as a whole frame, which ctrl+l sends."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyte
import pytest
import studio_builder
from rich.console import Console
from screen_reader import settled
from textual._compositor import CompositorUpdate
from textual.screen import Screen

from engine.conversation import Conversation, Message, Sender
from tui.app import UnderstudyApp
from tui.frames import Shown

COLUMNS, ROWS = 100, 30
KEYS = (
    *("down", "up", "enter", "pagedown", "pageup", "g", "G", "k", "j", "n", "z", "s", "T", "slash"),
    *("a", "f", "question_mark", "ctrl+p", "1", "2", "3", *["escape"] * 5),
)
WIDE = (
    "漢字の庭",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 family ",
    "cafe\u0301 ไทย नमस्ते ",
    "👍🏽 ok ❤\ufe0f ",
    "한국어",
)


class Played(UnderstudyApp):
    """Its frames are played into a terminal's screen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.terminal = pyte.Screen(COLUMNS, ROWS)
        self.terminal.reset_mode(pyte.modes.DECAWM)
        self.line = pyte.Stream(self.terminal)
        self.pen = Console(force_terminal=True, color_system="truecolor", legacy_windows=False)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count and screen is self.screen:
            self.line.feed(self._shown.send(renderable, self.pen))

    def seen(self) -> list[list[tuple[str, str]]]:
        cells = self.terminal.buffer
        return [[(cells[y][x].data, cells[y][x].bg) for x in range(COLUMNS)] for y in range(ROWS)]

    def whole(self) -> str:
        update = self.screen._compositor.render_update(full=True)
        assert update is not None
        return Shown().send(update, self.pen)


def wide(rng: random.Random) -> Conversation:
    people = (Sender("h", WIDE[0]), Sender("tortoise", "Tortoise", is_owner=True))
    said = [
        Message(f"{at}", people[at % 2].key, studio_builder.START + at * 60_000, text)
        for at in range(60)
        for text in ["".join(rng.choices(WIDE, k=rng.randint(1, 30)))]
    ]
    return Conversation("w", WIDE[1], people, said)


@pytest.mark.parametrize("seed", range(4))
async def test_a_walk_ends_in_what_a_whole_frame_shows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = await studio_builder.build(tmp_path / "s.db", wide(rng), studio_builder.fable())
    app = Played(path)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        await settled(pilot)
        walked = list[str]()
        for _ in range(8):
            for key in rng.choices(KEYS, k=rng.randint(1, 4)):
                walked.append(key)
                await pilot.press(key)
            await settled(pilot)
            before = app.seen()
            assert any("Conversations"[:1] == cell for cell, _ in before[0])
            app.line.feed(app.whole())
            assert before == app.seen(), walked
