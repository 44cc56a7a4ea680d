"""Pane 3: the recipe, the list of chunks, one of them in full, and the files that are written."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import studio_builder
from screen_reader import press, settled, text
from textual.pilot import Pilot
from training_studio import ready

from engine.archive import datasets, open_studio
from engine.dataset import Chunk, Dataset, Turn, preset
from tui.app import UnderstudyApp
from tui.screens.chunks import ChunksPane
from tui.screens.chunks.making import Made, bars
from tui.screens.chunks.views import ChunkList, chunk_lines
from tui.widgets.prompt import Prompt

SIZES = [(80, 24), (120, 36), (160, 48)]


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await ready(tmp_path / "studio.db")


def pane(app: UnderstudyApp) -> ChunksPane:
    assert isinstance(app.screen, ChunksPane)
    return app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_without_an_ai_sender_the_pane_says_what_to_do(tmp_path: Path, size: tuple[int, int]) -> None:
    app = UnderstudyApp(await studio_builder.build(tmp_path / "studio.db", studio_builder.fable(400)))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert "[2]  Senders, and there [a]" in await press(pilot, "3")
        screen = pane(app)
        await press(pilot, "2", "a")
        screen.arrive()
        assert not screen.has_class("-empty"), "while it builds nobody is told that there is nothing"
        shown = await press(pilot, "3")
        assert "t train" in shown and "kept for the test" in shown


@pytest.mark.parametrize("size", SIZES)
async def test_a_chunk_says_of_every_turn_what_it_is(studio: Path, size: tuple[int, int]) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        shown = await press(pilot, "3")
        assert "studio" in shown and "end at a silence of 60 min" in shown
        await press(pilot, "enter")
        shown = await press(pilot, "n", "n")
        made = pane(app).made
        assert made is not None
        chunk = made.dataset.chunks[2]
        learned = [turn for turn in chunk.turns if turn.learned]
        assert learned and f"chunk 3 of {len(made.dataset.chunks)}" in shown
        assert f"{chunk.tokens} tokens" in shown
        assert "▌ assistant · Tortoise · learned" in shown
        assert f"▌ {learned[0].text.splitlines()[0]}" in shown
        assert "│ user · Hare · context" in shown
        assert f"#{learned[0].messages[0]}" in shown


@pytest.mark.parametrize("width", [40, 53, 78])
def test_whether_a_turn_is_learned_is_told_whatever_the_names_and_numbers(width: int) -> None:
    name = "Wren Halloran-Lindqvist of Saltmere"
    turns = (
        Turn("user", name, "hi", None, (1_234_567, 1_234_568)),
        Turn("assistant", name, "hello", 1, (1_234_569, 1_234_599)),
    )
    chunk = Chunk(104_132, "test", 1, "A title that is as long as the name", 1012, turns)
    made = Made(Dataset("x", preset("studio"), name, (chunk,) * 104_133, {}), {}, (), "")
    shown = [line.plain for line in chunk_lines(made, chunk, studio_builder.START, width)]
    assert all(len(line) <= width for line in shown)
    assert "chunk 104,133" in shown[0] and ("kept for the test" in shown[0]) is (width > 40)
    assert any("│ user" in line and " · context" in line for line in shown)
    assert any("▌ assistant" in line and " · learned" in line for line in shown)
    assert any("#1234569 +1" in line for line in shown) is (width == 78)


async def test_context_turns_name_the_chunk_in_which_they_are_learned(tmp_path: Path) -> None:
    said = [
        f"{word} and the road is long, the day is warm, the lettuce waits" for word in ("so", "yes", "well")
    ]
    talk = [
        studio_builder.Message(
            f"l{i}", ("hare", "tortoise")[i % 2], studio_builder.START + i * 60_000, said[i % 3] * 8
        )
        for i in range(80)
    ]
    people = (
        studio_builder.Sender("hare", "Hare"),
        studio_builder.Sender("tortoise", "Tortoise", is_owner=True),
    )
    path = await ready(tmp_path / "studio.db", studio_builder.Conversation("long", "Hare", people, talk))
    app = UnderstudyApp(path)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        made = pane(app).made
        assert made is not None and len(made.dataset.chunks) > 1
        assert "· assistant · Tortoise · context, learned in 1" in await press(pilot, "n")


async def test_the_list_has_a_date_for_every_chunk_in_view(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "3")
        table = app.screen.query_one(ChunkList)
        assert len(table.times) == table.rows
        assert shown.count("’23") >= table.rows


async def test_a_built_dataset_is_kept_until_the_archive_changes(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        before = pane(app).made
        assert before is not None
        await press(pilot, "1", "3")
        assert pane(app).made is before
        app.touched()
        await press(pilot, "1", "3")
        after = pane(app).made
        assert after is not None and after is not before and after.dataset.id == before.dataset.id


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[tuple[Pilot[None], ChunksPane]]:
    """The pane while it builds chunks of 4,000 messages, and Conversations in view."""
    app = UnderstudyApp(await ready(tmp_path / "studio.db", studio_builder.fable(4000)))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        screen = pane(app)
        app.touched()
        screen.arrive()
        app.switch_mode("1")
        assert screen.made is None
        yield pilot, screen


async def test_building_goes_on_whatever_pane_is_shown_and_the_line_on_top_tells_it(
    building: tuple[Pilot[None], ChunksPane],
) -> None:
    pilot, screen = building
    assert "cutting chunks" in screen.studio_app.status.state()
    await settled(pilot)
    shown = text(pilot.app)
    made = screen.made
    assert made is not None and f"3 Chunks {len(made.dataset.chunks)}" in shown
    assert "/ find in" in shown and "cutting chunks" not in shown
    shown = await press(pilot, "3")
    assert screen.made is made and f"chunk 1 of {len(made.dataset.chunks)}" in shown


async def test_a_studio_that_changes_ends_the_building_and_coming_back_begins_it_anew(
    building: tuple[Pilot[None], ChunksPane],
) -> None:
    pilot, screen = building
    screen.studio_app.touched()
    await settled(pilot)
    assert screen.made is None and not screen.studio_app.status.state()
    await press(pilot, "3")
    assert screen.made is not None


async def test_another_recipe_ends_the_building_of_the_first(
    building: tuple[Pilot[None], ChunksPane],
) -> None:
    pilot, screen = building
    screen.preset = "langchain"
    screen.arrive()
    await settled(pilot)
    assert screen.made is not None and screen.made.dataset.recipe.preset == "langchain"
    assert not screen.studio_app.status.state()


async def test_after_a_studio_that_could_not_be_read_coming_back_begins_anew(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        with closing(sqlite3.connect(studio)) as archive:
            archive.execute("ALTER TABLE participants RENAME TO elsewhere")
            assert "is damaged" in await press(pilot, "3")
            assert pane(app).made is None and not app.status.state()
            archive.execute("ALTER TABLE elsewhere RENAME TO participants")
        await press(pilot, "1", "3")
        assert pane(app).made is not None


async def test_m_goes_to_the_learned_message(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        made = pane(app).made
        assert made is not None
        message = [turn for turn in made.dataset.chunks[0].turns if turn.learned][-1].messages[0]
        await press(pilot, "m")
        from tui.widgets.transcript import Transcript

        shown = app.screen.query_one(Transcript).message
        assert shown is not None and shown.id == message


async def test_another_recipe_cuts_other_chunks(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "r")
        shown = await press(pilot, "down", "enter")
        made = pane(app).made
        assert made is not None and made.dataset.recipe.preset == "langchain"
        assert "langchain" in shown and "8 turns" in shown
        await press(pilot, "1")
        await press(pilot, "3")
        assert pane(app).made is made


async def test_a_chunk_that_teaches_nothing_is_told_and_keeps_nobody_from_training(tmp_path: Path) -> None:
    """LangChain's recipe cuts such chunks where others talk for long; a training leaves them out."""
    talk = [
        studio_builder.Message(f"g{i}", who, studio_builder.START + i * 60_000, f"the road is long {i}")
        for i, who in enumerate(["hare", "owl"] * 10 + ["hare", "tortoise"] * 40)
    ]
    people = (
        studio_builder.Sender("hare", "Hare"),
        studio_builder.Sender("owl", "Owl"),
        studio_builder.Sender("tortoise", "Tortoise", is_owner=True),
    )
    group = studio_builder.Conversation("g", "Race committee", people, talk, is_group=True)
    app = UnderstudyApp(await ready(tmp_path / "studio.db", group))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "r", "down", "enter")
        made = pane(app).made
        assert made is not None and not made.dataset.chunks[0].teaches and made.dataset.chunks[-1].teaches
        shown = await press(pilot, "!")
        assert "training leaves it out" in shown and "with a note (!)" in shown
        assert "stays on this machine" in await press(pilot, "t")


