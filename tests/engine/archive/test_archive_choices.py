"""The choices of a person: undone joins, suggestions accepted or not, and what is left out."""

import pytest

from engine.archive import forgetting, leaving_out, open_studio, people, reading
from engine.archive.ingest import ingest
from engine.archive.standing import restore, standing
from engine.archive.suggestions import address, call_different, suggestions
from engine.conversation import Conversation, Message, Sender
from engine.errors import StudioError
from engine.importers import ImportReport

ME = Sender("me", "Tortoise", is_owner=True)


def direct(key: str, title: str, sender: Sender, lines: int = 4) -> Conversation:
    said = [Message(str(n), (sender, ME)[n % 2].key, n * 1000, f"line {n}") for n in range(lines)]
    return Conversation(key, title, (sender, ME), said)


def group(key: str, title: str, *senders: Sender) -> Conversation:
    said = [Message(str(n), sender.key, n * 1000, "hello") for n, sender in enumerate((*senders, ME))]
    return Conversation(key, title, (*senders, ME), said, is_group=True)


async def add(studio, source: str, *conversations: Conversation, owner: str | None = "Tortoise") -> None:
    await ingest(
        studio,
        source=source,
        importer="i",
        path="",
        conversations=iter(conversations),
        report=ImportReport(),
        owner=owner,
    )


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


async def everybody(studio) -> list[tuple[object, ...]]:
    return sorted((row.id, row.name, row.aliases, row.role) for row in await people.people(studio))


async def suggested(studio) -> list[tuple[str, str, str]]:
    found = await suggestions(studio, await people.people(studio))
    return [(two.keep.name, two.other.name, two.reason) for two in found]


async def named(studio, name: str) -> int:
    return (await people.find_person(studio, name)).id


@pytest.fixture
async def two_sources(studio):
    await add(
        studio,
        "Messenger",
        direct("h", "Hare", Sender("Hare", "Hare"), 8),
        direct("o", "Owl", Sender("Owl", "Owl")),
    )
    await add(studio, "iMessage", direct("h", "Hare", Sender("5550100", "Hare")))
    return studio


async def test_what_was_joined_and_split_comes_back_with_ids_and_roles(two_sources) -> None:
    studio = two_sources
    hare, again = [row.id for row in await people.people(studio) if row.name == "Hare"]
    owl = await named(studio, "Owl")
    await people.set_ai(studio, hare)
    await people.leave_out(studio, owl, True)
    first = await everybody(studio)
    taken = await standing(studio, [again, hare, owl])
    await people.join(studio, again, hare)
    await people.join(studio, again, owl)
    joined = await everybody(studio)
    assert (again, "Hare", ("Owl",), "ai") in joined
    together = await standing(studio, [again])
    parts = await people.split(studio, again)
    assert len(parts) == 3
    await restore(studio, together)
    assert await everybody(studio) != first
    assert [row[1:] for row in await everybody(studio)] == [row[1:] for row in joined]
    await restore(studio, taken)
    assert await everybody(studio) == first


async def test_what_is_left_out_stays_so_in_a_join_and_the_ai_sender_is_in(two_sources) -> None:
    studio = two_sources
    tortoise, owl = await named(studio, "Tortoise"), await named(studio, "Owl")
    hare = next(row.id for row in await people.people(studio) if row.name == "Hare")
    await people.leave_out(studio, owl, True)
    await people.join(studio, hare, owl)
    [joined] = [row for row in await people.people(studio) if row.id == hare]
    assert joined.role == "left out"
    await people.set_ai(studio, tortoise)
    await people.join(studio, hare, tortoise)
    await people.set_ai(studio, None)
    [joined] = [row for row in await people.people(studio) if row.id == hare]
    assert joined.role == "user"


async def test_the_way_back_minds_what_happened_since(two_sources) -> None:
    studio = two_sources
    hare, again = [row.id for row in await people.people(studio) if row.name == "Hare"]
    taken = await standing(studio, [hare, again])
    await people.join(studio, hare, again)
    await people.set_ai(studio, await named(studio, "Owl"))
    await add(studio, "third", direct("f", "Fox", Sender("Fox", "Fox")))
    assert again in (row[0] for row in await everybody(studio)), "the number was given to somebody new"
    await restore(studio, taken)
    rows = await people.people(studio)
    assert [row.name for row in rows].count("Hare") == 2
    assert [row.name for row in rows if row.role == "ai"] == ["Owl"]
    assert next(row for row in rows if row.id == again).name == "Fox"


