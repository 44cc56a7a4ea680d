"""Conversations read a batch at a time are what they are when they are read line by line."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imessage_database import history, nanoseconds
from typedstream_writer import Run, encode

from engine.conversation import Attachment, AttachmentKind, Kind, Message, Reaction
from engine.importers import imessage_queries
from engine.importers.contacts import Names
from engine.importers.imessage import IMessageImporter
from engine.importers.imessage_batches import read_batches
from engine.importers.imessage_chats import find_threads
from engine.importers.imessage_columns import Columns
from engine.importers.imessage_lines import read_lines
from engine.importers.imessage_people import People
from engine.importers.imessage_placing import place
from engine.importers.imessage_queries import queries
from engine.importers.report import ImportReport
from engine.packed import stretches

T = 1_700_000_000_000
COLUMNS = (
    "guid, text, attributedBody, handle_id, date, is_from_me, item_type, group_action_type,"
    " associated_message_type, associated_message_guid, associated_message_emoji, balloon_bundle_id,"
    " message_summary_info, date_edited, thread_originator_guid, is_audio_message, subject"
)
CODE = encode([Run("123456", {"__kIMOneTimeCodeAttributeName": "123456"})])
EDITED = history(ec={"0": [{"d": 1.0, "t": encode("frist")}, {"d": 2.0, "t": encode("first")}]})

regular = {
    "guid": st.sampled_from(["", None, b"own"]) | st.integers(0, 10**6).map("guid-{}".format),
    "text": st.sampled_from([None, None, "", "hi", "na\u00efve \U0001f602", "good morning", "x" * 200]),
    "attributedBody": st.sampled_from([None, encode("from the body"), encode("na\u00efve " * 30)]),
    "handle_id": st.sampled_from([0, 1, 2, 99, None, "2"]),
    "date": st.integers(0, 4).map(lambda n: nanoseconds(T + n)),
    "is_from_me": st.sampled_from([0, 1, None]),
    "item_type": st.just(0),
    "group_action_type": st.just(0),
    "associated_message_type": st.sampled_from([0, None]),
    "associated_message_guid": st.none(),
    "associated_message_emoji": st.none(),
    "balloon_bundle_id": st.none(),
    "message_summary_info": st.sampled_from([None, None, EDITED]),
    "date_edited": st.just(0),
    "thread_originator_guid": st.sampled_from([None, None, "guid-1", b"own", ""]),
    "is_audio_message": st.just(0),
    "subject": st.none(),
}
odd = {
    "text": st.sampled_from([" \n", "\ufffc", "\ufffclook", "\ufffd", "a \ufffd", b"\xff bad", "nul\0", 7]),
    "attributedBody": st.sampled_from([b"", b"nothing", CODE, encode("half")[:-30], encode("\ufffcin it")]),
    "item_type": st.sampled_from([1, 2, 3, 5, None]),
    "associated_message_type": st.sampled_from(
        [2, 3, 1000, 2000, 2003, 2006, 2010, 3000, 3006, 4000, -1, "x"]
    ),
    "associated_message_guid": st.sampled_from(["p:0/guid-1", "bp:guid-2", "guid-3", "", None]),
    "associated_message_emoji": st.sampled_from(["\U0001f422", b"\xff", None]),
    "balloon_bundle_id": st.sampled_from(["com.apple.messages.URLBalloonProvider", "a:b:c", ""]),
    "message_summary_info": st.sampled_from([b"bplist00", EDITED, history(rp=[0])]),
    "date_edited": st.sampled_from([1, None]),
    "is_audio_message": st.just(1),
    "subject": st.sampled_from(["no subject", "Dinner"]),
}
irregular = {
    "date": st.sampled_from([None, 0, 5, 700_000_000, 7e17, "yesterday", -5]),
    "guid": st.sampled_from(["again", b"again"]),
}


@st.composite
def rows(draw: st.DrawFn, *more: dict[str, st.SearchStrategy[Any]]) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        row = {name: draw(values) for name, values in regular.items()}
        if isinstance(row["guid"], str) and row["guid"]:
            row["guid"] = f"guid-{number}"
        elif row["guid"] == b"own":
            row["guid"] = f"own {number}".encode()
        for unusual in more:
            for name in draw(st.sets(st.sampled_from(sorted(unusual)), max_size=2)):
                row[name] = draw(unusual[name])
        found.append(row | {"attachments": draw(st.integers(-6, 2))})
    return found


def write(path: Path, told: list[dict[str, Any]]) -> Path:
    """One group of two. No column is held to what a Mac writes in it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"""CREATE TABLE message (ROWID INTEGER PRIMARY KEY, {COLUMNS});
                CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id);
                INSERT INTO handle VALUES (1, '+15550100001'), (2, 'owl@example.org');
                CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid, style, chat_identifier);
                INSERT INTO chat VALUES (1, 'chat1', 43, 'chat1');
                CREATE TABLE chat_handle_join (chat_id, handle_id);
                INSERT INTO chat_handle_join VALUES (1, 1);
                CREATE TABLE chat_message_join (chat_id, message_id);
                CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, transfer_name, mime_type);
                CREATE TABLE message_attachment_join (message_id, attachment_id)"""
        )
        for row in told:
            named = [name for name in row if name != "attachments"]
            marks = ", ".join("?" * len(named))
            message = connection.execute(
                f"INSERT INTO message ({', '.join(named)}) VALUES ({marks})",
                [row[name] for name in named],
            ).lastrowid
            connection.execute("INSERT INTO chat_message_join VALUES (1, ?)", (message,))
            for n in range(row["attachments"]):
                file = connection.execute(
                    "INSERT INTO attachment VALUES (NULL, ?, 'image/png')", (f"{n}.png",)
                )
                connection.execute(
                    "INSERT INTO message_attachment_join VALUES (?, ?)", (message, file.lastrowid)
                )
        connection.commit()
    return path


