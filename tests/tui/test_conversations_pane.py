"""Pane 1: list, transcript, search, filter, the AI sender, and the empty studio."""

import os
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, rows, settled, text
from textual import events

from engine import config
from engine.archive import ingest, open_studio, people, query, reading
from engine.archive.rows import ConversationRow, MessageRow
from engine.conversation import Attachment, AttachmentKind, Conversation, Edit, Kind, Message, Sender
from engine.importers.report import ImportReport
from tui.app import UnderstudyApp
from tui.safe_text import safe_line
from tui.screens.conversations import places
from tui.screens.conversations.lists import ConversationList, HitList
from tui.screens.conversations.narrowing import FIELDS, Narrowed, Person, choices, keeps, known, words
from tui.widgets.field import Field
from tui.widgets.message_lines import lay_out
from tui.widgets.prompt import Prompt
from tui.widgets.transcript import NEAR, WINDOW, Transcript

SIZES = [(80, 24), (120, 36), (160, 48)]


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


@pytest.fixture
async def long_studio(tmp_path: Path) -> Path:
    return await studio_builder.build(
        tmp_path / "studio.db", studio_builder.fable(3000), studio_builder.group()
    )


async def test_the_list_is_aligned_and_newest_first(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        hare = next(row for row in rows(app) if row.startswith(" ▸ Hare"))
        group = next(row for row in rows(app) if "Race committee (4)" in row)
        assert rows(app).index(hare) < rows(app).index(group)
        assert hare.index(" 60 ") == group.index(" 24 "), "counts end in the same column"


@pytest.mark.parametrize("size", SIZES)
async def test_a_transcript_names_each_run_once_and_marks_what_is_no_speech(
    studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        shown = await press(pilot, "g")
        place = app.screen.query_one(Transcript).region
        lines = [line[place.x : place.right].strip() for line in shown.splitlines()]
        run = lines.index("│ Slow and steady, that's my motto.")
        assert lines[run - 1].startswith("│ Tortoise")
        assert lines[run + 1].startswith("│ A balanced approach")
        assert any("❤ Tortoise" in line for line in lines)
        assert any("Aug 2023 ─" in line for line in lines)
        assert "│ [photo] start.jpg" in lines
        app.screen.query_one(Transcript).move_to(15)
        await settled(pilot)
        shown = text(app)
        assert "· Missed call" in shown
        assert "· Tortoise · took a message back" in shown


async def test_a_reply_shows_what_it_answers(tmp_path: Path) -> None:
    people = (Sender("hare", "Hare"), Sender("tortoise", "Tortoise"))
    said = [
        Message("a", "hare", 1_000, "Speed is key!\nAlways."),
        Message("b", "tortoise", 2_000, "", Kind.ATTACHMENT, (Attachment(AttachmentKind.PHOTO),)),
        Message("c", "tortoise", 3_000, "Slowly.", reply_to="a"),
        Message("d", "hare", 4_000, "Nice one.", reply_to="b"),
    ]
    studio = await studio_builder.build(tmp_path / "s.db", Conversation("c", "Hare", people, said))
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = [line.partition("│ │ ")[2].strip() for line in rows(app)]
        at = shown.index("Slowly.")
        assert shown[at - 1] == "↪ Hare: Speed is key!⏎Always."
        assert shown[shown.index("Nice one.") - 1].startswith("↪ Tortoise: [attachment]")


async def test_the_ai_sender_has_the_accent_gutter_everywhere(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "▌" not in text(app)
        assert "Whose voice" in await press(pilot, "a")
        shown = await press(pilot, "g", "enter")
        assert "▌ Tortoise" in shown and "▌ Hare" not in shown
        assert "▌ Slow and steady" in shown
        assert "│ Speed is key!" in shown
    async with await open_studio(studio) as archive:
        chosen = await people.ai(archive)
        assert chosen is not None and chosen.name == "Tortoise"


async def test_only_a_window_of_a_long_conversation_is_held(long_studio: Path) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        transcript = app.screen.query_one(Transcript)
        assert "3,000 of 3,000" in text(app) and "(2999)" in text(app)
        await press(pilot, "g")
        assert transcript.cursor == 0 and "are you even awake" in text(app)
        for _ in range(40):
            await press(pilot, "pagedown")
            assert len(transcript.rows) <= WINDOW
        assert transcript.message is not None
        assert transcript.cursor > WINDOW
        assert f"({transcript.cursor})" in transcript.message.text or transcript.message.kind != "speech"
        transcript.move_to(1500)
        await settled(pilot)
        assert "(1500)" in text(app)


async def test_reading_the_window_again_does_not_move_what_is_read(long_studio: Path) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g")
        transcript = app.screen.query_one(Transcript)
        transcript.move_to(WINDOW - NEAR - 30)
        await settled(pilot)
        top = transcript._place()
        first = transcript._first
        transcript.scroll_relative(y=40, animate=False, force=True)
        await settled(pilot)
        assert transcript._first > first, "the window moved along"
        place = transcript._place()
        assert place is not None and top is not None
        assert place[0] > top[0]
        lines = [row for row in rows(app) if f"({place[0] + 1})" in row or f"({place[0] + 2})" in row]
        assert lines


async def test_search_lists_hits_shows_them_in_place_and_esc_goes_back(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        before = app.screen.query_one(Transcript).cursor
        shown = await press(pilot, "slash", *"lettuce")
        assert "6 hits" in shown and "and the lettuce?" in shown
        assert "Race committee · Messenger" in shown, "the first hit stands in its place"
        first = app.screen.query_one(Transcript).cursor
        await press(pilot, "enter", "n")
        assert app.screen.query_one(HitList).cursor == 1
        assert app.screen.query_one(Transcript).cursor != first
        await press(pilot, "N")
        assert app.screen.query_one(Transcript).cursor == first
        shown = await press(pilot, "escape")
        assert "2 conversations" in shown
        assert "Hare · Messenger" in shown
        assert app.screen.query_one(Transcript).cursor == before


async def test_a_search_without_hits_offers_no_next_one(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"lettuce", "enter")
        assert "n next" in text(app)
        shown = await press(pilot, "slash", "ctrl+u", *"zzzq", "enter")
        assert "0 hits" in shown and "n next" not in shown
        assert "0 hits" in await press(pilot, "n"), "no conversation opens"


async def test_a_word_whose_name_is_still_to_come_waits_for_it(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "slash", *"from:")
        assert "go on typing" in shown and "0 hits" not in shown
        assert "6 hits · ⏎ goes to them" in await press(pilot, *"owl")
        shown = await press(pilot, "enter")
        assert "6 hits" in shown and "goes to them" not in shown


async def test_the_first_next_is_the_hit_under_the_eye(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"lettuce", "enter")
        found = app.screen.query_one(HitList)
        await press(pilot, "n")
        assert app.screen.has_class("-detail") and found.cursor == 0
        await press(pilot, "n")
        assert found.cursor == 1


@pytest.mark.parametrize("size", SIZES)
async def test_from_a_hit_in_its_place_esc_leads_back_to_the_hits(
    long_studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"speed", "enter")
        found = app.screen.query_one(HitList)
        await press(pilot, "n", *"nnn", *(() if size == SIZES[0] else ("enter",)))
        at = found.cursor
        shown = await press(pilot, "escape")
        assert app.focused is found and found.cursor == at > 0
        region = found.region
        drawn = [line[region.x : region.right].rstrip() for line in shown.splitlines()]
        first = found.scroll_offset.y
        expected = [
            found.rows_of(line // 2, region.width)[line % 2].plain.rstrip()
            for line in range(first, first + region.height)
        ]
        assert drawn[region.y : region.bottom] == expected
        await press(pilot, "j")
        assert found.cursor == at + 1


@pytest.mark.parametrize("size", SIZES)
async def test_what_a_message_said_before_can_be_read(tmp_path: Path, size: tuple[int, int]) -> None:
    people = (Sender("hare", "Hare"), Sender("tortoise", "Tortoise"))
    edits = (Edit("I am [/] late", 2_000), Edit("I am latte", None))
    said = [
        Message("a", "hare", 1_000, "Where are you?"),
        Message("b", "tortoise", 2_000, "I am early.", edited=True, edits=edits, reply_to="a"),
        Message("c", "hare", 3_000, "You are not.", edited=True),
    ]
    studio = await studio_builder.build(tmp_path / "s.db", Conversation("c", "Hare", people, said))
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        shown = await press(pilot, "k", *(() if size[0] >= 140 else ("enter",)))
        for expected in (
            "what it said before",
            "I am early.",
            "I am [/] late",
            "I am latte",
            "Hare: Where are you?",
            "#2",
        ):
            assert expected in shown
        await press(pilot, *(() if size[0] >= 140 else ("escape",)), "j")
        shown = await press(pilot, *(() if size[0] >= 140 else ("enter",)))
        assert "what it said before is not kept" in shown and "latte" not in shown


async def test_search_takes_any_text(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        for typed in ('"', "AND OR", "(*", "a:b", "[/]", "'--"):
            app.screen.set_focus(app.screen.query_one("#text"))
            app.screen.query_one("#text").value = typed  # type: ignore[attr-defined]
            await settled(pilot)
            assert ("go on typing" if typed == '"' else "hit") in text(app)
            await press(pilot, "escape")
        assert "2 conversations" in text(app)


async def test_filter_and_order(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "f")
        assert "all people" in shown and "groups and one-to-one" in shown
        # Nothing is offered that would change nothing: all is from one source and from one section.
        assert "all sources" not in shown and "all sections" not in shown
        shown = await press(pilot, "enter")
        answers = [row.strip() for row in rows(app)]
        owl = next(at for at, row in enumerate(answers) if row.startswith("with Owl")) - next(
            at for at, row in enumerate(answers) if row.startswith("all people")
        )
        shown = await press(pilot, *["down"] * owl, "enter")
        assert "1 conversation of 2" in shown and "with Owl" in shown
        shown = await press(pilot, "escape")
        assert "everything · newest first" in shown
        shown = await press(pilot, "f", "down", "enter", "down", "enter", "s", "s")
        assert "of 2" in shown
        shown = await press(pilot, "f", "down", "enter", "home", "enter")
        assert "by title" in shown and "2 conversations" in shown


def test_narrowing_by_everything_at_once() -> None:
    def row(source: str, people: tuple[str, ...], year: int, until: int, messages: int, section: str):
        first, last = (int(datetime(y, 6, 1).timestamp() * 1000) for y in (year, until))
        kind = "group" if len(people) > 2 else "direct"
        ids = tuple(map(("Tortoise", "Hare", "Owl", "Fox").index, people))
        return ConversationRow(1, "t", source, kind, section, people, messages, first, last, person_ids=ids)

    all_rows = [
        row("Messenger", ("Hare", "Tortoise"), 2021, 2023, 1_204, "inbox"),
        row("iMessage", ("Owl", "Fox", "Tortoise"), 2022, 2022, 99, "archived"),
        row("iMessage", ("Hare", "Tortoise"), 2020, 2020, 5, ""),
    ]
    given = {field.name: [text for _, text, _ in choices(field, all_rows, {})] for field in FIELDS}
    assert given["source"] == ["all sources", "iMessage", "Messenger"]
    assert given["time"] == ["any year", "in 2023", "in 2022", "in 2021", "in 2020"]
    assert given["length"] == [
        "any length",
        "1,000 messages or more",
        "100 messages or more",
        "10 messages or more",
    ]
    assert given["section"] == ["all sections", "inbox", "archived"]
    hare = Person(1, "Hare")
    narrowed: Narrowed = {"with": hare, "time": 2020}
    assert [keeps(narrowed, one) for one in all_rows] == [False, False, True]
    assert words(narrowed) == "with Hare · in 2020"
    # What a field offers is counted with every other one as it is.
    assert choices(FIELDS[0], all_rows, {"with": hare, "source": "Messenger"}) == [
        (None, "all sources", 2),
        ("Messenger", "Messenger", 1),
        ("iMessage", "iMessage", 1),
    ]
    assert words(known({"with": Person(1, "H."), "time": 2020}, all_rows)) == "with Hare · in 2020"
    assert words(known({"with": Person(9, "Mole"), "time": 2020}, all_rows)) == "in 2020"


async def test_going_to_a_day(long_studio: Path) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.screen.query_one(ConversationList).move_to(0)
        await press(pilot, "enter", "g")
        transcript = app.screen.query_one(Transcript)
        first = transcript.message
        assert first is not None
        there = datetime.fromtimestamp(first.time / 1000) + timedelta(days=30)
        midnight = datetime(there.year, there.month, there.day).timestamp() * 1000
        shown = await press(pilot, "t")
        assert "Go to which day?" in shown
        shown = await press(pilot, *"soon", "enter")
        assert "That is no day" in shown
        app.screen.query_one(Prompt).text = f"{there:%Y-%m-%d}"
        shown = await press(pilot, "enter")
        found = transcript.message
        assert found is not None and found.time >= midnight
        assert f"{there.day} {there:%b %Y}" in rows(app)[-2]
        shown = await press(pilot, "t", "enter")  # where one is already
        assert "Go to which day?" not in shown and transcript.message == found
        await press(pilot, "k")
        before = transcript.message
        assert before is not None and before.time < midnight
        # The mark at the right edge stands where that day is between the first and the last one.
        mark = next(at for at, row in enumerate(rows(app)) if row.endswith("▐"))
        await press(pilot, "G")
        assert next(at for at, row in enumerate(rows(app)) if row.endswith("▐")) > mark


async def test_a_day_is_shown_where_the_list_is_in_front_of_the_conversation(long_studio: Path) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "escape", "t")
        transcript = app.screen_stack[-2].query_one(Transcript)
        message = transcript.message
        assert message is not None
        there = datetime.fromtimestamp(message.time / 1000) - timedelta(days=30)
        app.screen.query_one(Prompt).text = f"{there:%Y-%m-%d}"
        await press(pilot, "enter")
        assert transcript.has_focus and f"{there.day} {there:%b %Y}" in rows(app)[-2]
        assert "everything" in await press(pilot, "escape")


async def test_an_empty_studio_says_what_to_do_and_loads_the_sample(tmp_path: Path) -> None:
    app = UnderstudyApp(tmp_path / "studio.db")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "import an export" in text(app) and "chat.db" in text(app)
        assert "d sample" in rows(app)[-1] and "find" not in rows(app)[-1]
        shown = await press(pilot, "d")
        assert "joined" in shown and "every row is kept or skipped" in shown
        await press(pilot, "o")
        await settled(pilot)
        assert app.screen.query_one(Transcript).has_focus
        await press(pilot, "escape")
        assert app.screen.query_one(ConversationList).rows > 5
        assert "d sample" not in rows(app)[-1]


async def test_another_pane_can_ask_for_a_message_or_a_person(studio: Path) -> None:
    async with await open_studio(studio) as archive:
        from engine.archive import reading

        row = next(row for row in await reading.conversations(archive) if row.title == "Hare")
        message = (await reading.page(archive, row.id, offset=7, limit=1))[0]
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        app.go(1, (row.id, message.id))
        await settled(pilot)
        assert app.screen.query_one(Transcript).cursor == 7
        app.go(2)
        await settled(pilot)
        async with await open_studio(studio) as archive:
            owl = await people.find_person(archive, "Owl")
        app.go(1, Person(owl.id, owl.name))
        await settled(pilot)
        assert "1 conversation of 2" in text(app) and "Race committee · Messenger" in text(app)


async def test_copying_says_where_to(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g")
        shown = await press(pilot, "y")
        assert "Sent to the terminal's clipboard." in shown.splitlines()[-1]
        assert app.clipboard == "are you even awake"
        assert "? keys" in (await press(pilot, "j")).splitlines()[-1]
        await press(pilot, *"jjjjjjj")
        assert "There is no text here to copy." in await press(pilot, "y"), "a photo"
        assert app.clipboard == "are you even awake"


async def test_a_conversation_is_left_out_by_word_and_comes_back(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "x")
        said = "The conversation Hare is left out of every chunk. x takes it in again."
        assert said in shown.splitlines()[-1]
        assert " ▸ Hare left out" in shown
        assert "│ Hare · Messenger · 60 messages · left out · Aug 2023" in shown
        async with await open_studio(studio) as archive:
            assert [row.left_out for row in await reading.conversations(archive)] == [True, False]
        shown = await press(pilot, "x")
        assert "The conversation Hare is in again." in shown.splitlines()[-1] and "left out" not in shown


async def test_somebody_is_left_out_in_one_conversation(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "j", "X")
        assert "Leave out in Race committee, or take in again" in shown
        await press(pilot, *["up"] * 5)
        await press(pilot, "enter")
        async with await open_studio(studio) as archive:
            [row] = [row for row in await reading.conversations(archive) if row.without]
        [(_, name)] = row.without
        assert "Race committee (4) 1 out" in text(app)
        assert f"24 messages · 4 people · without {name}" in await press(pilot, "enter")
        shown = await press(pilot, "X")
        assert "left out here" in shown
        shown = await press(pilot, "enter")
        assert f"{name} is in again in Race committee." in shown.splitlines()[-1]
        assert "without" not in shown


async def test_a_long_search_is_seen_to_its_end(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"from:tortoise in:race before:2024 slow")
        field = app.screen.query_one(Field)
        assert field.region.right <= app.screen.query_one(".list").region.right
        assert "2024 slow" in text(app)


async def test_enter_without_hits_leaves_the_words_to_mend(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"zzzz")
        await press(pilot, "enter")
        await press(pilot, "y")
        assert app.screen.query_one(Field).value == "zzzzy"


async def test_the_bar_stays_in_view_and_its_details_come_after_a_resize(
    long_studio: Path,
) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        await press(pilot, "up")
        transcript = app.screen.query_one(Transcript)
        message = transcript.message
        assert message is not None
        await pilot.resize_terminal(60, 20)
        await settled(pilot)
        assert transcript.message == message
        assert safe_line(message.text)[:20] in text(app)
        await pilot.resize_terminal(160, 48)
        await settled(pilot)
        assert f"#{message.id}" in text(app)


async def test_a_screen_that_grows_shows_a_conversation_beside_the_list(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert app.screen.shown is None
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert app.screen.shown is not None


@pytest.mark.parametrize("size", SIZES[:2])
async def test_where_one_was_is_kept_for_each_conversation_and_for_the_next_start(
    studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "enter", *"gjjjjj", "escape")
        assert "by title" in await press(pilot, "s", "s")
        await press(pilot, "G", "enter")
        await press(pilot, *"gjj", "escape", "g", "enter")
        transcript = app.screen.query_one(Transcript)
        assert transcript.total == 60 and transcript.cursor == 5, "back in the first one"
        await press(pilot, "G", "escape", "G")
        await press(pilot, "enter")
        assert transcript.total == 24 and transcript.cursor == 2
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert "by title" in text(app)
        transcript = app.screen.query_one(Transcript)
        if size == SIZES[0]:
            await press(pilot, "enter")
        assert transcript.total == 24 and transcript.cursor == 2
        await press(pilot, "escape", "g", "enter")
        assert transcript.total == 60 and transcript.cursor == 59, "at its end, whatever came since"


async def test_of_a_demo_nothing_is_kept(studio: Path) -> None:
    app = UnderstudyApp(studio, demo=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g")
    assert places.load(studio) == places.Places()


async def test_what_was_remembered_and_is_gone_or_broken_costs_nothing(studio: Path) -> None:
    places.save(studio, places.Places(1, "by colour", {1: 10_000, 99: 1}))
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert app.screen.query_one(Transcript).cursor == 59
        assert "newest first" in text(app)
    kept = config.folder("state") / "places.json"
    assert kept.stat().st_mode & 0o77 == 0
    kept.write_bytes(b"\xff{")
    assert places.load(studio) == places.Places()


@pytest.fixture
def named_no_text(studio: Path) -> Path:
    return studio.rename(os.fsdecode(os.fsencode(studio.parent) + b"/\xff.db"))


async def test_a_studio_whose_name_is_no_text_opens_and_ends(named_no_text: Path) -> None:
    app = UnderstudyApp(named_no_text)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g", "ctrl+g", "2")
        assert app.current_mode == "2"


async def test_y_copies_what_was_selected_without_what_nobody_wrote(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = (await press(pilot, "enter", "g")).splitlines()
        first = next(y for y, line in enumerate(shown) if "Slow and steady, that's" in line)
        place = app.screen.query_one(Transcript).region
        start = shown[first].index("steady,") - place.x
        await pilot.mouse_down(Transcript, offset=(start, first - place.y))
        await pilot.hover(Transcript, offset=(start + 8, first + 1 - place.y))
        await pilot.mouse_up(Transcript, offset=(start + 8, first + 1 - place.y))
        assert "Sent to the terminal's clipboard." in await press(pilot, "y")
        assert app.clipboard == "steady, that's my motto.\nA balanced approac"


async def with_long_message(folder: Path, text: str) -> Path:
    people = (Sender("hare", "Hare"), Sender("tortoise", "Tortoise", is_owner=True))
    said = ["before", text, "after"]
    messages = [Message(str(at), "hare", studio_builder.START + at, one) for at, one in enumerate(said)]
    return await studio_builder.build(folder / "studio.db", Conversation("c", "Long", people, messages))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("words", [600, 9_000], ids=["longer than the view", "longer than is shown"])
async def test_a_hit_far_into_a_message_is_in_view(tmp_path: Path, size: tuple[int, int], words: int) -> None:
    said = "tide " * words + "needle" + " tide" * 600
    app = UnderstudyApp(await with_long_message(tmp_path, said))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"needle", "enter", "enter")
        region = app.screen.query_one(Transcript).region
        lines = [row[region.x : region.right] for row in rows(app)[region.y : region.bottom]]
        assert any("needle" in line for line in lines)


async def test_a_phrase_is_marked_on_both_lines_it_stands_on(tmp_path: Path) -> None:
    said = "漢字の前に" + "とても" * 20 + "長い言葉" * 9 + " slow and steady" * 40
    for width in (20, 31, 40, 90):
        row = MessageRow(1, 1, "Hare", 1, studio_builder.START, said, Kind.SPEECH)
        asked = partial(query.marks, query.parse('"slow and steady"', datetime.now()).terms)
        lines, _ = lay_out([row], width, asked)
        marked = "".join(line.text[start:end] for line in lines for start, end in line.found)
        assert marked.replace(" ", "") == "slowandsteady" * 40


async def test_pages_lead_through_a_long_message_and_g_to_its_ends(tmp_path: Path) -> None:
    said = " ".join(f"word{at}" for at in range(600))
    app = UnderstudyApp(await with_long_message(tmp_path, said))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "enter", "g", "j")
        seen = {word for word in said.split() if word in shown.split()}
        for _ in range(9):
            seen |= {*(await press(pilot, "pagedown")).split()}
        assert seen >= {*said.split()}, "no line was passed over"
        assert "after" in text(app)
        for _ in range(9):
            await press(pilot, "pageup")
        assert "before" in text(app)


async def test_the_wheel_takes_the_bar_along(long_studio: Path) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        transcript = app.screen.query_one(Transcript)
        place = transcript._times
        assert place is not None
        for _ in range(300):
            event = events.MouseScrollUp(transcript, 60, 9, 0, -1, 0, False, False, False)
            transcript.post_message(event)
            await pilot.pause()
        await settled(pilot)
        assert transcript.cursor < 2_800
        assert transcript._seen(transcript.cursor, transcript.scroll_offset.y, transcript.size.height)
        assert f"{transcript.cursor + 1:,} of 3,000" in text(app)
        assert "3,000 of 3,000" in await press(pilot, "G") and "(2999)" in text(app)


async def test_how_to_come_to_the_hits_is_said_while_one_types(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "6 hits · ⏎ goes to them" in await press(pilot, "slash", *"lettuce")
        shown = await press(pilot, "enter")
        assert "6 hits" in shown and "goes to them" not in shown
        assert "goes to them" in await press(pilot, "slash")


async def test_after_the_last_hit_and_before_the_first_it_says_so(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "slash", *"lettuce", "enter", *"nnnnnn")
        assert "last hit" not in shown and app.screen.query_one(HitList).cursor == 5
        shown = await press(pilot, "n")
        assert "This is the last hit." in shown and "There are more" not in shown
        assert app.screen.has_class("-detail"), "and one stays there"
        assert "This is the first hit." in await press(pilot, *"NNNNNN")


async def test_a_click_puts_the_bar_on_a_message(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "g")
        line = next(at for at, row in enumerate(rows(app)) if "A balanced approach" in row)
        await pilot.click(Transcript, offset=(9, line - app.screen.query_one(Transcript).region.y))
        await settled(pilot)
        assert "5 of 60" in text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_esc_leads_from_a_search_back_to_what_was_read(
    long_studio: Path, size: tuple[int, int]
) -> None:
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "enter", *"kkkk")
        transcript = app.screen.query_one(Transcript)
        at, where = transcript.cursor, "2,996 of 3,000"
        assert where in await press(pilot, "slash", "escape") and transcript.has_focus
        await press(pilot, "slash", *"lettuce", "enter", *"nn")
        assert transcript.message is not None and "lettuce" in transcript.message.text
        shown = await press(pilot, *["escape"] * (2 if size == SIZES[0] else 1))
        assert where in shown and transcript.has_focus and transcript.cursor == at
        assert "back" in shown


async def test_what_changes_elsewhere_is_seen_in_what_is_read(long_studio: Path) -> None:
    """Another name after a join, and messages that came before the place: the place stays."""
    app = UnderstudyApp(long_studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", *"kkkkkk")
        transcript = app.screen.query_one(Transcript)
        place, message, top = transcript.cursor, transcript.message, transcript._place()
        assert message is not None and top is not None and "Hare" in text(app)
        studio = await app.studio()
        owl, hare = [await people.find_person(studio, name) for name in ("Owl", "Hare")]
        await people.join(studio, owl.id, hare.id)
        app.touched()
        app.screen.arrive()  # type: ignore[attr-defined]
        await settled(pilot)
        names = [row.split()[2] for row in rows(app)[4:34] if len(row) > 47 and "│ │ Owl" in row]
        assert names, "the name that both have now"
        assert transcript._place() == top and transcript.cursor == place
        earlier = Message("m-1", "hare", studio_builder.START - 1000, "the very first")
        who = (Sender("hare", "Hare"), Sender("tortoise", "Tortoise", is_owner=True))
        more = Conversation("hare", "Hare", who, [earlier])
        await ingest.ingest(
            studio,
            source="Messenger",
            importer="messenger",
            path="/export",
            conversations=iter([more]),
            report=ImportReport(),
        )
        app.touched()
        app.screen.arrive()  # type: ignore[attr-defined]
        await settled(pilot)
        assert transcript.message is not None and transcript.message.id == message.id
        assert transcript._place() == (top[0] + 1, top[1])
        assert f"{place + 2:,} of 3,001" in text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_a_hit_is_in_view_among_letters_of_two_cells(tmp_path: Path, size: tuple[int, int]) -> None:
    said = "とても長い前置き" * 30 + "目標語" + "だ" * 60
    app = UnderstudyApp(await with_long_message(tmp_path, said))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"目標語")
        hits = app.screen.query_one(HitList)
        line = hits.rows_of(0, hits.size.width)[1]
        assert "置き目標語だ" in line.plain and line.cell_length <= hits.size.width