async def test_a_role_given_to_joined_people_stays_with_the_one_who_kept_the_name(two_sources) -> None:
    studio = two_sources
    hare, again = [row.id for row in await people.people(studio) if row.name == "Hare"]
    taken = await standing(studio, [hare, again])
    await people.join(studio, again, hare)
    await people.set_ai(studio, again)
    await restore(studio, taken)
    assert [row.id for row in await people.people(studio) if row.role == "ai"] == [again]


async def test_the_way_back_of_what_was_forgotten(two_sources) -> None:
    studio = two_sources
    hare, again = [row.id for row in await people.people(studio) if row.name == "Hare"]
    taken = await standing(studio, [hare, again])
    await people.join(studio, hare, again)
    await forgetting.forget(studio, await forgetting.find_source(studio, "iMessage"))
    await restore(studio, taken)
    assert [row.name for row in await people.people(studio)].count("Hare") == 1


async def test_one_alias_is_taken_off(two_sources) -> None:
    studio = two_sources
    hare = next(row.id for row in await people.people(studio) if row.name == "Hare")
    owl, tortoise = await named(studio, "Owl"), await named(studio, "Tortoise")
    await people.join(studio, owl, hare)
    await people.join(studio, owl, tortoise)
    parts = await people.split(studio, owl, ["Tortoise"])
    assert {(row.name, row.aliases) for row in parts} == {("Owl", ("Hare",)), ("Tortoise", ())}
    assert {row.sources for row in parts if row.name == "Tortoise"} == {("Messenger", "iMessage")}
    for wrong in ("Owl", "Mole"):
        with pytest.raises(StudioError, match=f'"{wrong}" is no alias of Owl') as refused:
            await people.split(studio, owl, [wrong])
        assert refused.value.hint == "There are: Hare."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+1 (555) 010-0042", "5550100042"),
        ("07700 900123", "+447700900123"),
        ("Mole@Example.org ", "mole@example.org"),
    ],
)
def test_one_address_in_many_spellings(one: str, other: str) -> None:
    longer, shorter = sorted((address(one), address(other)), key=len, reverse=True)
    assert shorter and longer.endswith(shorter)


@pytest.mark.parametrize("text", ["Hare", "12345", "2 fast", "mole@burrow", "", "me", "Mole 5550100042"])
def test_what_is_no_address(text: str) -> None:
    assert address(text) == ""


async def test_one_name_in_two_sources_is_suggested_and_never_joined(two_sources) -> None:
    before = await everybody(two_sources)
    assert await suggested(two_sources) == [("Hare", "Hare", "same name")]
    assert await everybody(two_sources) == before


async def test_no_is_remembered_and_forgotten_with_its_source(two_sources) -> None:
    studio = two_sources
    hare, again = [row.id for row in await people.people(studio) if row.name == "Hare"]
    await call_different(studio, again, hare)
    assert await suggested(studio) == []
    await add(studio, "iMessage", direct("h", "Hare", Sender("5550100", "Hare"), 6))
    assert await suggested(studio) == []
    await call_different(studio, hare, again, False)
    assert await suggested(studio) == [("Hare", "Hare", "same name")]
    await call_different(studio, hare, again)
    await forgetting.forget(studio, await forgetting.find_source(studio, "iMessage"))
    await add(studio, "iMessage", direct("h", "Hare", Sender("5550100", "Hare")))
    assert await suggested(studio) == [("Hare", "Hare", "same name")]


async def test_a_number_with_and_without_a_name(studio) -> None:
    await add(studio, "old phone", direct("1", "+1 555 010 0042", Sender("5550100042", "+1 555 010 0042"), 8))
    await add(studio, "new phone", direct("1", "Mole", Sender("+15550100042", "Mole")))
    await add(studio, "tablet", direct("1", "Owl", Sender("9990100042", "Owl")))
    assert await suggested(studio) == [("Mole", "+1 555 010 0042", "same number")]


async def test_two_addresses_under_one_name_in_one_source(studio) -> None:
    await add(
        studio,
        "phone",
        direct("1", "Mole", Sender("5550100042", "Mole")),
        direct("2", "Mole", Sender("mole@example.org", "Mole")),
    )
    assert await suggested(studio) == [("Mole", "Mole", "same name, two addresses")]


