"""Datasets made from a studio, kept there and loaded again."""

import pytest

from engine.archive import datasets, people, reading
from engine.archive.ingest import ingest
from engine.archive.leaving_out import leave_out_conversation, leave_out_there
from engine.archive.studio import open_studio
from engine.conversation import Conversation, Message, Sender
from engine.dataset.chunks import Dataset
from engine.dataset.recipe import Recipe, from_toml, preset
from engine.dataset.storing import load, make, save
from engine.errors import StudioError
from engine.importers.report import ImportReport

HOUR = 3_600_000


def conversations():
    senders = (Sender("t", "Tortoise", True), Sender("h", "Hare"), Sender("o", "Owl"))
    for key, other, group in (("1", "h", False), ("2", "o", False), ("3", "h", True)):
        messages = []
        for i in range(60):
            sender = other if i % 2 == 0 else "t"
            if group and i % 6 == 0:
                sender = "o"
            time = 1_660_000_000_000 + i * 60_000 + (i // 4) * 2 * HOUR
            messages.append(Message(f"m{i}", sender, time, f"{key} line {i} — <|endoftext|> ☂"))
        yield Conversation(key, f"thread {key}", senders, messages, is_group=group)


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        report = ImportReport()
        await ingest(
            opened,
            source="test",
            importer="test",
            path="nowhere",
            conversations=conversations(),
            report=report,
        )
        yield opened


async def made(studio, recipe: Recipe, **options) -> Dataset:
    return await make(studio, recipe, await people.find_person(studio, "Tortoise"), **options)


@pytest.mark.parametrize(
    "recipe", [preset("studio"), preset("langchain"), Recipe(groups=True, max_tokens=90)]
)
async def test_a_saved_dataset_is_loaded_equal(studio, recipe: Recipe) -> None:
    dataset = await made(studio, recipe)
    assert dataset.chunks
    await save(studio, dataset)
    assert await load(studio, dataset.id) == dataset
    assert await load(studio, dataset.id[:6]) == dataset
    row = await datasets.dataset(studio, dataset.id)
    assert (row.ai, row.preset, row.tokens) == ("Tortoise", recipe.preset, dataset.tokens)
    assert (row.train, row.valid, row.test) == tuple(
        len(dataset.split(name)) for name in ("train", "valid", "test")
    )
    assert from_toml(row.recipe) == recipe


async def test_the_same_archive_and_recipe_give_the_same_id(studio) -> None:
    first, again = await made(studio, Recipe()), await made(studio, Recipe())
    assert first == again
    assert (await made(studio, Recipe(seed=2))).id != first.id
    await save(studio, first)
    await save(studio, again)
    assert len(await datasets.datasets(studio)) == 1


async def test_progress_counts_conversations(studio) -> None:
    told = []
    await made(studio, Recipe(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_people_left_out_stay_out(studio) -> None:
    owl = await people.find_person(studio, "Owl")
    await people.leave_out(studio, owl.id, True)
    dataset = await made(studio, Recipe(groups=True))
    assert all("Owl" not in turn.text for chunk in dataset.chunks for turn in chunk.turns)
    assert {chunk.title for chunk in dataset.chunks} == {"thread 1", "thread 3"}
    assert dataset.dropped["of people left out"] == 40
    assert dataset.dropped["in sessions where only the AI sender speaks"] == 30


@pytest.mark.parametrize("recipe", [Recipe(groups=True), preset("langchain")], ids=["studio", "langchain"])
async def test_conversations_left_out_stay_out(studio, recipe: Recipe) -> None:
    first, *_ = await reading.conversations(studio, order="title")
    everything = await made(studio, recipe)
    assert first.id in {chunk.conversation for chunk in everything.chunks}
    await leave_out_conversation(studio, first.id, True)
    dataset = await made(studio, recipe)
    assert {chunk.conversation for chunk in dataset.chunks} == {
        chunk.conversation for chunk in everything.chunks
    } - {first.id}
    assert dataset.dropped["of conversations left out"] == first.messages
    await leave_out_conversation(studio, first.id, False)
    assert await made(studio, recipe) == everything


@pytest.mark.parametrize("recipe", [Recipe(groups=True), preset("langchain")], ids=["studio", "langchain"])
async def test_a_person_left_out_in_one_conversation_stays_in_the_others(studio, recipe: Recipe) -> None:
    hare = await people.find_person(studio, "Hare")
    here, _, other = await reading.conversations(studio, person=hare.id, order="title")
    everything = await made(studio, recipe)
    assert {here.id, other.id} <= {chunk.conversation for chunk in everything.chunks}
    await leave_out_there(studio, hare.id, here.id, True)
    dataset = await made(studio, recipe)
    heard = {chunk.conversation for chunk in dataset.chunks for turn in chunk.turns if turn.sender == "Hare"}
    assert other.id in heard and here.id not in heard
    theirs = sum(row.person == hare.id for row in await reading.messages(studio, here.id))
    assert dataset.dropped["of people left out"] == theirs > 0


async def test_a_person_left_out_is_no_ai_sender(studio) -> None:
    tortoise = await people.find_person(studio, "Tortoise")
    await people.leave_out(studio, tortoise.id, True)
    with pytest.raises(StudioError, match="left out"):
        await make(studio, Recipe(), tortoise)


async def test_there_is_no_such_dataset(studio) -> None:
    with pytest.raises(StudioError):
        await load(studio, "0123456789")


async def test_a_later_import_draws_no_held_out_session_anew(tmp_path) -> None:
    """What was validation stays it, the newest are the test, and a saved dataset stays what it was."""
    senders = (Sender("t", "Tortoise", True), Sender("h", "Hare"))

    def download(days: range) -> Conversation:
        start = 1_660_000_000_000
        messages = [
            Message(f"{day} {i}", "ht"[i % 2], start + day * 24 * HOUR + i * 60_000, f"day {day}, line {i}")
            for day in days
            for i in range(4)
        ]
        return Conversation("race", "The race", senders, messages)

    async def take(studio, days: range) -> Dataset:
        await ingest(
            studio,
            source="test",
            importer="test",
            path="nowhere",
            conversations=iter([download(days)]),
            report=ImportReport(),
        )
        return await made(studio, preset("studio"))

    def held(dataset: Dataset, split: str) -> set[int]:
        return {id for chunk in dataset.split(split) for id in chunk.messages}

    async with await open_studio(tmp_path / "studio.db") as studio:
        old = await take(studio, range(20, 140))
        await save(studio, old)
        new = await take(studio, range(170))  # older messages than before, and newer ones
        assert held(old, "valid") and held(old, "test") and old.id != new.id
        known = held(old, "train") | held(old, "valid")
        still = held(new, "valid") & known
        assert still <= held(old, "valid") or still >= held(old, "valid")
        assert len(still & held(old, "valid")) >= len(held(old, "valid")) // 2
        newest = await studio.rows(int, "SELECT id FROM messages ORDER BY time DESC LIMIT ?", (17 * 4,))
        assert held(new, "test") == set(newest)
        assert not held(new, "train") & (held(new, "valid") | held(new, "test"))
        assert await load(studio, old.id) == old, "a saved dataset keeps its parts"
        again = await take(studio, range(170))
        assert again == new, "nothing new, nothing changed"
