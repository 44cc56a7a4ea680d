"""Whose export a source is: asked once, answered, and corrected later."""

from pathlib import Path

import pytest

from engine.archive import Studio, open_studio, owners, people, reading
from engine.archive.ingest import ingest
from engine.conversation import NAMELESS, Conversation, Message, Sender
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


async def take_mine(studio: Studio, source: str, name: str) -> None:
    """A source that marks its owner, who is called so."""
    me, hare = Sender("me", name, is_owner=True), Sender("hare", f"Hare in {source}")
    thread = Conversation("c", "c", (me, hare), [Message("1", "me", 1, "hi"), Message("2", "hare", 2, "ho")])
    await ingest(
        studio,
        source=source,
        importer="t",
        path="/",
        conversations=iter([thread]),
        report=ImportReport(),
    )


@pytest.mark.parametrize("order", ["named nameless", "nameless named", "nameless named nameless named"])
async def test_a_nameless_owner_is_called_as_elsewhere(tmp_path: Path, order: str) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        for source in order.split():
            await take_mine(studio, source, "Wren" if source == "named" else NAMELESS)
        assert await mine(studio) == ["Wren"]
        assert {source.owner for source in await reading.sources(studio)} == {"Wren"}
        assert [row.messages for row in await people.people(studio) if row.is_owner] == [2]
        assert await owners.candidates(studio, "nameless") == []


@pytest.mark.parametrize("chosen", [0, 1, None])
async def test_of_several_names_the_owner_is_asked(tmp_path: Path, chosen: int | None) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        for source, name in (("a", "Wren"), ("b", "wren.a"), ("phone", NAMELESS)):
            await take_mine(studio, source, name)
        assert await mine(studio) == [NAMELESS, "Wren", "wren.a"]
        asked = await owners.candidates(studio, "phone")
        assert [one.name for one in asked] == ["Wren", "wren.a"]
        await owners.answer(studio, "phone", None if chosen is None else asked[chosen].sender)
        assert await owners.candidates(studio, "phone") == []
        wanted = NAMELESS if chosen is None else asked[chosen].name
        for _ in range(2):
            assert {s.name: s.owner for s in await reading.sources(studio)}["phone"] == wanted
            assert await mine(studio) == sorted({"Wren", "wren.a", wanted})
            await take_mine(studio, "phone", NAMELESS)


async def test_the_answer_for_one_source_names_the_other(tmp_path: Path) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take_mine(studio, "phone", NAMELESS)
        await take(studio, "a", "Wren", "Owl")
        await owners.answer(studio, "a", (await owners.candidates(studio, "a"))[0].sender)
        assert await mine(studio) == ["Wren"]


async def test_the_ai_sender_stays_it_and_who_is_left_out_stays_so(tmp_path: Path) -> None:
    async with await open_studio(tmp_path / "s.db") as studio:
        await take_mine(studio, "phone", NAMELESS)
        (me,) = [row for row in await people.people(studio) if row.is_owner]
        await people.set_ai(studio, me.id)
        await take_mine(studio, "a", "Wren")
        now = await people.ai(studio)
        assert now is not None and now.is_owner and now.name == "Wren"
    async with await open_studio(tmp_path / "t.db") as studio:
        await take_mine(studio, "phone", NAMELESS)
        (me,) = [row for row in await people.people(studio) if row.is_owner]
        await people.leave_out(studio, me.id, True)
        await take_mine(studio, "a", "Wren")
        assert await mine(studio) == [NAMELESS, "Wren"], "nobody's words come in or go unasked"
