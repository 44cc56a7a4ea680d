"""Who is who."""

import pytest

from engine.archive import open_studio, people, reading
from engine.archive.ingest import ingest
from engine.conversation import Conversation, Kind, Message, Sender
from engine.errors import StudioError
from engine.importers import ImportReport

NAMES = ("Wren Halloran", "wren halloran", "Owl", "Fox")
LINES = [
    ("Wren Halloran", "I will be there at eight"),
    ("Wren Halloran", "ok"),
    ("Owl", "who?"),
    ("Wren Halloran", "  me,   of course  "),
    ("Fox", ""),
    ("Owl", "who goes there at night"),
]


async def fill(studio, source="phone", lines=LINES, owner=None):
    senders = tuple(Sender(name, name) for name in dict.fromkeys(name for name, _ in lines))
    spoken = [
        Message(str(n), name, n * 1000, text, Kind.SPEECH if text else Kind.CALL)
        for n, (name, text) in enumerate(lines)
    ]
    await ingest(
        studio,
        source=source,
        importer="i",
        path="",
        conversations=iter([Conversation("c", "C", senders, spoken, is_group=True)]),
        report=ImportReport(),
        owner=owner,
    )


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


async def test_figures(studio):
    await fill(studio)
    wren, owl, fox = await people.people(studio)
    assert (wren.name, wren.messages, wren.words, wren.first, wren.last) == ("Wren Halloran", 3, 10, 0, 3000)
    assert wren.sample == "I will be there at eight"  # "ok" and three words say little
    assert (owl.name, owl.messages, owl.sample) == ("Owl", 2, "who goes there at night")
    assert (fox.name, fox.messages, fox.words, fox.sample, fox.first) == ("Fox", 1, 0, "", 4000)
    assert (wren.aliases, wren.sources, wren.role, wren.is_owner) == ((), ("phone",), "user", False)


async def test_find(studio):
    with pytest.raises(StudioError, match="No sender") as empty:
        await people.find_person(studio, "Wren")
    assert "import" in empty.value.hint
    await fill(studio)
    wren = (await people.people(studio))[0]
    assert await people.find_person(studio, "Wren Halloran") == wren
    assert await people.find_person(studio, " WREN halloran ") == wren
    assert await people.find_person(studio, str(wren.id)) == wren
    for near in ("Wrenn", "wren haloran", "Halloran"):
        with pytest.raises(StudioError) as missing:
            await people.find_person(studio, near)
        assert missing.value.message == f'No sender is called "{near}".'
        assert missing.value.hint == 'Did you mean "Wren Halloran"? `understudy senders` lists everybody.'
    with pytest.raises(StudioError) as missing:
        await people.find_person(studio, "Zzzz")
    assert missing.value.hint == "`understudy senders` lists everybody."


async def test_find_among_people_of_one_name(studio):
    await fill(studio)
    await fill(studio, "mac", [("wren halloran", "hello"), ("Owl", "who")])
    exact = await people.find_person(studio, "wren halloran")
    assert exact.sources == ("mac",)
    with pytest.raises(StudioError, match='2 senders are called "Wren HALLORAN"'):
        await people.find_person(studio, "Wren HALLORAN")
    with pytest.raises(StudioError, match='2 senders are called "Owl"') as several:
        await people.find_person(studio, "Owl")
    ids = [row.id for row in await people.people(studio) if row.name == "Owl"]
    assert f"senders join {ids[0]} {ids[1]}" in several.value.hint


async def test_join_and_split(studio):
    await fill(studio)
    await fill(studio, "mac", [("W.", "a line on another machine"), ("Owl", "who")])
    wren = await people.find_person(studio, "Wren Halloran")
    other = await people.find_person(studio, "W.")
    await people.set_ai(studio, other.id)
    await people.join(studio, wren.id, other.id)
    joined = await people.find_person(studio, "W.")
    assert (joined.id, joined.name, joined.aliases) == (wren.id, "Wren Halloran", ("W.",))
    assert (joined.messages, joined.words, set(joined.sources)) == (4, 15, {"phone", "mac"})
    assert joined.role == "ai"
    assert (await people.ai(studio)) == joined
    assert {row.sender for row in await reading.messages(studio, 2)} == {"Wren Halloran", "Owl"}
    assert (await reading.conversation(studio, 2)).people == ("Wren Halloran", "Owl")
    # A new import leaves them joined.
    await fill(studio, "mac", [("W.", "a line on another machine"), ("Owl", "who"), ("W.", "more")])
    assert (await people.find_person(studio, "W.")).messages == 5

    parts = await people.split(studio, joined.id)
    assert {(row.name, row.messages, row.role) for row in parts} == {
        ("Wren Halloran", 3, "ai"),
        ("W.", 2, "user"),
    }
    assert next(row.id for row in parts if row.name == "Wren Halloran") == wren.id
    assert [row.name for row in await people.split(studio, wren.id)] == ["Wren Halloran"]
    assert len(await people.people(studio)) == 5


async def test_an_owner_among_aliases(studio):
    await fill(studio, owner="Owl")
    fox, owl = await people.find_person(studio, "Fox"), await people.find_person(studio, "Owl")
    await people.join(studio, fox.id, owl.id)
    assert (await people.find_person(studio, "Fox")).is_owner
    await people.split(studio, fox.id)
    assert [row.name for row in await people.people(studio) if row.is_owner] == ["Owl"]


async def test_one_ai_at_most(studio):
    await fill(studio)
    assert await people.ai(studio) is None
    wren, owl, _ = await people.people(studio)
    await people.leave_out(studio, owl.id, True)
    for row in (wren, owl):
        await people.set_ai(studio, row.id)
        assert [one.id for one in await people.people(studio) if one.role == "ai"] == [row.id]
    with pytest.raises(StudioError, match="Owl is the AI sender"):
        await people.leave_out(studio, owl.id, True)
    await people.set_ai(studio, None)
    assert await people.ai(studio) is None
    await people.leave_out(studio, owl.id, True)
    assert (await people.find_person(studio, "Owl")).role == "left out"
    await people.leave_out(studio, owl.id, False)
    assert (await people.find_person(studio, "Owl")).role == "user"


async def test_people_who_are_not_there(studio):
    await fill(studio)
    wren = (await people.people(studio))[0]
    await people.set_ai(studio, wren.id)
    for call in (
        people.set_ai(studio, 99),
        people.leave_out(studio, 99, True),
        people.join(studio, wren.id, 99),
        people.join(studio, 99, wren.id),
        people.split(studio, 99),
    ):
        with pytest.raises(StudioError, match="no sender 99"):
            await call
    with pytest.raises(StudioError, match="itself"):
        await people.join(studio, wren.id, wren.id)
    assert (await people.find_person(studio, wren.name)).role == "ai"
