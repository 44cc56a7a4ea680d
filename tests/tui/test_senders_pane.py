"""Pane 2: the table, roles, joining and splitting, and taking each change back."""

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text

from engine.archive import ingest, open_studio, people
from engine.conversation import Conversation, Message, Sender
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.screens.senders.table import People


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    """The fable from Messenger, and Hare again from iMessage."""
    path = await studio_builder.build(tmp_path / "studio.db")
    said = [
        Message("x", "+1", studio_builder.START, "on my way"),
        Message("y", "me", studio_builder.START + 1, "ok"),
    ]
    again = Conversation("im", "Hare", (Sender("+1", "Hare"), Sender("me", "Tortoise", is_owner=True)), said)
    async with await open_studio(path) as archive:
        await ingest.ingest(
            archive,
            source="iMessage",
            importer="imessage",
            path="/chat.db",
            conversations=iter([again]),
            report=ImportReport(),
            owner="Tortoise",
        )
    return path


async def everybody(path: Path) -> list[tuple[str, str, int]]:
    async with await open_studio(path) as archive:
        return sorted((row.name, row.role, row.messages) for row in await people.people(archive))


@pytest.mark.parametrize(
    ("size", "columns"),
    [
        ((80, 24), ["person", "messages", "words", "sources", "last", "role"]),
        ((120, 36), ["person", "messages", "words", "last", "role"]),
        ((160, 48), ["person", "messages", "words", "sources", "first", "last", "role"]),
    ],
)
async def test_columns_give_way_and_stand_above_their_cells(
    studio: Path, size: tuple[int, int], columns: list[str]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        heading = rows(app)[1].partition("│")[0]
        assert heading.split() == columns
        first = rows(app)[2].partition("│")[0]
        assert first.split()[:3] == ["Tortoise", "(me)", "37"]
        assert heading.index("role") == first.index("user")
        assert heading.index("messages") + len("messages") == first.index("37") + 2


async def test_making_the_ai_sender_shows_word_and_glyph_and_the_next_chunk(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2", "a")
        line = next(row for row in shown.splitlines() if "Tortoise (me)" in row)
        assert line.startswith("▌") and line.partition("│")[0].split()[-1] == "AI"
        assert "With Tortoise as the AI sender, the next chunk reads" in shown
        assert "· system     You are Tortoise" in shown
        assert "▌ assistant  " in shown and "│ user       " in shown
        await press(pilot, "u")
        assert not [row for row in rows(app) if row.startswith("▌")]
        assert "If Tortoise were the AI sender" in text(app)
    assert ("Tortoise", "user", 37) in await everybody(studio)


async def test_leaving_out_and_taking_back(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "j")
        shown = await press(pilot, "x")
        assert "left out" in shown and "Hare is left out of every chunk. u takes it back." in shown
        assert ("Hare", "left out", 30) in await everybody(studio)
        await press(pilot, "u")
        assert ("Hare", "user", 30) in await everybody(studio)


async def test_the_ai_sender_is_not_left_out_and_the_screen_says_why(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2", "a", "x")
        assert "Make somebody else the AI sender first." in shown.splitlines()[-1]


async def test_joining_marked_people_splitting_and_taking_both_back(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        assert "join marked" not in rows(app)[-1]
        table = app.screen.query_one(People)
        names = [person.name for person in table.people]
        table.move_to(names.index("Mole"))
        await press(pilot, "space")
        table.move_to(names.index("Owl"))
        shown = await press(pilot, "space")
        assert "2 marked" in shown and "✓ Mole" in shown
        table.move_to(names.index("Fox"))
        shown = await press(pilot, "J")
        assert "are one person" in shown.splitlines()[-1]
        assert "Fox (+2)" in shown
        assert ("Fox", "user", 18) in await everybody(studio)
        shown = await press(pilot, "S")
        assert await everybody(studio) == before
        await press(pilot, "u")
        assert ("Fox", "user", 18) in await everybody(studio)
        await press(pilot, "u")
        assert await everybody(studio) == before
        assert "undo" not in rows(app)[-1]


async def test_namesakes_in_two_sources_are_asked_about(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "same person?  Hare · Messenger and iMessage" in shown
        shown = await press(pilot, "y")
        assert "same person?" not in shown
        assert ("Hare", "user", 31) in await everybody(studio)
        shown = await press(pilot, "u")
        assert await everybody(studio) == before
        assert "same person?" in shown
        assert "same person?" not in await press(pilot, "n")
        assert await everybody(studio) == before


async def test_the_suggestion_waits_while_people_are_marked(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        assert "J joins the marked ones" in await press(pilot, "space")
        assert "J joins the marked ones" in (await press(pilot, "y")).splitlines()[-1]
        assert await everybody(studio) == before
        await press(pilot, "x")
        assert len(app.screen.query_one(People).marked) == 1, "another change keeps the marks"


async def test_esc_lifts_the_filter_and_rows_of_one_title_say_their_source(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "· iMessage" in text(app) and "· Messenger" in text(app)
        shown = await press(pilot, "2", "enter")
        assert "esc shows everything" in shown and " of " in shown
        shown = await press(pilot, "escape")
        assert "all sources · all people" in shown and "esc shows everything" not in shown


async def test_enter_shows_the_conversations_with_a_person(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Owl"))
        shown = await press(pilot, "enter")
        assert "with Owl" in shown and "1 conversation of 3" in shown


async def test_nobody_yet(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "Nobody has written anything yet." in shown
        assert "make AI" not in shown
        for key in ("a", "x", "space", "J", "S", "u", "y", "n", "enter"):
            await press(pilot, key)
        assert app.is_running