async def test_writing_never_writes_what_is_kept_for_the_test(studio: Path, tmp_path: Path) -> None:
    app = UnderstudyApp(studio)
    target = tmp_path / "out.jsonl"
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "w")
        prompt = app.screen.query_one("Prompt")
        prompt.load_text(str(target))  # type: ignore[attr-defined]
        shown = await press(pilot, "enter")
        made = pane(app).made
        assert made is not None and "Wrote" in shown
        lines = target.read_text().splitlines()
        assert len(lines) == len(made.dataset.split("train"))
        assert len((tmp_path / "out.valid.jsonl").read_text().splitlines()) == len(
            made.dataset.split("valid")
        )
        written = {json.loads(line)["messages"][-1]["content"] for line in lines}
        kept = {chunk.turns[-1].text for chunk in made.dataset.split("test")}
        assert kept and not written & kept
        target.write_text("mine")
        await press(pilot, "w")
        app.screen.query_one("Prompt").load_text(str(target))  # type: ignore[attr-defined]
        assert "is there already" in await press(pilot, "enter")
        await press(pilot, "enter")
        assert target.read_text() == "mine"
    async with await open_studio(studio) as archive:
        assert [row.id for row in await datasets.datasets(archive)] == [made.dataset.id]


async def test_a_file_that_cannot_be_written_is_said_where_it_was_typed(studio: Path, tmp_path: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        shown = await press(pilot, "3", "w")
        assert "ctrl+j" not in shown
        prompt = app.screen.query_one(Prompt)
        await press(pilot, "x", "ctrl+j")
        assert prompt.text == "x", "typing replaces the path, and it stays one line"
        prompt.load_text(str(tmp_path / "nowhere" / "a.jsonl"))
        assert "There is no folder" in await press(pilot, "enter")
        assert prompt.is_mounted and prompt.text.endswith("a.jsonl")
        prompt.load_text(str(tmp_path / "a.jsonl"))
        assert "Wrote" in await press(pilot, "enter")


async def test_too_few_chunks_are_said_and_not_trained_on(tmp_path: Path) -> None:
    app = UnderstudyApp(await ready(tmp_path / "studio.db", studio_builder.fable(20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        assert "! There are" in await press(pilot, "3")
        shown = await press(pilot, "t")
        assert "at least 10 are needed" in shown
        assert isinstance(app.screen, ChunksPane)


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text_stays_text(tmp_path: Path, size: tuple[int, int]) -> None:
    hostile = [
        studio_builder.Message(f"h{at}", ("e", "tortoise")[at % 2], studio_builder.START + at * 60_000, said)
        for at, said in enumerate([said for line in studio_builder.EVIL for said in (line, line)])
    ]
    people = (
        studio_builder.Sender("e", "\x1b[31m[/] Eve\u202e\x07"),
        studio_builder.Sender("tortoise", "Tortoise", is_owner=True),
    )
    evil = studio_builder.Conversation("evil", "[/x] \x1b]2;title\x07", people, hostile)
    app = UnderstudyApp(await ready(tmp_path / "studio.db", evil))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        made = pane(app).made
        assert made is not None
        for _ in made.dataset.chunks:
            await press(pilot, "n")
            assert not set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x202E])) & set(text(app)) - {"\n"}


def test_a_histogram_has_a_bar_for_every_share() -> None:
    assert bars([], 5) == ""
    assert bars([1, 1, 1, 5], 3) == "▇ ▃"
    assert bars([7], 2) == "▅ "


async def test_an_ai_sender_that_is_chosen_late_is_seen_in_the_pane_one_has_gone_to(studio: Path) -> None:
    app = UnderstudyApp(studio)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        await press(pilot, "2")
        with closing(sqlite3.connect(studio, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await pilot.press("k", "a")
            await pilot.press("3")
            await pilot.pause(0.5)
            other.execute("ROLLBACK")
        await settled(pilot)
        made = pane(app).made
        assert made is not None and made.dataset.ai == "Hare"