@pytest.fixture(autouse=True, scope="module")
def _several_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imessage_queries, "BATCH", 4)
        yield


def both_ways(path: Path) -> bool:
    """Whether it was for reading in batches; then it gave the same."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        people = People(connection, Names())
        [thread] = find_threads(connection, people, ImportReport())
        ask = queries(connection)
        slow, fast = ImportReport(), ImportReport()
        quick = read_batches(connection, ask, thread, people, fast)
        if quick is None:
            assert fast == ImportReport()
            return False
        found = read_lines(connection, ask, thread, people, slow)
        assert list(quick.columns) == list(found.columns)
        assert quick.columns.others == found.columns.others
        assert quick.reactions == found.reactions
        assert list(quick.senders.items()) == list(found.senders.items())
        assert fast == slow
        assert fast.rows_read + len(quick.reactions) == len(thread.rows)
        return True


@settings(max_examples=150, deadline=None)
@given(rows())
def test_lines_of_text(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, Any]]) -> None:
    assert both_ways(write(tmp_path_factory.mktemp("phone") / "chat.db", told))


@settings(max_examples=300, deadline=None)
@given(rows(odd))
def test_odd_rows(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, Any]]) -> None:
    assert both_ways(write(tmp_path_factory.mktemp("phone") / "chat.db", told))


@settings(max_examples=150, deadline=None)
@given(rows(odd, irregular))
def test_irregular_rows(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, Any]]) -> None:
    path = write(tmp_path_factory.mktemp("phone") / "chat.db", told)
    both_ways(path)
    report = ImportReport()
    list(IMessageImporter().conversations(path, report))
    assert report.rows_read == len(told) == report.kept + sum(report.skipped.values())


_messages = st.builds(
    Message,
    key=st.just(""),
    sender=st.sampled_from(["me", "hare", "owl"]),
    time=st.integers(1, 12),
    text=st.sampled_from(["", "hi", "\U0001f422"]),
    kind=st.sampled_from([Kind.SPEECH, Kind.SPEECH, Kind.EVENT]),
    attachments=st.sampled_from([(), (), (Attachment(AttachmentKind.PHOTO),)]),
    reactions=st.sampled_from([(), (), (Reaction("owl", "\u2764"),)]),
    reply_to=st.sampled_from([None, None, "1"]),
    edited=st.sampled_from([False, False, True]),
)


@given(st.lists(_messages, max_size=30), st.integers(1, 7))
def test_columns_are_the_messages_in_spoken_order(messages: list[Message], size: int) -> None:
    messages = [
        Message(str(n), *[getattr(one, name) for name in Message.__struct_fields__[1:]])
        for n, one in enumerate(messages)
    ]
    columns = Columns.of(messages)
    assert list(columns) == messages == [columns[n] for n in range(len(columns))]
    messages.sort(key=lambda message: message.time)
    columns.sort()
    assert list(columns) == messages
    with pytest.MonkeyPatch.context() as patch:
        for module in ("engine.packed", "engine.importers.imessage_columns"):
            patch.setattr(f"{module}.STRETCH", size)
        assert list(columns.stretches()) == list(stretches(messages))


@given(
    st.lists(
        st.lists(st.lists(st.integers(-5, 40) | st.sampled_from([10**6, 2**62])), min_size=1, max_size=3)
    )
)
def test_every_row_is_placed_once(groups: list[list[list[int]]]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid UNIQUE)")
        chats = [[array("q", chat) for chat in group] for group in groups]
        found = place(connection, chats, ImportReport(), include_deleted=False)
    seen: set[int] = set()
    for group, rows_of_it in zip(groups, found, strict=True):
        assert list(rows_of_it) == sorted({one for chat in group for one in chat} - seen)
        seen.update(rows_of_it)
