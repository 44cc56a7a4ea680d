"""Names, titles and messages that try to steer the terminal or break the markup, on every screen."""

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled

from tui.app import UnderstudyApp
from tui.widgets.transcript import Transcript

FORBIDDEN = {*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def assert_harmless(app: UnderstudyApp) -> None:
    for row in rows(app):
        found = sorted({hex(ord(char)) for char in row if ord(char) in FORBIDDEN})
        assert not found, (found, row)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48)])
async def test_no_control_character_reaches_any_line(tmp_path: Path, size: tuple[int, int]) -> None:
    path = await studio_builder.build(tmp_path / "studio.db", studio_builder.evil(), studio_builder.fable())
    app = UnderstudyApp(path)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert_harmless(app)
        app.go(1, next(iter_ids(app)))
        await settled(pilot)
        transcript = app.screen.query_one(Transcript)
        for _ in range(2 * len(studio_builder.EVIL)):
            assert_harmless(app)
            await press(pilot, "k")
        await press(pilot, "G")
        assert_harmless(app)
        assert transcript.message is not None and transcript.message.attachments
        for keys in (
            ["y"],
            ["escape", "a"],
            ["escape", "f"],
            ["escape", "2"],
            ["a"],
            ["x"],
            ["u"],
            ["enter"],
        ):
            await press(pilot, *keys)
            assert_harmless(app)
        await press(pilot, "slash", *"clipboard")
        assert_harmless(app)
        await press(pilot, "enter", "enter")
        assert_harmless(app)
        await press(pilot, "escape", "escape", "question_mark")
        assert_harmless(app)
        assert app.is_running


def iter_ids(app: UnderstudyApp):  # type: ignore[no-untyped-def]
    """(conversation, first message) of the hostile conversation."""
    from tui.screens.conversations.lists import ConversationList

    for row in app.screen.query_one(ConversationList).conversations:
        if "[/some/path]" in row.title:
            yield (row.id, 1)
