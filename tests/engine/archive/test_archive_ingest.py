"""Imports: everything once, in spoken order, all of it or nothing."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.archive import Counts, chats, open_studio, people, reading, searching
from engine.archive.ingest import ingest
from engine.conversation import (
    Attachment,
    AttachmentKind,
    Conversation,
    Edit,
    Kind,
    Message,
    Reaction,
    Sender,
    Stretch,
)
from engine.errors import StudioError
from engine.importers import ImportReport
from engine.packed import packed

TORTOISE, HARE = Sender("t", "Tortoise"), Sender("h", "Hare")


def message(key, time=0, text=None, sender="t", **more):
    return Message(str(key), sender, time, f"message {key}" if text is None else text, **more)


def thread(messages, key="race", senders=(TORTOISE, HARE), **more):
    return Conversation(key, more.pop("title", "The race"), senders, messages, **more)


async def take(studio, *conversations, **more):
    report = more.pop("report", None) or ImportReport()

    def counted():
        for one in conversations:
            messages = list(one.messages)
            for row in messages:
                report.keep(row.kind)
            yield msgspec.structs.replace(one, messages=iter(messages))

    arguments = {"source": "phone", "importer": "messenger", "path": "/export", **more}
    await ingest(studio, conversations=counted(), report=report, **arguments)
    return report


async def texts(studio, conversation=1):
    return [row.text for row in await reading.messages(studio, conversation)]


@pytest.fixture
async def studio(tmp_path):
    async with await open_studio(tmp_path / "studio.db") as opened:
        yield opened


async def test_what_edited_messages_said_before_is_kept(studio):
    first, second = Edit("sped is key", 1000), Edit("speed is key", None)
    half = "half an emoji \ud83d"  # what no database holds
    spoken = [
        message("a", 1, "Speed is key!", edited=True, edits=(first, second)),
        message("b", 2, "as it was"),
        message("c", 3, "whole", edited=True, edits=(Edit(half, 3),)),
        message("a", 1, "another thread, the same key"),
    ]
    await take(studio, thread(spoken[:3]), thread(spoken[3:], "other"))
    one, two, three = await reading.messages(studio, 1)
    assert (one.edits, two.edits) == ((first, second), ())
    assert [edit.text for edit in three.edits] == ["half an emoji ?"]
    (other,) = await reading.messages(studio, 2)
    assert other.edits == ()

    # An older export knows less, a later one more; what was taken back is kept by nobody.
    third = Edit("Speed is key!", 2000)
    again = [
        message("a", 1, "Speed, mostly.", edited=True, edits=(first, second, third)),
        message("b", 2, "is now", edited=True, edits=(Edit("as it was", 2),)),
        message("c", 3, "", kind=Kind.UNSENT, edited=True),
    ]
    await take(studio, thread(again))
    await take(studio, thread(spoken[:1]))
    one, two, three = await reading.messages(studio, 1)
    assert one.edits == (first, second, third)
    assert two.edits == (Edit("as it was", 2),)
    assert (three.kind, three.text, three.edits) == (Kind.UNSENT, "", ())
    raw = await studio.rows(str, "SELECT key FROM messages WHERE edits IS NULL ORDER BY conversation, key")
    assert raw == ["c", "a"]


async def test_every_field_comes_back(studio):
    spoken = [
        message("a", 1000, "Slow and steady, that's my motto.", reactions=(Reaction("Hare", "😂", 5),)),
        message(
            "b", 2000, "", "h", kind=Kind.ATTACHMENT, attachments=(Attachment(AttachmentKind.PHOTO, "p.jpg"),)
        ),
        message("c", 3000, "Speed is key!", "h", reply_to="a", edited=True),
    ]
    report = await take(studio, thread(spoken, is_group=True, section="archived"))
    (row,) = await reading.conversations(studio)
    assert (row.title, row.source, row.kind, row.section) == ("The race", "phone", "group", "archived")
    assert (row.people, row.messages, row.first, row.last) == (("Tortoise", "Hare"), 3, 1000, 3000)
    first, second, third = await reading.messages(studio, row.id)
    assert (first.sender, first.time, first.reactions) == ("Tortoise", 1000, (Reaction("Hare", "😂", 5),))
    assert (second.kind, second.attachments) == (
        Kind.ATTACHMENT,
        (Attachment(AttachmentKind.PHOTO, "p.jpg"),),
    )
    assert (third.reply_to, third.edited, third.sender) == (first.id, True, "Hare")
    assert report.already_there == 0
    (source,) = await reading.sources(studio)
    assert (source.name, source.importer, source.path, source.messages) == (
        "phone",
        "messenger",
        "/export",
        3,
    )
    assert await reading.counts(studio) == Counts(1, 3, 2, 1)


async def test_a_second_import_adds_what_is_new_and_nothing_twice(studio):
    await take(studio, thread([message(n, n * 10) for n in (1, 2, 5)]))
    report = await take(
        studio,
        thread([message(n, n * 10) for n in range(1, 7)]),
        thread([message(1, 5)], key="other", title="Other"),
    )
    assert report.already_there == 3
    assert "of these, from before" in {line.says for line in report.lines()}
    there = [(row.time, row.text) for row in report.behind("already there")]
    assert there == [(10, "message 1"), (20, "message 2"), (50, "message 5")]
    assert {row.place for row in report.behind("already there")} == {"in The race"}
    assert await texts(studio) == [f"message {n}" for n in range(1, 7)]
    again = await take(
        studio,
        thread([message(n, n * 10) for n in range(1, 7)]),
        thread([message(1, 5)], key="other", title="Other"),
    )
    assert again.already_there == again.kept == 7
    assert "all of these: nothing is new" in {line.says for line in again.lines()}
    assert (await reading.counts(studio)).messages == 7
    assert len(await searching.search(studio, "message")) == 7
    assert [row.messages for row in await reading.conversations(studio, order="messages")] == [6, 1]


async def test_the_same_export_under_another_name_is_another_source(studio):
    await take(studio, thread([message(1)]))
    report = await take(studio, thread([message(1)]), source="tablet")
    assert report.already_there == 0
    assert {row.source for row in await reading.conversations(studio)} == {"phone", "tablet"}
    assert len(await reading.conversations(studio, source="tablet")) == 1


async def test_additions_in_the_middle_of_a_millisecond_keep_the_spoken_order(studio):
    await take(studio, thread([message("a", 7), message("c", 7), message("d", 8)]))
    await take(studio, thread([message("a", 7), message("b", 7), message("c", 7), message("d", 8)]))
    assert await texts(studio) == [f"message {key}" for key in "abcd"]
    # An export that holds only the end must not turn the order round.
    liked = message("c", 7, reactions=(Reaction("Hare", "❤"),))
    await take(studio, thread([liked, message("d", 8)]))
    assert await texts(studio) == [f"message {key}" for key in "abcd"]


async def test_a_newer_copy_brings_a_message_up_to_date(studio):
    await take(studio, thread([message("a", 1, "I was frist"), message("b", 2, "yes")]))
    before = await reading.messages(studio, 1)
    newer = [
        message("a", 1, "I was first", edited=True),
        message("b", 2, "yes", reactions=(Reaction("Hare", "❤"),)),
    ]
    report = await take(studio, thread(newer))
    assert report.already_there == 2
    after = await reading.messages(studio, 1)
    assert [row.id for row in after] == [row.id for row in before]
    assert (after[0].text, after[0].edited, after[1].reactions) == (
        "I was first",
        True,
        (Reaction("Hare", "❤"),),
    )
    assert await searching.search(studio, "frist") == []
    assert len(await searching.search(studio, "first")) == 1
    # The older export read again does not take the edit back.
    await take(studio, thread([message("a", 1, "I was frist")]))
    assert (await texts(studio))[0] == "I was first"
    async with studio.writing() as connection:  # raises where index and text differ
        await connection.execute("INSERT INTO speech_index (speech_index) VALUES ('integrity-check')")


async def test_an_unsent_message_is_no_longer_found(studio):
    await take(studio, thread([message("a", 1, "a secret"), message("b", 2, "a word")]))
    await take(studio, thread([message("a", 1, "", kind=Kind.UNSENT)]))
    assert [hit.message.text for hit in await searching.search(studio, "a")] == ["a word"]
    tortoise = await people.find_person(studio, "Tortoise")
    assert (tortoise.messages, tortoise.words) == (2, 2)


async def test_an_older_export_read_later_adds_what_is_new_and_changes_nothing(studio):
    everybody = (TORTOISE, HARE, Sender("n", "Owl"))
    newer = [
        message("a", 1, reactions=(Reaction("Hare", "😂"),)),
        message("b", 2),
        message("c", 9, sender="n"),
    ]
    await take(studio, thread(newer, title="Race day", senders=everybody, is_group=True))
    older = [message("a", 1), message("early", 1, "said in the same millisecond"), message("b", 2)]
    before = (TORTOISE, HARE, Sender("n", "An owl"))
    await take(studio, thread(older, title="The race", senders=before))
    (row,) = await reading.conversations(studio)
    assert (row.title, row.kind, row.messages) == ("Race day", "group", 4)
    assert set(row.people) == {"Tortoise", "Hare", "Owl"}
    first, *_ = rows = await reading.messages(studio, 1)
    assert first.reactions == (Reaction("Hare", "😂"),)
    assert {one.text for one in rows} == {one.text for one in (*newer, *older)}

    # The same of one thread alone is newer than the whole export was, whatever else that holds.
    await take(studio, thread([message("x", 99)], "another", title="Another"))
    again = [
        message("c", 9, "now with a reaction", sender="n", reactions=(Reaction("t", "👍"),)),
        message("d", 10),
    ]
    await take(studio, thread(again, title="Race week", senders=everybody, is_group=True))
    titles = {row.title for row in await reading.conversations(studio)}
    assert titles == {"Race week", "Another"}
    assert "now with a reaction" in await texts(studio)
    # As new as what is there: it is read again on purpose, perhaps with an address book.
    await take(studio, thread([message("d", 10)], title="The week", senders=everybody, is_group=True))
    assert "The week" not in {row.title for row in await reading.conversations(studio)}, "x is newer than d"
    await take(
        studio,
        thread([message("d", 10)], title="The week", senders=everybody, is_group=True),
        thread([message("x", 99)], "another", title="Another"),
    )
    assert "The week" in {row.title for row in await reading.conversations(studio)}


async def test_a_number_never_takes_the_place_of_a_name(studio):
    number, named = (Sender("n", "+44 20 7946 0000"),), (Sender("n", "Owl"),)
    await take(studio, thread([message("a", 5, sender="n")], title="Owl", senders=named))
    await take(studio, thread([message("b", 9, sender="n")], title=number[0].name, senders=number))
    (row,) = await reading.conversations(studio)
    assert (row.title, row.people) == ("Owl", ("Owl",)), "a newer database without its address book"
    await take(
        studio, thread([message("c", 5, sender="m")], "other", senders=(Sender("m", "+1 555 010 0000"),))
    )
    await take(studio, thread([message("d", 1, sender="m")], "other", senders=(Sender("m", "Fox"),)))
    assert "Fox" in [row.name for row in await people.people(studio)], "an older one that knows the name"


async def test_reactions_are_no_messages_that_were_already_there(studio):
    liked = (Reaction("Hare", "❤"),)
    first = await take(studio, thread([message("a", reactions=liked)]))
    assert first.already_there == 0
    second = await take(
        studio, thread([message("a", reactions=(*liked, Reaction("Owl", "😂"))), message("b", 2)])
    )
    assert second.already_there == 1
    assert [len(row.reactions) for row in await reading.messages(studio, 1)] == [2, 0]


async def test_a_reply_to_a_message_that_came_later(studio):
    await take(studio, thread([message("b", 2, reply_to="a")]))
    assert (await reading.messages(studio, 1))[0].reply_to is None
    await take(studio, thread([message("a", 1), message("b", 2, reply_to="a")]))
    first, second = await reading.messages(studio, 1)
    assert second.reply_to == first.id


async def test_text_that_no_database_can_hold(studio):
    broken = [message(n, n) for n in range(2500)] + [message("\ud83d", 9999, "half \ud83d an emoji\0!")]
    await take(studio, thread(broken, title="\udc00"))
    assert len(await texts(studio)) == 2501
    assert (await texts(studio))[-1] == "half ? an emoji\0!"
    for _ in range(2):
        await take(studio, thread([message("a", 1)]), source="\udc9b", path="/caf\udce9", owner="\ud800")
    assert "?" in {row.source for row in await reading.conversations(studio)}


class Bulk:
    """Messages in stretches, as the Messenger importer has them."""

    def __init__(self, *stretches):
        self.given = stretches

    def __iter__(self):
        raise AssertionError("an archive takes the stretches")

    def stretches(self):
        yield from self.given


async def take_bulk(studio, *stretches, source="phone"):
    report = ImportReport()
    conversations = iter([thread(Bulk(*stretches))])
    await ingest(studio, source=source, importer="i", path="", conversations=conversations, report=report)
    return report


async def test_messages_in_bulk_come_back_in_spoken_order_and_never_twice(studio):
    liked = Message("", "h", 20, "two", reactions=(Reaction("Tortoise", "❤"),))
    same = Message("again", "t", 30, "three")
    first = Stretch({"t": {10: "one", 30: "three"}}, [(0, liked), (1, same)])
    await take_bulk(studio, first)
    assert await texts(studio) == ["one", "two", "three", "three"]
    unliked = Message("", "h", 20, "two")
    more = Stretch({"t": {10: "one", 30: "three", 50: "five"}, "h": {40: "one"}}, [(0, unliked), (1, same)])
    assert (await take_bulk(studio, more)).already_there == 4
    assert await texts(studio) == ["one", "two", "three", "three", "one", "five"]
    assert (await reading.messages(studio, 1))[1].reactions == ()
    assert len(await searching.search(studio, "three")) == 2
    assert (await take_bulk(studio, more)).already_there == 6
    tortoise = await people.find_person(studio, "Tortoise")
    assert (tortoise.messages, tortoise.words, tortoise.first, tortoise.last) == (4, 4, 10, 50)


# Whether the index holds what the messages say, no more and no less.
CHECK_INDEX = "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
HARD = st.text(alphabet=st.sampled_from('ab \0\ud83d\n"\\é😂1'), max_size=6)


@settings(max_examples=40, deadline=None)
@given(written=st.lists(st.tuples(HARD, st.booleans(), st.booleans()), min_size=1, max_size=12))
async def test_any_text_comes_back_in_bulk_and_one_by_one(tmp_path_factory, written):
    keyless = [
        Message("", "t", n, text, reactions=(Reaction(text, "❤"),) if liked else ())
        for n, (text, liked, _) in enumerate(written)
    ]
    keyed = [
        Message(f"k {n}", "t", n, text, edited=edited, attachments=(Attachment(AttachmentKind.FILE, text),))
        if edited
        else Message(f"k {n}", "t", n, text)
        for n, (text, _, edited) in enumerate(written)
    ]
    expected = [text.encode("utf-8", "replace").decode() for text, _, _ in written]
    path = tmp_path_factory.mktemp("bulk") / "studio.db"
    async with await open_studio(path) as studio:
        for source, rows in (("a", keyless), ("b", keyed)):
            await take(studio, thread(rows), source=source)
            await take(studio, thread(rows), source=source)
        for conversation in (1, 2):
            assert await texts(studio, conversation) == expected
        liked = [row.reactions[0].actor for row in await reading.messages(studio, 1) if row.reactions]
        assert liked == [text for text, (_, like, _) in zip(expected, written, strict=True) if like]
        words = sum(len(text.split()) for text in expected)
        assert [row.words for row in await people.people(studio) if row.messages] == [words, words]
        async with studio.writing() as connection:
            await connection.execute(
                "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
            )


async def test_a_text_that_begins_with_nul_is_indexed_as_any_other(studio):
    await take(studio, thread([message("a", 1, "\0slow and steady"), message("b", 2, "steady")]))
    assert len(await searching.search(studio, "steady")) == 2
    async with studio.writing() as connection:
        await connection.execute(
            "INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)"
        )


async def test_a_key_that_comes_twice_is_taken_once(studio):
    await take(studio, thread([message("a", 1), message("a", 2), message("b", 3)]))
    assert await texts(studio) == ["message a", "message b"]
    assert (await reading.conversation(studio, 1)).messages == 2
    assert (await people.find_person(studio, "Tortoise")).messages == 2


async def test_who_writes_without_being_listed(studio):
    await take(studio, thread([message("a", sender="Owl")], senders=(TORTOISE,)))
    (row,) = await reading.messages(studio, 1)
    assert row.sender == "Owl"
    assert (await reading.conversation(studio, 1)).people == ("Tortoise", "Owl")


async def test_the_generators_run_once_in_order_in_one_worker_thread(studio):
    seen = []

    def spoken(name):
        for n in range(3):
            seen.append((name, n, threading.current_thread()))
            yield message(n, n)

    def conversations():
        for name in ("x", "y"):
            yield thread(spoken(name), key=name)

    report = ImportReport()
    shown = []
    await ingest(
        studio,
        source="s",
        importer="i",
        path="",
        conversations=conversations(),
        report=report,
        progress=lambda given: shown.append((given, threading.current_thread())),
    )
    assert [entry[:2] for entry in seen] == [(name, n) for name in ("x", "y") for n in range(3)]
    assert len({entry[2] for entry in seen}) == 1
    assert seen[0][2] is not threading.main_thread()
    assert shown
    assert all(given is report and where is threading.main_thread() for given, where in shown)


def endless(closed):
    try:
        n = 0
        while True:
            yield thread([message(n, n)], key=str(n))
            n += 1
    finally:
        closed.set()


async def test_others_may_write_while_a_slow_importer_reads(studio):
    def spoken():
        yield message("a", 1)
        with closing(sqlite3.connect(studio.path, timeout=0)) as other, other:
            other.execute("INSERT INTO chats VALUES (NULL, 'a chat', 'm', 'local', '', 1, 1)")
        yield message("b", 2)

    await ingest(
        studio,
        source="loader",
        importer="loader",
        path="/x",
        conversations=iter([thread(spoken())]),
        report=ImportReport(),
        slow=True,
    )
    assert await texts(studio) == ["message a", "message b"]
    assert [hit.message.text for hit in await searching.search(studio, "message")]
    assert [row.title for row in await chats.chats(studio)] == ["a chat"]


async def test_a_cancelled_import_changes_nothing(studio):
    await take(studio, thread([message("a")]))
    asked = []
    closed = threading.Event()
    with pytest.raises(StudioError, match="cancelled"):
        await ingest(
            studio,
            source="phone",
            importer="i",
            path="",
            conversations=endless(closed),
            report=ImportReport(),
            cancelled=lambda: asked.append(1) or len(asked) > 500,
        )
    assert closed.is_set()  # the importer could put its files away
    assert await reading.counts(studio) == Counts(1, 1, 2, 1)
    assert (await reading.sources(studio))[0].importer == "messenger"


async def test_a_cancelled_task_stops_the_thread_and_changes_nothing(studio):
    closed = threading.Event()
    task = asyncio.ensure_future(
        ingest(
            studio, source="s", importer="i", path="", conversations=endless(closed), report=ImportReport()
        )
    )
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
    assert await reading.sources(studio) == []
    await take(studio, thread([message("a")]))  # the studio is free again


async def test_a_task_cancelled_twice_still_waits_for_its_thread(studio):
    closed = threading.Event()

    def slow():
        try:
            yield thread([message("a")])
            at_it.set()
            go_on.wait(10)
            yield thread([message("b")], key="b")
        finally:
            closed.set()

    at_it, go_on = threading.Event(), threading.Event()
    task = asyncio.ensure_future(
        ingest(studio, source="s", importer="i", path="", conversations=slow(), report=ImportReport())
    )
    await asyncio.to_thread(at_it.wait, 10)
    for _ in range(3):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_nothing_is_written_behind_an_interrupted_statement(studio):
    """Stretches wait for the database while the one before is written, and it is that one that is stopped."""
    loop = asyncio.get_running_loop()
    text = "a line of some length, so that the database has something to do " * 8
    ready = packed(thread([message(at, at, text) for at in range(40_000)]))
    stretches = list(ready.messages)

    def quickly():
        for number, stretch in enumerate(stretches):
            if number == 2:
                loop.call_soon_threadsafe(task.cancel)
            yield stretch

    for _ in range(4):
        ready.messages = quickly()
        taking = ingest(
            studio, source="s", importer="i", path="", conversations=iter([ready]), report=ImportReport()
        )
        task = asyncio.ensure_future(taking)
        with pytest.raises(asyncio.CancelledError):
            await task
        for table in ("messages", "sources", "speech_index"):
            assert await studio.rows(int, f"SELECT count(*) FROM {table}") == [0], table


async def test_an_importer_that_breaks_changes_nothing(studio):
    def broken():
        yield thread([message("a")])
        raise StudioError("The zip is cut short.", "Download it again.")

    with pytest.raises(StudioError, match="cut short"):
        await ingest(studio, source="s", importer="i", path="", conversations=broken(), report=ImportReport())
    assert (await reading.counts(studio)).messages == 0


KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from engine.archive import first_import, merge, open_studio
from engine.archive.ingest import ingest
from engine.conversation import Conversation, Message, Sender
from engine.importers import ImportReport

path, moment, source = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def conversations():
    for c in range(20):
        yield Conversation(str(c), str(c), (Sender("t", "Tortoise"),),
            (Message(str(n), "t", n, f"line {n} of {c}") for n in range(1000)))
        if moment == "reading" and c == 10:
            os.kill(os.getpid(), signal.SIGKILL)

if moment == "writing":  # between the messages and the figures, in the middle of the one transaction
    merge.SENDER_FIGURES = "SELECT 1 WHERE ?1 AND die()"
    first_import.ANSWER = "SELECT die()"
    first_import.CACHE_KIB = 40  # so that pages have reached the file by then
    import engine.archive.ingest as module
    plain = module.connect
    def deadly(path):
        connection = plain(path)
        connection.execute("PRAGMA cache_size = 10")
        connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return connection
    module.connect = deadly

async def main():
    async with await open_studio(path) as studio:
        await ingest(studio, source=source, importer="i", path="", conversations=conversations(),
            report=ImportReport())

asyncio.run(main())
"""


