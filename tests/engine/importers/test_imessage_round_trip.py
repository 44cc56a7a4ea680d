"""What was said comes out of any chat.db as it went in: nothing lost, nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imessage_database import Database, history, nanoseconds
from typedstream_writer import encode

from engine.conversation import Kind
from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport

T = 1_700_000_000_000
PEOPLE = ("+15550100001", "+15550100002", "owl@example.org")
_texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Nd", "Co", "Cn"], exclude_characters="\ufffc"),
    min_size=1,
    max_size=12,
).filter(lambda text: bool(text.strip()))


@dataclass(frozen=True)
class Said:
    """who: a place in PEOPLE, None: the owner. reactions: by whom (as in who) and what."""

    conversation: int  # a place in PEOPLE; or len(PEOPLE), the group of all
    who: int | None
    wait: int
    text: str
    in_body: bool
    service: str
    owner_has_handle: bool
    edited: bool
    unsent: bool
    reactions: tuple[tuple[int | None, str], ...]


@st.composite
def said(draw: st.DrawFn) -> Said:
    conversation = draw(st.integers(0, len(PEOPLE)))
    others = [conversation] if conversation < len(PEOPLE) else [*range(len(PEOPLE))]
    anybody = st.sampled_from([None, *others])
    reactions = st.lists(
        st.tuples(anybody, st.sampled_from(["❤", "🐢"])), max_size=2, unique_by=lambda mark: mark[0]
    )
    unsent = draw(st.integers(0, 7)) == 7
    return Said(
        conversation,
        draw(anybody),
        draw(st.sampled_from([0, 0, 1, 1000])),
        draw(_texts),
        draw(st.booleans()),
        draw(st.sampled_from(["iMessage", "SMS"])),
        draw(st.booleans()),
        not unsent and draw(st.integers(0, 4)) == 4,
        unsent,
        tuple(draw(reactions)),
    )


@settings(max_examples=60, deadline=None)
@given(told=st.lists(said(), min_size=1, max_size=25))
def test_every_database(tmp_path_factory: pytest.TempPathFactory, told: list[Said]) -> None:
    database = Database(tmp_path_factory.mktemp("phone") / "chat.db")
    write(database, told)
    report = ImportReport()
    found = list(IMessageImporter().conversations(database.close(), report))
    came = {}
    for conversation in found:
        names = {sender.key: sender.name for sender in conversation.senders}
        came[conversation.title] = [
            (
                m.key,
                m.time,
                names[m.sender],
                m.text,
                m.kind,
                m.edited,
                sorted((r.actor, r.emoji) for r in m.reactions),
            )
            for m in conversation.messages
        ]
    expected: dict[str, list[object]] = {}
    time = T
    for number, one in enumerate(told):
        time += one.wait
        title = [*PEOPLE, "Race committee"][one.conversation]
        text, kind = ("", Kind.UNSENT) if one.unsent else (one.text, Kind.SPEECH)
        marks = sorted((_name(who), emoji) for who, emoji in one.reactions)
        row = (f"m{number}", time, _name(one.who), text, kind, one.edited, marks)
        expected.setdefault(title, []).append(row)
    assert came == expected
    marks_given = sum(len(one.reactions) for one in told)
    kinds = Counter("unsent" if one.unsent else "speech" for one in told)
    assert +report.kinds == kinds + Counter(reaction=marks_given)
    assert report.rows_read == len(told) + marks_given == report.kept + sum(report.skipped.values())
    assert report.skipped == {}


def _name(who: int | None) -> str:
    return "Me" if who is None else PEOPLE[who]


def write(database: Database, told: list[Said]) -> None:
    """One person's chats of both services, and a group; rows without a handle are the owner's."""
    handles = {
        (who, service): database.handle(address, service)
        for who, address in enumerate(PEOPLE)
        for service in ("iMessage", "SMS")
    }
    chats = {
        (who, service): database.chat(PEOPLE[who], handle, service=service)
        for (who, service), handle in handles.items()
    }
    members = [handles[who, "iMessage"] for who in range(len(PEOPLE))]
    group = database.chat("chat1", *members, style=43, display_name="Race committee")
    time, taps = T, []
    for number, one in enumerate(told):
        time += one.wait
        in_group = one.conversation == len(PEOPLE)
        service = "iMessage" if in_group else one.service
        chat = group if in_group else chats[one.conversation, service]
        other = 0 if in_group or not one.owner_has_handle else handles[one.conversation, service]
        more: dict[str, object] = {}
        if one.edited:
            versions = [{"d": 1.0, "t": encode("frist")}, {"d": 2.0, "t": encode(one.text)}]
            summary = history(ec={"0": versions}, otr={"0": {"lo": 0, "le": len(one.text)}})
            more = {"date_edited": nanoseconds(time + 1), "message_summary_info": summary}
        if one.unsent:
            more = {"date_edited": 1, "date_retracted": 1, "message_summary_info": history(rp=[0])}
        text = None if one.in_body or one.unsent or one.edited else one.text
        database.message(
            chat,
            other if one.who is None else handles[one.who, service],
            time,
            text,
            guid=f"m{number}",
            mine=one.who is None,
            body=one.text if one.in_body and not (one.unsent or one.edited) else None,
            service=service,
            **more,
        )
        taps += [(chat, service, number, who, emoji) for who, emoji in one.reactions]
    for chat, service, number, who, emoji in taps:
        database.message(
            chat,
            0 if who is None else handles[who, service],
            time + 1,
            "Loved “…”",
            mine=who is None,
            associated_message_type=2000 if emoji == "❤" else 2006,
            associated_message_guid=f"p:0/m{number}",
            associated_message_emoji=None if emoji == "❤" else emoji,
        )
