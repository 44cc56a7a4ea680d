"""The langchain preset against LangChain itself, from the same files on disk."""

import json
import random
import warnings

import pytest
from dialogue_builder import HARE, OWL, dialogue, talk
from dialogue_builder import TORTOISE as TORTOISE_ID
from msgspec.structs import replace

from engine.archive import people, reading
from engine.archive.ingest import ingest
from engine.archive.studio import open_studio
from engine.dataset import building, formats
from engine.dataset.recipe import Recipe, preset
from engine.dataset.storing import make
from engine.importers.messenger import MessengerImporter
from engine.importers.report import ImportReport

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.adapters.openai import convert_messages_for_finetuning
    from langchain_community.chat_loaders.facebook_messenger import FolderFacebookMessengerChatLoader
    from langchain_community.chat_loaders.utils import map_ai_messages, merge_chat_runs

TORTOISE = "Tortoise Shellsworth"
PHRASES = [
    "slow and steady",
    "Speed is key!",
    "  a space before",
    "a space after  ",
    "two\nlines",
    "\n\nblank lines around\n\n",
    "tab\there",
    "Zoë, ça va? 🐢",
    "日本語",
    "e\u0301 is not é",
    "\u2028 separator",
    '"quoted" \\ and {braces}',
    "ok",
    "x" * 400,
]


def thread(
    folder, name: str, people_in: list[str], messages: list[tuple[str, str]], step: int = 60_000
) -> None:
    """One conversation as Facebook writes it, newest first; `step` milliseconds apart."""
    rows = [
        {"sender_name": sender, "timestamp_ms": 1_660_000_000_000 + i * step, "content": text}
        for i, (sender, text) in enumerate(messages)
    ]
    place = folder / "inbox" / name
    place.mkdir(parents=True)
    content = {
        "participants": [{"name": one} for one in people_in],
        "messages": rows[::-1],
        "title": name,
        "thread_path": f"inbox/{name}",
    }
    # Facebook's own broken encoding would be mended here and not there; this file is sound.
    text = json.dumps(content | {"note": "é"}, ensure_ascii=False)
    (place / "message_1.json").write_text(text, encoding="utf-8")