async def run(path, moment, source):
    command = [sys.executable, "-c", KILLED, str(path), moment, source]
    return await asyncio.to_thread(subprocess.run, command, timeout=120, check=False)


@pytest.mark.parametrize("source", ["phone", "new"])
@pytest.mark.parametrize("moment", ["reading", "writing"])
async def test_a_killed_import_leaves_the_studio_as_it_was(tmp_path, moment, source):
    path = tmp_path / "studio.db"
    async with await open_studio(path) as studio:
        await take(studio, thread([message("a")]))
    killed = await run(path, moment, source)
    assert killed.returncode == -signal.SIGKILL
    if moment == "writing":
        assert path.with_name("studio.db-wal").stat().st_size > 100_000  # it did die in the middle
    async with await open_studio(path) as studio:
        assert [row.name for row in await reading.sources(studio)] == ["phone"]
        assert await texts(studio) == ["message a"]
        assert await searching.search(studio, "line") == []
    done = await run(path, "never", source)
    assert done.returncode == 0
    async with await open_studio(path) as studio:
        assert (await reading.counts(studio)).messages == 20_001
        assert len(await searching.search(studio, "line", limit=30_000)) == 20_000


async def test_the_owner_by_the_users_word(studio):
    report = await take(studio, thread([message("a")]), owner="Tortoise")
    assert report.owner == "Tortoise"
    assert (await reading.sources(studio))[0].owner == "Tortoise"
    assert (await reading.messages(studio, 1))[0].is_owner
    assert [row.name for row in await people.people(studio) if row.is_owner] == ["Tortoise"]
    # It stays where a later import says nothing, and moves where the user says otherwise.
    found = ImportReport(owner="Hare")
    await take(studio, thread([message("a")]), report=found)
    assert [row.name for row in await people.people(studio) if row.is_owner] == ["Tortoise"]
    await take(studio, thread([message("a")]), owner="Hare")
    assert [row.name for row in await people.people(studio) if row.is_owner] == ["Hare"]