async def test_deleted_accounts_of_one_source_are_not_one_person(studio) -> None:
    gone = [Sender(f"Facebook user in {n}", "Facebook user") for n in range(3)]
    await add(studio, "Messenger", *(direct(sender.key, "Facebook user", sender) for sender in gone))
    assert await suggested(studio) == []


async def test_the_counterpart_under_one_title(studio) -> None:
    await add(studio, "Messenger", direct("h", "Speedy", Sender("Hare Lepus", "Hare Lepus"), 8))
    await add(studio, "iMessage", direct("h", "speedy", Sender("5550100042", "+15550100042")))
    assert await suggested(studio) == [("Hare Lepus", "+15550100042", "same conversation with you")]


async def test_the_odd_one_in_two_groups(studio) -> None:
    owl, fox = Sender("Owl", "Owl"), Sender("Fox", "Fox")
    await add(studio, "Messenger", group("g", "Race", owl, fox))
    await add(studio, "iMessage", group("g", "Race", owl, Sender("5550100042", "+15550100042")))
    assert ("Fox", "+15550100042", "same place in a group") in await suggested(studio)


async def test_two_owners(studio) -> None:
    await add(studio, "Messenger", direct("h", "", Sender("Hare", "Hare"), 8))
    await add(studio, "iMessage", direct("h", "", Sender("Owl", "Owl")), owner="The Tortoise")
    assert await suggested(studio) == [("Tortoise", "The Tortoise", "each the owner of an export")]


async def left_out(studio) -> list[tuple[str, bool, tuple[str, ...]]]:
    rows = await reading.conversations(studio, order="title")
    return [(row.title, row.left_out, tuple(name for _, name in row.without)) for row in rows]


async def test_conversations_and_people_in_them_are_left_out(studio) -> None:
    hare, owl = Sender("Hare", "Hare"), Sender("Owl", "Owl")
    exported = (direct("h", "Hare", hare), group("g", "Race", hare, owl))
    await add(studio, "Messenger", *exported)
    talk, race = [row.id for row in await reading.conversations(studio, order="title")]
    await leaving_out.leave_out_conversation(studio, talk, True)
    await leaving_out.leave_out_there(studio, await named(studio, "Hare"), race, True)
    expected = [("Hare", True, ()), ("Race", False, ("Hare",))]
    assert await left_out(studio) == expected
    assert (await people.find_person(studio, "Hare")).out_of == (race,)
    assert (await people.find_person(studio, "Hare")).role == "user"
    await add(studio, "Messenger", *exported, direct("o", "Owl", owl))
    assert await left_out(studio) == [expected[0], ("Owl", False, ()), expected[1]]
    await forgetting.forget(studio, await forgetting.find_source(studio, "Messenger"))
    await add(studio, "Messenger", *exported)
    assert await left_out(studio) == [("Hare", False, ()), ("Race", False, ())]


async def test_joined_people_are_left_out_where_one_of_them_was(studio) -> None:
    await add(studio, "Messenger", group("g", "Race", Sender("Hare", "Hare"), Sender("Owl", "Owl")))
    [race] = [row.id for row in await reading.conversations(studio)]
    hare, owl = await named(studio, "Hare"), await named(studio, "Owl")
    await leaving_out.leave_out_there(studio, owl, race, True)
    await people.join(studio, hare, owl)
    assert await left_out(studio) == [("Race", False, ("Hare",))]
    await people.split(studio, hare)
    assert await left_out(studio) == [("Race", False, ("Owl",))]
    await leaving_out.leave_out_there(studio, await named(studio, "Owl"), race, False)
    assert await left_out(studio) == [("Race", False, ())]


async def test_what_cannot_be_left_out(studio) -> None:
    await add(studio, "Messenger", direct("h", "Hare", Sender("Hare", "Hare")))
    await add(studio, "iMessage", direct("o", "Owl", Sender("Owl", "Owl")))
    tortoise, owl = await named(studio, "Tortoise"), await named(studio, "Owl")
    [talk] = [row.id for row in await reading.conversations(studio, person=await named(studio, "Hare"))]
    await people.set_ai(studio, tortoise)
    with pytest.raises(StudioError, match="the AI sender"):
        await leaving_out.leave_out_there(studio, tortoise, talk, True)
    with pytest.raises(StudioError, match="Owl is not in conversation") as refused:
        await leaving_out.leave_out_there(studio, owl, talk, True)
    assert refused.value.hint == "In it are: Hare, Tortoise."
    with pytest.raises(StudioError, match="no conversation 99"):
        await leaving_out.leave_out_conversation(studio, 99, True)