def chatter(seed: int, senders: list[str], count: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [(chance.choice(senders), chance.choice(PHRASES)) for _ in range(count)]


def one_to_one(folder) -> None:
    thread(folder, "hare_1", [TORTOISE, "Hare"], chatter(1, [TORTOISE, "Hare"], 150))


def group(folder) -> None:
    everybody = [TORTOISE, "Hare", "Owl", "Fox"]
    thread(folder, "race_2", everybody, chatter(2, everybody, 200))


def without_the_ai_sender(folder) -> None:
    one_to_one(folder)
    thread(folder, "owl_3", [TORTOISE, "Owl"], chatter(3, ["Owl"], 30))


def short_and_exact(folder) -> None:
    for length in range(1, 24):
        messages = [((TORTOISE, "Hare")[i % 2], f"{length}-{i}") for i in range(length)]
        thread(folder, f"length_{length}", [TORTOISE, "Hare"], messages)


def long_silences(folder) -> None:
    thread(folder, "mole_4", [TORTOISE, "Mole"], chatter(4, [TORTOISE, "Mole"], 120), step=30 * 86_400_000)


def names_that_are_alike(folder) -> None:
    senders = [TORTOISE, TORTOISE.lower(), f"{TORTOISE} ", "Tortoise", "Zoë"]
    thread(folder, "alike_5", senders, chatter(5, [TORTOISE, TORTOISE.lower(), "Tortoise", "Zoë"], 100))


def langchain_s(folder, size: int = 8, overlap: int = 2, delimiter: str = "\n\n") -> list[list[dict]]:
    """The published how-to, to the letter."""
    sessions = FolderFacebookMessengerChatLoader(path=folder).lazy_load()
    merged = merge_chat_runs(sessions)
    dialogues = convert_messages_for_finetuning(map_ai_messages(merged, sender=TORTOISE))
    return [
        messages[i : i + size]
        for messages in dialogues
        for i in range(0, len(messages) - size + 1, size - overlap)
    ]


async def ours(folder, studio_path, recipe: Recipe):
    async with await open_studio(studio_path) as studio:
        report = ImportReport()
        await ingest(
            studio,
            source="Messenger",
            importer="messenger",
            path=str(folder),
            conversations=MessengerImporter().conversations(folder, report),
            report=report,
        )
        person = await people.find_person(studio, TORTOISE)
        dataset = await make(studio, recipe, person)
        total = (await reading.counts(studio)).messages
        again = building.build(
            [dialogue async for dialogue in reading.dialogues(studio)], recipe, person.id, person.name
        )
        assert again == dataset
    return dataset, total


def in_order(chunks: list[list[dict]]) -> list[str]:
    # LangChain reads threads in the order of the folder's listing, which is any.
    return sorted(json.dumps(chunk) for chunk in chunks)


@pytest.mark.parametrize(
    "export",
    [one_to_one, group, without_the_ai_sender, short_and_exact, long_silences, names_that_are_alike],
)
async def test_message_for_message(export, tmp_path) -> None:
    folder = tmp_path / "messages"
    export(folder)
    dataset, total = await ours(folder, tmp_path / "studio.db", preset("langchain"))
    expected = langchain_s(folder)
    assert expected
    assert in_order([formats.example(chunk)["messages"] for chunk in dataset.chunks]) == in_order(expected)
    assert {chunk.split for chunk in dataset.chunks} == {"train"}
    written = [json.loads(line)["messages"] for line in formats.jsonl(dataset.chunks)]
    assert in_order(written) == in_order(expected)
    used = {message for chunk in dataset.chunks for message in chunk.messages}
    assert len(used) + sum(dataset.dropped.values()) == total


@pytest.mark.parametrize(("size", "overlap"), [(4, 0), (8, 7), (2, 1)])
async def test_other_sizes(size: int, overlap: int, tmp_path) -> None:
    folder = tmp_path / "messages"
    group(folder)
    recipe = Recipe(preset="langchain", join="\n\n", size=size, overlap=overlap)
    dataset, _ = await ours(folder, tmp_path / "studio.db", recipe)
    expected = langchain_s(folder, size, overlap)
    assert in_order([formats.example(chunk)["messages"] for chunk in dataset.chunks]) == in_order(expected)


async def test_what_is_dropped_is_counted_by_its_reason(tmp_path) -> None:
    folder = tmp_path / "messages"
    short_and_exact(folder)
    thread(folder, "owl_3", [TORTOISE, "Owl"], [("Owl", "anybody?"), ("Owl", "no?")])
    dataset, _ = await ours(folder, tmp_path / "studio.db", preset("langchain"))
    # Lengths 1 (Tortoise alone) to 7 give no chunk; of 8 to 23 what is left after 8, 14 or 20.
    assert dataset.dropped == {
        "in conversations shorter than a chunk": sum(range(1, 8)),
        "after the last reply or chunk": sum((length - 8) % 6 for length in range(8, 24)),
        "in conversations without the AI sender": 2,
    }


def test_another_person_of_the_same_name_is_not_the_ai_sender() -> None:
    rows = [
        row
        for i in range(4)
        for row in talk([(TORTOISE_ID, f"a{i}"), (HARE, f"b{i}"), (TORTOISE_ID, f"c{i}"), (OWL, f"d{i}")])
    ]
    rows = [replace(row, sender="Tortoise") if row.person == HARE else row for row in rows]
    dataset = building.build([dialogue(rows)], preset("langchain"), TORTOISE_ID, "Tortoise")
    said = {turn.text: turn.role for chunk in dataset.chunks for turn in chunk.turns}
    assert said["a0"] == said["c1"] == "assistant"
    assert said["b0"] == said["d1"] == "user"
