"""Whose export a source is: asked once, answered, and corrected later."""

from pathlib import Path

import pytest

from engine.archive import Studio, open_studio, owners, people, reading
from engine.archive.ingest import ingest
from engine.conversation import Conversation, Message, Sender
from engine.errors import StudioError
from engine.importers import ImportReport


async def take(studio: Studio, source: str, *wrote: str, owner: str | None = None) -> None:
    """One conversation in which these people wrote, one message after the other."""
    senders = tuple(Sender(name, name) for name in dict.fromkeys((*wrote, "Silent")))
    messages = [Message(str(at), name, at, "hi") for at, name in enumerate(wrote)]
    thread = Conversation("c", "c", senders, messages)
    report = ImportReport()
    await ingest(
        studio,
        source=source,
        importer="t",
        path="/",
        conversations=iter([thread]),
        report=report,
        owner=owner,
    )


async def mine(studio: Studio) -> list[str]:
    return sorted(one.name for one in await people.people(studio) if one.is_owner)


async def names(studio: Studio, source: str) -> list[tuple[str, int]]:
    return [(one.name, one.messages) for one in await owners.candidates(studio, source)]


async def test_who_may_be_the_owner(tmp_path: Path) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take(studio, "a", "Fox", "Owl", "Owl")
        await take(studio, "b", "Hare", owner="Hare")
        assert await names(studio, "a") == [("Owl", 2), ("Fox", 1)]
        assert await names(studio, "b") == await names(studio, "none") == []


@pytest.mark.parametrize("said", [True, False])
async def test_an_answer_is_remembered(tmp_path: Path, said: bool) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take(studio, "a", "Fox", "Owl")
        fox = (await owners.candidates(studio, "a"))[0]
        await owners.answer(studio, "a", fox.sender if said else None)
        await take(studio, "a", "Fox", "Owl", "Fox")
        assert await owners.candidates(studio, "a") == []
        assert await mine(studio) == (["Fox"] if said else [])
        (source,) = await reading.sources(studio)
        assert (source.owner, source.asked) == ("Fox" if said else None, True)


async def test_an_answer_joins_the_owner_of_that_name(tmp_path: Path) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take(studio, "a", "Fox", owner="Fox")
        await take(studio, "b", "Fox", "Owl")
        await owners.answer(studio, "b", (await owners.candidates(studio, "b"))[0].sender)
        assert (await people.find_person(studio, "Fox")).sources == ("a", "b")


async def test_somebody_else_becomes_the_owner_and_back(tmp_path: Path) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take(studio, "a", "Fox", "Owl", owner="Fox")
        await take(studio, "b", "Owl", "Hare", owner="Hare")
        await take(studio, "c", "Mole", owner="Mole")
        owl, other = [one for one in await people.people(studio) if one.name == "Owl"]
        await people.join(studio, owl.id, other.id)
        before = await owners.become(studio, owl.id)
        assert await mine(studio) == ["Mole", "Owl"]
        assert [source.owner for source in await reading.sources(studio)] == ["Mole", "Owl", "Owl"]
        await take(studio, "a", "Fox", "Owl")
        assert await mine(studio) == ["Mole", "Owl"], "a later import keeps it"
        await owners.mark(studio, before)
        assert await mine(studio) == ["Fox", "Hare", "Mole"]
        with pytest.raises(StudioError, match="no sender 99"):
            await owners.become(studio, 99)