async def test_the_owner_found_by_the_importer(studio):
    await take(studio, thread([message("a")]), report=ImportReport(owner="Hare"))
    assert [row.name for row in await people.people(studio) if row.is_owner] == ["Hare"]


async def test_me_is_given_a_name_and_keeps_it(studio):
    me = (Sender("me", "Me", True), HARE)
    await take(studio, thread([message("a", sender="me")], senders=me), owner="Wren Halloran")
    assert (await reading.messages(studio, 1))[0].sender == "Wren Halloran"
    report = await take(studio, thread([message("a", sender="me")], senders=me))
    assert (await reading.messages(studio, 1))[0].sender == report.owner == "Wren Halloran"


async def test_owners_of_one_name_in_two_sources_are_one_person(studio):
    await take(studio, thread([message("a")], senders=(TORTOISE, HARE)), owner="Tortoise")
    me = (Sender("me", "Me", True), HARE)
    await take(
        studio,
        thread([message("a", sender="me")], senders=me),
        source="mac",
        importer="imessage",
        owner="Tortoise",
    )
    owner = await people.find_person(studio, "Tortoise")
    assert (owner.is_owner, owner.messages, set(owner.sources)) == (True, 2, {"phone", "mac"})
    assert len(await people.people(studio)) == 3  # two hares: nobody said that they are one
    await people.split(studio, owner.id)
    await take(studio, thread([message("b", 2)]), owner="Tortoise")
    assert len(await people.people(studio)) == 4  # what was split stays split


