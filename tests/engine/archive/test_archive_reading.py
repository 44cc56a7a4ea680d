"""Lists, pages and the search, over conversations that a test can see through."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.archive import open_studio, people, reading, searching
from engine.archive.ingest import ingest
from engine.conversation import Conversation, Kind, Message, Sender
from engine.errors import StudioError
from engine.importers import ImportReport

SAID = [
    "Slow and steady, that's my motto.",
    'He said "speed is key" and left',
    "NOT a race OR maybe (a race)*",
    "Le café était fermé",
    "今日は天気がいいですね",
    "오늘 날씨가 좋네요",
    "so funny 😂😂",
    "100% sure, snake_case\\",
    "winner WINNER winners",
]


async def fill(studio, texts=SAID, key="race", title="The race", source="phone", **kinds):
    senders = (Sender("t", "Tortoise"), Sender("h", "Hare"))
    spoken = [Message(str(n), "th"[n % 2], n * 1000, text, **kinds) for n, text in enumerate(texts)]
    await ingest(
        studio,
        source=source,
        importer="i",
        path="",
        conversations=iter([Conversation(key, title, senders, spoken)]),
        report=ImportReport(),
    )


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


async def found(studio, text):
    return {hit.message.text for hit in await searching.search(studio, text)}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("steady", [0]),
        ("STEADY slow", [0]),
        ("stea", [0]),  # the last word may be incomplete
        ("stea slow", []),  # the others may not
        ("that's", [0]),
        ('"speed', [1]),
        ('said "speed is"', [1]),
        ("NOT", [2]),
        ("race OR maybe", [2]),
        ("(a race)*", [2]),
        ("cafe etait", [3]),
        ("Café", [3]),
        ("天気", [4]),
        ("今日は 天気", [4]),
        ("天気 race", []),
        ("날씨", [5]),
        ("😂", [6]),
        ("funny 😂", [6]),
        ("100%", [7]),
        ("%", [7]),
        ("_", [7]),
        ("\\", [7]),
        ("win", [8]),
        ("text:winner", []),
        ("nothing of the kind", []),
        ("slow\0steady", [0]),
        ("", []),
        (" \t\n", []),
    ],
)
async def test_search(studio, text, where):
    await fill(studio)
    assert await found(studio, text) == {SAID[n] for n in where}


async def test_a_hit_shows_where_it_matched(studio):
    await fill(studio)
    (hit,) = await searching.search(studio, "stead")
    assert hit.title == "The race"
    assert (hit.message.sender, hit.message.time, hit.message.conversation) == ("Tortoise", 0, 1)
    assert hit.snippet == (("Slow and ", False), ("steady", True), (", that's my motto.", False))
    (hit,) = await searching.search(studio, "天気")
    assert hit.snippet == (("今日は", False), ("天気", True), ("がいいですね", False))


async def test_a_long_text_is_cut_around_the_match(studio):
    await fill(studio, ["a" * 500 + " 天気 " + "b" * 500, "word " * 200 + "needle " + "word " * 200])
    for text in ("天気", "needle"):
        (hit,) = await searching.search(studio, text)
        assert (text, True) in hit.snippet
        assert hit.snippet[0][0].startswith("…")
        assert hit.snippet[-1][0].endswith("…")
        assert len("".join(piece for piece, _ in hit.snippet)) < 200


async def test_the_best_match_comes_first_and_the_limit_holds(studio):
    await fill(studio, ["a race is a thing that one can run in a meadow on a day", "race race", "none"])
    hits = await searching.search(studio, "race")
    assert hits[0].message.text == "race race"
    assert len(hits) == 2
    assert len(await searching.search(studio, "race", limit=1)) == 1
    await fill(studio, ["😂 old", "😂 new"], key="b")
    assert [hit.message.text for hit in await searching.search(studio, "😂", limit=1)] == ["😂 new"]


async def test_only_speech_is_found(studio):
    await fill(studio, ["You missed a call"], kind=Kind.CALL)
    assert await found(studio, "call") == set()
    assert await found(studio, "💡") == set()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=20) | st.text("\"*()^:-+{}NEAROT AD \0'\\%_", max_size=20))
async def test_no_text_breaks_the_search(studio, text):
    if not (await reading.counts(studio)).messages:
        await fill(studio)
    await searching.search(studio, text)
    await reading.conversations(studio, search=text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, len(SAID) - 1), data=st.data())
async def test_every_word_that_was_said_is_found(studio, which, data):
    if not (await reading.counts(studio)).messages:
        await fill(studio)
    word = data.draw(st.sampled_from(SAID[which].split()))
    assert SAID[which] in await found(studio, word)


async def test_conversations_by_title_people_and_speech(studio):
    await fill(studio, ["hello there"], key="a", title="Morning")
    await fill(studio, ["hello again", "and again"], key="b", title="Night_owls", source="mac")

    async def titles(**how):
        return [row.title for row in await reading.conversations(studio, **how)]

    assert await titles() == ["Night_owls", "Morning"]  # newest first
    assert await titles(order="title") == ["Morning", "Night_owls"]
    assert await titles(order="messages") == ["Night_owls", "Morning"]
    assert await titles(source="mac") == ["Night_owls"]
    assert await titles(search="morn") == ["Morning"]
    assert await titles(search="t_o") == ["Night_owls"]
    assert await titles(search="again") == ["Night_owls"]
    assert await titles(search="hello", source="phone") == ["Morning"]
    assert await titles(search="tortoi") == ["Night_owls", "Morning"]
    assert await titles(search="zebra") == []


async def test_a_window_of_messages(studio):
    await fill(studio, [str(n) for n in range(20)])
    rows = await reading.messages(studio, 1)
    assert [row.text for row in rows] == [str(n) for n in range(20)]

    async def window(**how):
        return [int(row.text) for row in await reading.messages(studio, 1, **how)]

    assert await window(limit=3) == [17, 18, 19]
    assert await window(around=rows[10].id, limit=5) == [8, 9, 10, 11, 12]
    assert await window(around=rows[0].id, limit=5) == [0, 1, 2, 3, 4]
    assert len(await window(around=rows[3].id)) == 20
    assert [await reading.position(studio, row.id) for row in rows] == list(range(20))
    assert [row.text for row in await reading.page(studio, 1, offset=18, limit=5)] == ["18", "19"]
    assert await reading.page(studio, 1, offset=50, limit=5) == []


async def test_the_places_of_times_in_a_conversation(studio):
    times = [0, 0, 5, 5, 5, 6, 900, 900]
    spoken = [Message(str(n), "t", time, str(n)) for n, time in enumerate(times)]
    await ingest(
        studio,
        source="phone",
        importer="i",
        path="",
        conversations=iter([Conversation("race", "The race", (Sender("t", "Tortoise"),), spoken)]),
        report=ImportReport(),
    )
    rows = await reading.messages(studio, 1)
    assert [await reading.position(studio, row.id) for row in rows] == list(range(8))
    for time, index in {-1: 0, 0: 0, 1: 2, 5: 2, 6: 5, 7: 6, 900: 6, 901: 7}.items():
        assert await reading.message_at(studio, 1, time) == rows[index].id
    assert await reading.message_at(studio, 2, 0) is None


async def test_a_page_is_the_same_from_wherever_it_is_reached(studio):
    await fill(studio, [str(n) for n in range(20)])
    rows = await reading.messages(studio, 1)
    for offset in (0, 1, 7, 10, 15, 18, 19, 20, 50):
        for limit in (0, 1, 5, 30):
            expected = rows[offset : offset + limit]
            assert await reading.page(studio, 1, offset=offset, limit=limit) == expected
            assert await reading.page(studio, 1, offset=offset, limit=limit, total=20) == expected
            for at, row in enumerate(rows):
                known = (at, row.id)
                found = await reading.page(studio, 1, offset=offset, limit=limit, total=20, known=known)
                assert found == expected, (offset, limit, at)


async def test_what_is_not_there_is_said_with_what_is_near(studio):
    with pytest.raises(StudioError, match="no conversation 7") as missing:
        await reading.conversation(studio, 7)
    assert "Import" in missing.value.hint
    await fill(studio)
    await fill(studio, ["x"], key="other")
    for id in (7, 10**30):
        with pytest.raises(StudioError) as missing:
            await reading.conversation(studio, id)
        assert "Did you mean 2" in missing.value.hint
    with pytest.raises(StudioError, match="no message 999"):
        await reading.position(studio, 999)
    other = (await reading.messages(studio, 2))[0].id
    with pytest.raises(StudioError, match="not in conversation 1"):
        await reading.messages(studio, 1, around=other, limit=3)


async def test_dialogues_give_everything(studio):
    await fill(studio)
    await fill(studio, ["x", "y"], key="other", title="Other")
    hare = await people.find_person(studio, "Hare")
    await people.leave_out(studio, hare.id, True)
    read = [one async for one in reading.dialogues(studio)]
    assert [(one.conversation.title, len(one.messages)) for one in read] == [("The race", 9), ("Other", 2)]
    assert read[1].messages == await reading.messages(studio, 2)
    assert {row.person for row in read[1].messages} >= {hare.id}


async def test_a_cancelled_query_never_interrupts_somebody_else_s(tmp_path):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    async with await open_studio(tmp_path / "s.db") as studio:

        async def begin_to_read() -> None:
            async with studio.reading() as connection:
                await connection.execute(numbers)  # has begun, and is cancelled before a row was taken
                begun.set()
                await asyncio.sleep(60)

        for _ in range(5):
            begun = asyncio.Event()
            given_up = asyncio.create_task(begin_to_read())
            await begun.wait()
            given_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await given_up
            assert await asyncio.gather(*(reading.conversations(studio) for _ in range(4))) == [[]] * 4


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("from:hare", [1, 3, 5, 7]),
        ("from:háre", [1, 3, 5, 7]),
        ("from:hare win", []),
        ("from:tort in:race winner*", [8]),
        ('in:"the race" cafe', [3]),
        ('in:"thé race" cafe', [3]),
        ("in:nowhere cafe", []),
        ("after:1970 steady", [0]),
        ("before:1970 steady", []),
        ("after:2001", []),
        ('"sure case"', []),
        ('"100% sure"', [7]),
        ("stea* slow", [0]),
        ("from:me", []),
        ("from:nobody", []),
        ("from:hare in:nowhere", []),
        ("?!", []),
        ("in:race %", [7]),
    ],
)
@pytest.mark.parametrize("few", [0, searching.FEW])
async def test_a_search_can_name_people_conversations_and_days(studio, text, where, few, monkeypatch):
    """few: whether it looks up first where the conversations that are meant stand."""
    monkeypatch.setattr(searching, "FEW", few)
    await fill(studio)
    assert await found(studio, text) == {SAID[n] for n in where}
    # What is found soonest is the same, where it is not too much.
    assert {hit.message.text for hit in await searching.first_hits(studio, text)} == {SAID[n] for n in where}


async def test_from_me_is_the_owner_under_every_name(studio):
    senders = (Sender("t", "Tortoise", is_owner=True), Sender("m", "Melissa"))
    said = [Message("1", "t", 1, "slow"), Message("2", "m", 2, "slow too")]
    talk = Conversation("c", "Melissa", senders, said)
    report = ImportReport()
    await ingest(studio, source="a", importer="i", path="", conversations=iter([talk]), report=report)
    assert await found(studio, "from:me") == {"slow"}
    assert await found(studio, "from:me slo") == {"slow"}
    assert await found(studio, "from:mel") == {"slow too"}


async def test_more_words_than_are_ranked_find_the_newest_first(studio):
    words = [f"word{n}" for n in range(searching.RANKED + 1)]
    await fill(studio, [" ".join(words), "between", " ".join([*words, "and many more " * 9])])
    assert [hit.message.time for hit in await searching.search(studio, " ".join(words))] == [2000, 0]
    assert [hit.message.time for hit in await searching.search(studio, " ".join(words[1:]))] == [0, 2000]


async def test_the_first_hits_stop_at_the_limit(studio):
    await fill(studio, [f"a race {n}" for n in range(30)])
    assert len(await searching.first_hits(studio, "race", limit=10)) == 10
    assert await searching.first_hits(studio, "") == []
