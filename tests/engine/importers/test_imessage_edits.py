"""Messages that were edited or taken back, in whole or in part, with what they said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imessage_database import COCOA, Database, history
from typedstream_writer import PART, Run, encode

from engine.conversation import AttachmentKind, Edit, Kind, Message
from engine.importers import imessage_edits
from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport

T = 1_700_000_000_000


class Chat:
    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.hare = self.database.handle("+15550100001")
        self.chat = self.database.chat("+15550100001", self.hare)

    def say(self, text: str | None, summary: bytes | None, **more: Any) -> int:
        more = {"date_edited": 1} | more
        return self.database.message(self.chat, self.hare, T, text, message_summary_info=summary, **more)

    def read(self) -> list[Message]:
        report = ImportReport()
        (found,) = IMessageImporter().conversations(self.database.close(), report)
        assert report.rows_read == report.kept + sum(report.skipped.values())
        return list(found.messages)


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    return Chat(tmp_path / "chat.db")


def version(text: str, seconds: float) -> dict[str, object]:
    """As it was said so many seconds after T."""
    return {"d": (T - COCOA) / 1000 + seconds, "t": encode(text), "bcg": "x"}


def original(*parts: int) -> dict[str, dict[str, int]]:
    return {str(part): {"lo": 0, "le": 1} for part in parts}


def test_edited_and_unsent(chat: Chat) -> None:
    edits = history(ec={"0": [version("frist", 0), version("first!", 45)]}, otr=original(0))
    chat.say(None, edits)
    chat.say("first!", edits)
    chat.say(None, history(rp=[0], otr=original(0)), date_retracted=1)
    chat.say("junk", b"bplist00junk")
    chat.say(None, None, date_edited=0, date_retracted=1)
    before = (Edit("frist", T),)
    assert [(m.kind, m.text, m.edited, m.edits) for m in chat.read()] == [
        (Kind.SPEECH, "first!", True, before),
        (Kind.SPEECH, "first!", True, before),
        (Kind.UNSENT, "", False, ()),
        (Kind.SPEECH, "junk", True, ()),
        (Kind.UNSENT, "", False, ()),
    ]


def test_the_history_is_in_the_order_in_which_it_was_said(chat: Chat) -> None:
    versions = [version(text, n) for n, text in enumerate(("a", "ab", "abc"))]
    chat.say("abc", history(ec={"0": versions}, otr=original(0)))
    first = [version("slow", 0), version("Slow", 20)]
    second = [version("steady", 0), version("and steady", 10), version("and steady!", 30)]
    runs = [Run("Slow", {PART: 0}), Run("and steady!", {PART: 1})]
    chat.say(None, history(ec={"1": second, "0": first}, otr=original(1, 0)), body=encode(runs))
    one, two = chat.read()
    assert one.edits == (Edit("a", T), Edit("ab", T + 1000))
    assert two.text == "Slowand steady!"
    assert [edit.text for edit in two.edits] == ["slow", "steady", "and steady"]
    assert [edit.time for edit in two.edits] == [T, T, T + 10_000]


def test_one_part_of_several_was_edited(chat: Chat) -> None:
    """Whatever the row itself still holds: the new text, only the old parts, or nothing."""
    edits = history(ec={"1": [version("stedy", 0), version("steady", 9)]}, otr=original(10, 1, 0))
    now = [Run("slow ", {PART: 0}), Run("steady", {PART: 1}), Run("!", {PART: 10})]
    chat.say("slow steady!", edits)
    chat.say(None, edits, body=encode(now))
    chat.say(None, edits)
    lone = history(ec={"1": [version("stedy", 0), version("steady", 9)]}, rp=[10])
    old = [Run("slow ", {PART: 0}), Run("stedy", {PART: 1}), Run("!", {PART: 10})]
    chat.say(None, lone, body=encode(old))  # the parts that nothing happened to are not listed
    messages = chat.read()
    assert [m.text for m in messages] == ["slow steady!", "slow steady!", "steady", "slow steady"]
    assert {m.edits for m in messages} == {(Edit("stedy", T),)}
    assert all(m.edited for m in messages)


def test_one_part_of_several_was_taken_back(chat: Chat) -> None:
    runs = [Run("one ", {PART: 0}), Run("two ", {PART: 1}), Run("three", {PART: 10})]
    partly = history(rp=[1], otr=original(10, 0, 1))
    chat.say(None, partly, body=encode(runs))
    chat.say("one three", partly)
    every = history(rp=[0, 1, 10], otr=original(10, 0, 1), ec={"0": [version("secret", 0), version("x", 1)]})
    chat.say("one two three", every, date_retracted=1)
    assert [(m.kind, m.text, m.edited, m.edits) for m in chat.read()] == [
        (Kind.SPEECH, "one three", False, ()),
        (Kind.SPEECH, "one three", False, ()),
        (Kind.UNSENT, "", False, ()),
    ]


def test_a_photo_whose_caption_was_edited(chat: Chat) -> None:
    runs = [Run("\ufffc", {PART: 0}), Run("new", {PART: 1})]
    edits = history(ec={"1": [version("old", 0), version("new", 5)]}, otr=original(0, 1))
    row = chat.say(None, edits, body=encode(runs))
    chat.database.attach(row, "a.jpeg", mime_type="image/jpeg")
    (message,) = chat.read()
    assert (message.text, [one.kind for one in message.attachments]) == ("new", [AttachmentKind.PHOTO])
    assert message.edits == (Edit("old", T),)


def test_extracts_without_the_dates_still_know_what_happened(chat: Chat) -> None:
    chat.say(None, history(rp=[0], otr=original(0)), date_edited=None)
    edits = history(ec={"0": [version("a", 0), version("b", 1)]}, otr=original(0))
    chat.say(None, edits, date_edited=None)
    assert [(m.kind, m.text) for m in chat.read()] == [(Kind.UNSENT, ""), (Kind.SPEECH, "b")]


def test_parts_that_are_called_by_something_huge(chat: Chat) -> None:
    """A list of twice the same list, and so on: small as it is stored, endless once it is written out."""
    huge: list[Any] = []
    for _ in range(40):
        huge = [huge, huge]
    chat.say("still here", history(rp=[huge], otr=original(0), ec={"0": huge, "1": [huge]}))
    (message,) = chat.read()
    assert (message.text, message.edits) == ("still here", ())


ODD = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=3), st.binary(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["0", "1", "d", "t", "x"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["ec", "otr", "rp"]), ODD), st.text(max_size=4))
def test_a_history_of_any_shape_never_raises(summary: dict[str, Any], plain: str) -> None:
    found = imessage_edits.history(history(**summary))
    imessage_edits.current(found, encode("slow"), plain)
    assert all(edit.text for edit in found.earlier)
