"""Pane 2: the table, roles, joining and splitting, and taking each change back."""

from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text

from engine.archive import ingest, open_studio, people, suggestions
from engine.conversation import Conversation, Message, Sender
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.screens.senders.pane import SendersPane
from tui.screens.senders.preview import PreviewView
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
        ((80, 24), ["person", "messages", "words", "share", "sources", "last", "role"]),
        ((120, 36), ["person", "messages", "words", "share", "last", "role"]),
        ((160, 48), ["person", "messages", "words", "share", "sources", "first", "last", "role"]),
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
        assert heading.index("share") + len("share") == first.index("43.0 %") + len("43.0 %")
        assert "share of 86 messages" in text(app)


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
        await press(pilot, "space")
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


async def test_several_marked_ones_are_joined_without_the_one_that_the_bar_moved_on_to(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        table = app.screen.query_one(People)
        first, second, third = table.people[1:4]
        table.move_to(1)
        await press(pilot, "space", "space")
        assert table.current.id == third.id and table.marked == {first.id, second.id}
        shown = await press(pilot, "J")
        assert f"{second.name} and {first.name} are one person." in shown.splitlines()[-1]
        assert third.id in {person.id for person in table.people}, "nobody is joined unmarked"
        assert (first.name, first.role, first.messages + second.messages) in await everybody(studio)


async def test_namesakes_in_two_sources_are_asked_about(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "same person?  Hare (Messenger) · Hare (iMessage)" in shown and "same name" in shown
        assert await everybody(studio) == before, "nobody is joined by a suggestion"
        shown = await press(pilot, "y")
        assert "same person?" not in shown
        assert ("Hare", "user", 31) in await everybody(studio)
        shown = await press(pilot, "u")
        assert await everybody(studio) == before
        assert "same person?" in shown


async def test_a_no_is_remembered_until_it_is_taken_back(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        shown = await press(pilot, "n")
        assert "same person?" not in shown and "are two people. u takes it back." in shown
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "same person?" not in await press(pilot, "2")
    async with await open_studio(studio) as archive:
        [one, other] = [row.id for row in await people.people(archive) if row.name == "Hare"]
        await suggestions.call_different(archive, one, other, False)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "same person?" in await press(pilot, "2")
        await press(pilot, "n")
        assert "same person?" in await press(pilot, "u")
    assert await everybody(studio) == before


async def test_a_number_is_asked_about_in_short_and_keeps_its_name(tmp_path: Path) -> None:
    path = await studio_builder.build(tmp_path / "studio.db")
    number = Sender("+15550100042", "+1 555 010 0042")
    me = Sender("me", "Tortoise", is_owner=True)
    for source, sender in (("phone", number), ("tablet", Sender("5550100042", "Badger"))):
        said = [Message(str(n), sender.key, studio_builder.START + n, f"dig {n}") for n in range(3)]
        async with await open_studio(path) as archive:
            await ingest.ingest(
                archive,
                source=source,
                importer="imessage",
                path="/chat.db",
                conversations=iter([Conversation("c", "", (sender, me), said)]),
                report=ImportReport(),
                owner="Tortoise",
            )
    app = UnderstudyApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "same person?  Badger (tablet) · +1555…42 (phone)" in shown and "same number" in shown
        await press(pilot, "y")
        assert ("Badger", "user", 6) in await everybody(path)


async def test_changes_are_taken_back_one_by_one_after_leaving_the_pane(studio: Path) -> None:
    before = await everybody(studio)
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "a")
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Owl"))
        await press(pilot, "x")
        await press(pilot, "y")
        table.move_to([person.name for person in table.people].index("Hare"))
        await press(pilot, "S")
        changed = await everybody(studio)
        assert {("Owl", "left out", 6), ("Tortoise", "ai", 37)} <= set(changed) and changed != before
        await press(pilot, "1", "3", "2")
        said = [(await press(pilot, "u")).splitlines()[-1] for _ in range(4)]
        assert [one.strip() for one in said] == [
            "Took back that Hare is split.",
            "Took back that Hare is one person.",
            "Took back that Owl is left out of every chunk.",
            "Took back that Tortoise is the AI sender.",
        ]
    assert await everybody(studio) == before


async def test_a_person_is_left_out_in_one_conversation_and_back_in(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "a")
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Owl"))
        shown = await press(pilot, "X")
        assert "Leave Owl out of which conversation?" in shown and "Race committee" in shown
        assert "let in again" not in shown
        shown = await press(pilot, "enter")
        assert "Owl is left out in Race committee. u takes it back." in shown
        line = next(row for row in shown.splitlines() if row.startswith("   Owl"))
        assert line.partition("│")[0].split()[-3:] == ["out", "in", "1"]
        shown = await press(pilot, "X")
        assert "left out" in shown and "Where they are left out, they are let in again." in shown
        shown = await press(pilot, "escape", "1")
        assert "Race committee (4) 1 out" in shown
        shown = await press(pilot, "2", "u")
        assert "out in 1" not in shown


async def test_the_preview_follows_the_bar_and_the_roles(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "a")
        shown = await press(pilot, "j")
        assert "With Tortoise as the AI sender, the next chunk with Hare reads" in shown
        assert "talking with Hare" in shown
        shown = await press(pilot, "x")
        assert "Hare is left out" in shown and "x takes them in again" in shown and "▌ assistant" not in shown
        shown = await press(pilot, "x")
        assert "▌ assistant" in shown
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Owl"))
        await settled(pilot)
        assert "None: 24 messages in group conversations." in text(app)


async def test_only_the_last_place_of_a_moving_bar_is_looked_at(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "a")
        seen: list[str] = []
        pane = app.screen
        assert isinstance(pane, SendersPane)
        view = pane.query_one(PreviewView)
        show = view.show
        view.show = lambda shown: (seen.append(shown.head), show(shown))[1]  # type: ignore[method-assign]
        await press(pilot, "j", "j", "j", "k", "k")
        assert len(seen) == 1 and "with Hare" in seen[0]


async def test_the_preview_at_80_columns_is_one_key_away(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "z next chunk" in shown and "assistant" not in shown
        assert "▌ assistant" in await press(pilot, "z")
        shown = await press(pilot, "escape")
        assert "person " in shown and "assistant" not in shown


async def test_a_name_is_found_as_it_is_typed(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Fox"))
        await press(pilot, "space")
        shown = await press(pilot, "slash", "o", "w")
        assert [person.name for person in table.people] == ["Owl"]
        assert "1 person of 6 · 1 marked" in shown and "share of 86 me" in shown
        shown = await press(pilot, "x")
        assert "Nobody is called that." in shown
        await press(pilot, "enter")
        for key in ("a", "x", "X", "S", "J", "space"):
            await press(pilot, key)
        shown = await press(pilot, "slash", "o", "w", "enter", "J")
        assert "Fox and Owl are one person." in shown.splitlines()[-1]
        assert "Owl (+1)" in shown
        shown = await press(pilot, "escape")
        assert "5 people" in shown and "find a name" not in shown
        assert ("Owl", "user", 12) in await everybody(studio)


async def test_the_order(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "j")
        table = app.screen.query_one(People)
        assert table.current is not None
        under = table.current.id
        assert "last heard first" in await press(pilot, "s")
        assert [person.last for person in table.people] == sorted(
            (person.last for person in table.people), reverse=True
        )
        assert "by name" in await press(pilot, "s")
        assert [person.name for person in table.people] == ["Fox", "Hare", "Hare", "Mole", "Owl", "Tortoise"]
        assert table.current.id == under, "the bar stays on the person"
        assert "most messages first" in await press(pilot, "s")


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
        assert "everything · newest first" in shown and "esc shows everything" not in shown


async def test_enter_shows_the_conversations_with_a_person(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        table = app.screen.query_one(People)
        table.move_to([person.name for person in table.people].index("Owl"))
        shown = await press(pilot, "enter")
        assert "with Owl" in shown and "1 conversation of 3" in shown


async def test_two_people_of_one_name_are_two(tmp_path: Path) -> None:
    def talk(number: int, messages: int) -> Conversation:
        who = (Sender(f"u{number}", "Facebook user"), Sender("t", "Tortoise", is_owner=True))
        said = [
            Message(f"{number}-{at}", f"u{number}", studio_builder.START + at, "hello")
            for at in range(messages)
        ]
        return Conversation(f"c{number}", f"Talk {number}", who, said)

    app = UnderstudyApp(await studio_builder.build(tmp_path / "studio.db", talk(1, 3), talk(2, 5)))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2", "enter")
        assert "1 conversation of 2" in shown and "Talk 2" in shown and "Talk 1" not in shown


async def test_nobody_yet(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "2")
        assert "Nobody has written anything yet." in shown
        assert "make AI" not in shown
        for key in ("a", "x", "X", "s", "z", "space", "J", "S", "u", "y", "n", "enter"):
            await press(pilot, key)
        assert app.is_running