async def test_an_owner_nobody_knows_is_a_warning(studio):
    report = await take(studio, thread([message("a")]), owner="Tortise")
    (warning,) = report.warnings
    assert 'No sender is called "Tortise"' in warning
    assert 'Did you mean "Tortoise"?' in warning
    assert not any(row.is_owner for row in await people.people(studio))


async def test_a_contact_that_got_a_name(studio):
    await take(studio, thread([message("a", sender="n")], senders=(Sender("n", "+44 20 7946 0000"),)))
    await take(studio, thread([message("a", sender="n")], senders=(Sender("n", "Owl"),)))
    assert [row.name for row in await people.people(studio)] == ["Owl"]


@settings(max_examples=25, deadline=None)
@given(
    times=st.lists(st.integers(0, 5), max_size=25).map(sorted),
    parts=st.lists(st.sets(st.integers(0, 24)), max_size=3),
)
def test_however_an_export_comes_the_whole_of_it_ends_in_spoken_order(tmp_path_factory, times, parts):
    whole = [message(n, time) for n, time in enumerate(times)]

    async def run():
        async with await open_studio(tmp_path_factory.mktemp("studio") / "s.db") as studio:
            for part in parts:
                await take(studio, thread([row for n, row in enumerate(whole) if n in part]))
            report = await take(studio, thread(whole))
            known = set().union(*parts) & set(range(len(whole)))
            assert report.already_there == len(known)
            assert await texts(studio) == [row.text for row in whole]

    asyncio.run(run())


async def test_a_clock_that_went_back_loses_no_message(studio):
    said = [message("", 5, "one"), message("", 3, "two"), message("", 5, "three")]
    for there in (0, 3):
        report = await take(studio, thread(said))
        assert (report.kept, report.already_there) == (3, there)
        assert sorted(await texts(studio)) == ["one", "three", "two"]


@pytest.mark.parametrize("keys", [("", "k", ""), ("k", "", "l")])
async def test_only_some_of_the_messages_have_keys(studio, keys):
    said = [message(key, 10 + at, f"said {at}") for at, key in enumerate(keys)]
    for there in (0, 3):
        report = await take(studio, thread(said))
        assert report.already_there == there
        rows = await reading.messages(studio, 1)
        assert [(row.time, row.text) for row in rows] == [(10, "said 0"), (11, "said 1"), (12, "said 2")]
