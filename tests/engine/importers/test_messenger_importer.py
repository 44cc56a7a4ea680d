"""The Messenger importer on exports written as Facebook writes them."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import accounted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messenger_export import ROOT, said, thread_bytes, write_thread, zip_export
from sample_script import read_scripts

from engine import samples
from engine.conversation import Attachment, AttachmentKind, Conversation, Kind, Message
from engine.errors import DataError, StudioError
from engine.importers import thread_files
from engine.importers.messenger import MessengerImporter
from engine.importers.messenger_rows import is_mojibake, read_row, repair
from engine.importers.report import ImportReport

T = 1_700_000_000_000


def load(path: Path) -> tuple[dict[str, Conversation], ImportReport]:
    report = ImportReport()
    found = {c.key: c for c in MessengerImporter().conversations(path, report)}
    accounted.check(report)
    accounted.check_places(report)
    assert report.conversations == len(found)
    return found, report


def only(path: Path) -> tuple[list[Message], ImportReport]:
    found, report = load(path)
    (conversation,) = found.values()
    return list(conversation.messages), report


def texts(conversation: Conversation) -> list[str]:
    return [message.text for message in conversation.messages]


def test_a_broken_export_comes_out_whole(tmp_path: Path) -> None:
    rows = [
        said("Zoë", T, "naïve 😂"),
        said("Anna", T + 1, "ja", reactions=[{"reaction": "❤", "actor": "Zoë", "timestamp": T // 1000}]),
    ]
    write_thread(tmp_path, "zoe_1", rows, ["Zoë", "Anna"], title="Zoë")
    found, report = load(tmp_path)
    conversation = found["zoe_1"]
    assert conversation.title == "Zoë"
    assert [sender.name for sender in conversation.senders] == ["Zoë", "Anna"]
    assert texts(conversation) == ["naïve 😂", "ja"]
    reaction = list(conversation.messages)[1].reactions[0]
    assert (reaction.actor, reaction.emoji, reaction.time) == ("Zoë", "❤", T // 1000 * 1000)
    assert report.repaired == 2  # the second for its reaction
    assert report.rows_total == report.rows_read == 2


def test_a_clean_file_is_left_alone(tmp_path: Path) -> None:
    thread = {
        "participants": [{"name": "Ann"}],
        "messages": [said("Ann", T, "Ã© is what a broken é looks like")],
    }
    file = tmp_path / "message_1.json"
    file.write_text(json.dumps(thread, ensure_ascii=False), "utf-8")
    messages, report = only(file)
    assert messages[0].text == "Ã© is what a broken é looks like"
    assert report.repaired == 0
    file.write_text(json.dumps(thread | {"title": "→"}), "ascii")  # escaped, but with more than bytes
    assert only(file)[0][0].text == "Ã© is what a broken é looks like"


def test_mojibake_is_a_fact_of_the_whole_file() -> None:
    assert is_mojibake(rb'"\u00c3\u00a9"')
    assert is_mojibake(rb'"\\u2014 typed by hand, \u00c3\u00a9"')
    assert not is_mojibake(rb'"\u00c3\u00a9 \u2014"')
    assert not is_mojibake(rb'"\\\u2014 \u00c3\u00a9"')
    assert not is_mojibake('"é"'.encode())
    assert repair("é") == "é"  # not UTF-8 when read as bytes: kept


def test_numbered_files_are_one_conversation_in_spoken_order(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"line {n}") for n in range(24)]
    write_thread(tmp_path, "ann_1", rows, ["Ann", "Bob"], per_file=2)  # 12 files: message_10 is older than 2
    messages, _ = only(tmp_path)
    assert [message.text for message in messages] == [f"line {n}" for n in range(24)]


def test_messages_of_the_same_millisecond_keep_their_order(tmp_path: Path) -> None:
    rows = [said("Ann", T, f"line {n}") for n in range(10)]
    write_thread(tmp_path, "ann_1", rows, ["Ann", "Bob"], per_file=4)
    messages, _ = only(tmp_path)
    assert [message.text for message in messages] == [f"line {n}" for n in range(10)]


def test_a_large_file_that_is_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [said("Ann", T + n, f"line {n}") for n in range(200)]
    file = write_thread(tmp_path, "ann_1", rows, ["Ann", "Me"]) / "message_1.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:9000])
    monkeypatch.setattr(thread_files, "WHOLE", 1000)
    monkeypatch.setattr(thread_files, "PIECE", 2000)
    with pytest.raises(DataError, match=r"message_1.json: ends in the middle of a message \(byte 9,000\)"):
        load(tmp_path)
    at = whole.index(b":", 7000)
    file.write_bytes(whole[:at] + b"=" + whole[at + 1 :])
    with pytest.raises(DataError, match=rf"not valid JSON \(byte {at:,}\)"):
        load(tmp_path)


def test_files_that_overlap_in_time_come_in_spoken_order(tmp_path: Path) -> None:
    folder = tmp_path / "chat"
    folder.mkdir()
    for number in (1, 2):
        rows = [said("Ann", T + 2 * n + number, f"{2 * n + number}") for n in range(3)]
        (folder / f"message_{number}.json").write_bytes(thread_bytes(rows, ["Ann"]))
    assert [message.text for message in only(tmp_path)[0]] == ["1", "2", "3", "4", "5", "6"]


def test_equal_messages_are_all_kept_and_have_their_own_keys(tmp_path: Path) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "ha")] * 3, ["Ann", "Bob"])
    messages, _ = only(tmp_path)
    assert len({message.key for message in messages}) == len(messages) == 3


def test_keys_stay_when_a_newer_download_has_more(tmp_path: Path) -> None:
    rows = [said("Ann Old", T + n // 2, f"{n % 3}") for n in range(9)]
    write_thread(tmp_path / "old", "ann_1", rows, ["Ann Old", "Bob"], per_file=4)
    renamed = [row | {"sender_name": "Ann New"} for row in rows]
    more = [*renamed, said("Bob", T + 99, "new")]
    write_thread(tmp_path / "new", "ann_1", more, ["Ann New", "Bob"], per_file=3)
    old, new = only(tmp_path / "old")[0], only(tmp_path / "new")[0]
    assert [message.key for message in new[:-1]] == [message.key for message in old]


@pytest.mark.parametrize("level", ["", "your_activity_across_facebook", ROOT, f"{ROOT}/inbox"])
def test_any_level_of_the_export_gives_the_same(tmp_path: Path, level: str) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    write_thread(tmp_path, "bob_2", [said("Bob", T, "hello")], ["Bob", "Me"])
    found, report = load(tmp_path / level)
    assert {key: texts(c) for key, c in found.items()} == {"ann_1": ["hi"], "bob_2": ["hello"]}
    assert report.owner == "Me"


def test_one_thread_folder_and_one_file(tmp_path: Path) -> None:
    folder = write_thread(
        tmp_path,
        "ann_1",
        [said("Ann", T, "a"), said("Ann", T + 1, "b")],
        ["Ann"],
        section="archived_threads",
        per_file=1,
    )
    found, _ = load(folder)
    assert texts(found["ann_1"]) == ["a", "b"]
    assert found["ann_1"].section == "archived"
    found, report = load(folder / "message_1.json")
    assert texts(found["ann_1"]) == ["b"]
    assert report.owner is None  # one thread tells nothing


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("inbox", "inbox"),
        ("archived_threads", "archived"),
        ("filtered_threads", "filtered"),
        ("message_requests", "requests"),
        ("e2ee_cutover", "encrypted"),
    ],
)
def test_sections(tmp_path: Path, section: str, expected: str) -> None:
    write_thread(tmp_path, "ann_1", [said("Ann", T, "hi")], ["Ann"], section=section)
    assert load(tmp_path)[0]["ann_1"].section == expected


def test_a_zip_reads_like_its_folder(tmp_path: Path) -> None:
    export = tmp_path / "export"
    for name in ("Zoë", "Bob"):
        write_thread(
            export, f"{name}_1", [said(name, T, f"hi from {name}"), said("Me", T, "yo")], [name, "Me"]
        )
    (export / "__MACOSX" / ROOT).mkdir(parents=True)
    (export / "__MACOSX" / ROOT / "message_1.json").write_bytes(b"\0\1")
    (export / ROOT / "inbox" / "Bob_1" / "._message_1.json").write_bytes(b"\0\1")
    from_zip, zip_report = load(zip_export(export, tmp_path / "facebook.zip"))
    from_folder, report = load(export)
    assert from_zip == from_folder
    assert zip_report == report
    assert report.bad_files == []


def test_parts_of_a_download_join(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"{n}") for n in range(6)]
    write_thread(tmp_path / "x", "ann_1", rows, ["Ann", "Me"], per_file=3)
    shutil.copytree(tmp_path / "x", tmp_path / "y")
    (tmp_path / "x" / ROOT / "inbox/ann_1/message_1.json").unlink()  # part 1 has the older half only
    parts = tmp_path / "parts"
    parts.mkdir()
    zip_export(tmp_path / "x", parts / "facebook-1.zip")
    zip_export(tmp_path / "y", parts / "facebook-2.zip")
    found, report = load(parts)
    assert texts(found["ann_1"]) == ["0", "1", "2", "3", "4", "5"]
    assert report.skipped == {"repeated in the export": 3}


def test_an_older_download_beside_the_parts_of_a_newer_one(tmp_path: Path) -> None:
    rows = [said("Ann", T + n // 2, "ha") for n in range(6)]
    for place, number, part in (("a", 1, rows[:4]), ("b", 1, rows[3:]), ("c", 2, rows[:3])):
        folder = tmp_path / place / "inbox" / "ann_1234567890"
        folder.mkdir(parents=True)
        content = thread_bytes(part, ["Ann", "Me"], path="inbox/ann_1234567890")
        (folder / f"message_{number}.json").write_bytes(content)
    messages, report = only(tmp_path)
    assert [message.time for message in messages] == [row["timestamp_ms"] for row in rows]
    assert report.skipped == {"repeated in the export": 4}


def test_the_group_copy_of_a_thread_adds_nothing(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"{n}") for n in range(3)]
    folder = write_thread(tmp_path, "crew_9", rows, ["Ann", "Bob", "Me"])
    shutil.copytree(folder, tmp_path / "your_activity_across_facebook/groups/your_group_messages/crew_9")
    found, report = load(tmp_path)
    assert texts(found["crew_9"]) == ["0", "1", "2"]
    assert found["crew_9"].section == "inbox"
    assert report.skipped == {"repeated in the export": 3}


def test_threads_that_share_only_a_folder_name_stay_apart(tmp_path: Path) -> None:
    for where, who in (("a", "Ann"), ("b", "Bob")):
        folder = tmp_path / where / "chat"
        folder.mkdir(parents=True)
        (folder / "message_1.json").write_bytes(thread_bytes([said(who, T, who)], [who]))
    found, _ = load(tmp_path)
    assert sorted(texts(c)[0] for c in found.values()) == ["Ann", "Bob"]


def test_threads_are_known_by_shape_and_settings_are_no_rows(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox" / "HermioneGranger"
    inbox.mkdir(parents=True)
    (inbox / "messages_Hermione_Granger.json").write_bytes(thread_bytes([said("Ann", T, "hi")], ["Ann"]))
    (tmp_path / "autofill_information.json").write_text('{"autofill_information_v2": {}}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "odd.json").write_text('{"participants": {}, "messages": []}')
    messages, report = only(tmp_path)
    assert [message.text for message in messages] == ["hi"]
    assert report.bad_files == []
    assert report.rows_read == 1


def test_a_bad_file_costs_itself_and_says_the_byte(tmp_path: Path) -> None:
    folder = write_thread(
        tmp_path, "fox_12", [said("Fox", T + n, f"{n}") for n in range(4)], ["Fox"], per_file=2
    )
    whole = (folder / "message_2.json").read_bytes()
    (folder / "message_2.json").write_bytes(whole[:150])
    (folder / "message_3.json").write_bytes(b"")
    (folder / "message_4.json").write_bytes(whole.replace(b":", b"=", 1))
    messages, report = only(tmp_path)
    assert [message.text for message in messages] == ["2", "3"]
    place = f"{ROOT}/inbox/fox_12"
    assert report.bad_files == [
        (f"{place}/message_2.json", "ends in the middle of a message (byte 150)"),
        (f"{place}/message_3.json", "is empty"),
        (f"{place}/message_4.json", f"is not valid JSON (byte {whole.index(b':')})"),
    ]


def test_nothing_but_bad_files_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "message_1.json"
    file.write_bytes(thread_bytes([said("Ann", T, "hi")], ["Ann"])[:100])
    with pytest.raises(DataError, match=r"byte 100"):
        load(file)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StudioError, match="no Messenger conversation"):
        load(empty)


def test_an_odd_row_costs_one_row(tmp_path: Path) -> None:
    rows: list[Any] = [
        said("Ann", T, "before"),
        "not an object",
        {"sender_name": 7, "timestamp_ms": T, "content": "x"},
        {"sender_name": "Ann", "content": "when?"},
        {"sender_name": "Ann", "timestamp_ms": 10**20, "content": "when?"},
        said("Ann", T + 1),
        said("Ann", T + 1, "  "),
        said("Ann", T + 2, "after", photos=None, share=None, reactions=None, type=None, users=None),
    ]
    write_thread(tmp_path, "ann_1", rows, ["Ann"])
    messages, report = only(tmp_path)
    assert [message.text for message in messages] == ["before", "after"]
    assert report.skipped == {"row not readable": 2, "no time": 2, "empty (no text, no attachment)": 2}
    file = f"{ROOT}/inbox/ann_1/message_1.json"  # the newest row is its first
    assert report.behind("skipped: no time") == [
        (f"{file}, row 4", None, "when?"),
        (f"{file}, row 5", None, "when?"),
    ]
    assert report.behind("skipped: row not readable")[1] == (f"{file}, row 7", None, '"not an object"')
    assert report.behind("kept") == [(f"{file}, row 1", T + 2, "after"), (f"{file}, row 8", T, "before")]


SENTENCES = st.one_of(st.none(), st.just("hé"), st.text("aé", max_size=3), st.integers())


@settings(max_examples=60, deadline=None)
@given(
    written=st.lists(st.tuples(st.integers(0, 5), SENTENCES, st.integers(1, 3)), min_size=1, max_size=30),
    per_file=st.integers(1, 9),
    zipped=st.booleans(),
)
def test_every_noted_row_is_the_row_it_says(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[int, Any, int]],
    per_file: int,
    zipped: bool,
) -> None:
    """Each row lies in the inbox (1), in the archive (2) or in both (3); time 0 is none."""
    rows = [
        (said("Zoë", T + time if time else 0, text), where) for time, text, where in sorted(written, key=repr)
    ]
    folder = tmp_path_factory.mktemp("export")
    for number, section in ((1, "inbox"), (2, "archived_threads")):
        some = [row for row, where in rows if where & number]
        write_thread(folder, "zoe_1", some, ["Zoë", "Me"], section=section, per_file=per_file)
    path = zip_export(folder, folder / "export.zip") if zipped else folder
    _, report = load(path)
    for line in report.lines():
        if line.name in ("joined", "bad files"):
            continue
        for place, time, text in report.behind(line.name):
            file, _, number = place.rpartition(", row ")
            row = json.loads((folder / file).read_bytes())["messages"][int(number) - 1]
            content = row.get("content")
            odd = isinstance(content, int)
            assert time == (None if odd else row["timestamp_ms"] or None)
            assert text.startswith('{ "sender_name"') if odd else text == repair(content or "")
            expected = {
                "skipped: no time": row["timestamp_ms"] == 0 and not odd,
                "skipped: row not readable": odd,
                "skipped: empty (no text, no attachment)": not content,
                "kept": bool(content) and not odd and row["timestamp_ms"] > 0,
                "repaired": True,
            }
            assert expected.get(line.name, True), (line, row)


def test_what_lies_in_two_folders_says_where_it_is_repeated(tmp_path: Path) -> None:
    rows = [said("Ann", T + n, f"{n}") for n in range(4)]
    write_thread(tmp_path, "ann_1", rows, ["Ann", "Me"])
    write_thread(tmp_path, "ann_1", rows[2:], ["Ann", "Me"], section="archived_threads", per_file=1)
    write_thread(tmp_path, "bob_2", rows, ["Bob", "Me"])
    _, report = load(tmp_path)
    assert (report.joined, report.skipped) == (1, {"repeated in the export": 2})
    archived, inbox = f"{ROOT}/archived_threads/ann_1", f"{ROOT}/inbox/ann_1"
    assert report.behind("joined") == [(f"{archived} + {inbox}", None, "Ann")]
    assert report.behind("skipped: repeated in the export") == [
        (f"{inbox}/message_1.json, row 1", T + 3, "3"),
        (f"{inbox}/message_1.json, row 2", T + 2, "2"),
    ]
    assert f"{archived}/message_2.json, row 1" in {row.place for row in report.behind("kept")}


def test_bom_and_half_an_emoji(tmp_path: Path) -> None:
    file = tmp_path / "message_1.json"
    row = rb'{"sender_name": "A", "timestamp_ms": 5, "content": "x\ud83d \ud83d\ude02"}'
    file.write_bytes(b'\xef\xbb\xbf{"participants": [], "messages": [' + row + b"]}")
    messages, _ = only(file)
    assert messages[0].text == "x\ufffd 😂"


PHOTO = [{"uri": "messages/inbox/ann_1/photos/1_n.jpg", "creation_timestamp": 1}]
MARK = Attachment(AttachmentKind.PHOTO, "1_n.jpg")
MAP = "https%3A%2F%2Fwww.bing.com%2Fmaps%2Fdefault.aspx%3Fwhere1%3D51.5"


@pytest.mark.parametrize(
    ("row", "kind", "text", "attachments"),
    [
        (said("Ann Lee", T, "look", photos=PHOTO), Kind.SPEECH, "look", (MARK,)),
        (said("Ann Lee", T, photos=PHOTO), Kind.ATTACHMENT, "", (MARK,)),
        (said("Ann Lee", T, "Ann sent a photo.", photos=PHOTO), Kind.ATTACHMENT, "", (MARK,)),
        (
            said("Ann Lee", T, "Ann Lee sent an attachment."),
            Kind.ATTACHMENT,
            "Ann Lee sent an attachment.",
            (),
        ),
        (said("Ann Lee", T, "he sent an attachment."), Kind.SPEECH, "he sent an attachment.", ()),
        (said("Ann Lee", T, "Reacted 😂 to your message "), Kind.REACTION, "Reacted 😂 to your message ", ()),
        (
            said("Ann Lee", T, "Reacted badly to your message "),
            Kind.SPEECH,
            "Reacted badly to your message ",
            (),
        ),
        (said("Ann Lee", T, "Liked a message"), Kind.REACTION, "Liked a message", ()),
        (said("Ann Lee", T, "Anrufdauer", call_duration=0, missed=True), Kind.CALL, "Anrufdauer", ()),
        (
            said("Ann Lee", T, "You missed a call from Ann Lee."),
            Kind.CALL,
            "You missed a call from Ann Lee.",
            (),
        ),
        (said("Ann Lee", T, "Ann called you."), Kind.CALL, "Ann called you.", ()),
        (said("Ann Lee", T, "The video call ended."), Kind.CALL, "The video call ended.", ()),
        (said("Ann Lee", T, "added", users=[{"name": "Bob"}]), Kind.EVENT, "added", ()),
        (said("Ann Lee", T, "ging", type="Unsubscribe"), Kind.EVENT, "ging", ()),
        (
            said("Ann Lee", T, "Ann Lee named the group Race."),
            Kind.EVENT,
            "Ann Lee named the group Race.",
            (),
        ),
        (said("Ann Lee", T, "Bob left the group."), Kind.SPEECH, "Bob left the group.", ()),
        (said("Ann Lee", T, "You left the group."), Kind.SPEECH, "You left the group.", ()),
        (said("Me", T, "You left the group."), Kind.EVENT, "You left the group.", ()),
        (said("Me", T, "You are the best"), Kind.SPEECH, "You are the best", ()),
        (
            said("Me", T, "Say hi to your new Facebook friend, Ann."),
            Kind.EVENT,
            "Say hi to your new Facebook friend, Ann.",
            (),
        ),
        (said("Ann Lee", T, "oops", is_unsent=True), Kind.UNSENT, "oops", ()),
        (said("Ann Lee", T, is_taken_down=True), Kind.UNSENT, "", ()),
        (
            said("Ann Lee", T, "https://x.org/a", share={"link": "https://x.org/a"}),
            Kind.ATTACHMENT,
            "https://x.org/a",
            (Attachment(AttachmentKind.LINK, "https://x.org/a"),),
        ),
        (
            said("Ann Lee", T, "see https://x.org/a", share={"link": "https://x.org/a"}),
            Kind.SPEECH,
            "see https://x.org/a",
            (Attachment(AttachmentKind.LINK, "https://x.org/a"),),
        ),
        (
            said("Ann Lee", T, "hier", share={"link": f"https://l.facebook.com/l.php?u={MAP}"}),
            Kind.SPEECH,
            "hier",
            (Attachment(AttachmentKind.LOCATION, f"https://l.facebook.com/l.php?u={MAP}"),),
        ),
        (
            said("Ann Lee", T, "Ann hat einen Live-Standort geteilt."),
            Kind.ATTACHMENT,
            "Ann hat einen Live-Standort geteilt.",
            (Attachment(AttachmentKind.LOCATION),),
        ),
        (
            said("Ann Lee", T, "Ann a partagé sa position.", share={"link": "https://x.org/"}),
            Kind.ATTACHMENT,
            "",
            (Attachment(AttachmentKind.LOCATION, "https://x.org/"),),
        ),
        (
            said("Ann Lee", T, sticker={"uri": "messages/stickers_used/1.png"}),
            Kind.ATTACHMENT,
            "",
            (Attachment(AttachmentKind.STICKER, "1.png"),),
        ),
        (
            said("Ann Lee", T, audio_files=[{"uri": "a.mp4"}], videos=[{"uri": "https://x.org/v.mp4"}]),
            Kind.ATTACHMENT,
            "",
            (
                Attachment(AttachmentKind.VIDEO, "https://x.org/v.mp4"),
                Attachment(AttachmentKind.VOICE, "a.mp4"),
            ),
        ),
    ],
)
def test_what_a_row_is(
    row: dict[str, Any], kind: Kind, text: str, attachments: tuple[Attachment, ...]
) -> None:
    line = read_row(json.dumps(row).encode(), False, "Me")
    assert not isinstance(line, str)
    assert (line.kind, line.text, line.attachments) == (kind, text, attachments)


def test_facebook_user_is_never_one_person(tmp_path: Path) -> None:
    write_thread(tmp_path, "a_1", [said("Facebook user", T, "hi")], ["", "Me"])
    write_thread(tmp_path, "b_2", [said("", T, "hi"), said(None, T, "ho")], ["Facebook user", "Me"])
    found, report = load(tmp_path)
    gone = {key: [s.key for s in c.senders if s.name == "Facebook user"] for key, c in found.items()}
    assert len(gone["a_1"]) == len(gone["b_2"]) == 1
    assert gone["a_1"] != gone["b_2"]
    write_thread(tmp_path, "c_3", [said("Utilisateur Facebook", T, "hi")], ["Facebook-Nutzer", "Me"])
    assert [s.name for s in load(tmp_path)[0]["c_3"].senders] == ["Facebook user", "Me"]
    assert {message.sender for message in found["b_2"].messages} == set(gone["b_2"])
    assert report.owner == "Me"


def test_groups(tmp_path: Path) -> None:
    write_thread(tmp_path, "two_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    write_thread(tmp_path, "crew_2", [said("Ann", T, "hi")], ["Ann", "Bob", "Me"])
    write_thread(tmp_path, "left_3", [said("Ann", T, "a"), said("Bob", T, "b")], ["Me"])
    write_thread(
        tmp_path, "duo_4", [said("Ann", T, "a")], ["Ann", "Me"], joinable_mode={"mode": 1, "link": ""}
    )
    found, _ = load(tmp_path)
    assert {key: c.is_group for key, c in found.items()} == {
        "two_1": False, "crew_2": True, "left_3": True, "duo_4": True
    }  # fmt: skip
    assert {s.name for s in found["left_3"].senders} == {"Ann", "Bob", "Me"}


def test_the_owner_must_be_unambiguous(tmp_path: Path) -> None:
    write_thread(tmp_path, "a_1", [said("Ann", T, "hi")], ["Ann", "Me"])
    write_thread(tmp_path, "b_2", [said("Ann", T, "hi")], ["Ann", "Bob", "Me"])
    found, report = load(tmp_path)
    assert report.owner is None
    assert not any(sender.is_owner for c in found.values() for sender in c.senders)
    write_thread(tmp_path, "c_3", [said("Cid", T, "hi")], ["Cid", "Me"])
    found, report = load(tmp_path)
    assert report.owner == "Me"
    assert {sender.name for c in found.values() for sender in c.senders if sender.is_owner} == {"Me"}


def secure(name: str, people: list[str], messages: list[dict[str, Any]]) -> bytes:
    thread = {"participants": people, "threadName": name, "messages": messages}
    return json.dumps(thread, ensure_ascii=False, indent=2).encode()


def test_the_encrypted_export(tmp_path: Path) -> None:
    lost = [{"uri": "Failed to download media"}]
    marks = [{"actor": "Me", "reaction": "❤"}]
    rows: list[dict[str, Any]] = [
        {
            "senderName": "Zoë",
            "timestamp": T + 3,
            "text": "",
            "type": "media",
            "media": [{"uri": "./m/x.jpg"}],
        },
        {"senderName": "Zoë", "timestamp": T + 2, "text": "User unsent a message", "type": "placeholder"},
        {"senderName": "Me", "timestamp": T + 1, "text": "", "type": "media", "media": lost},
        {"senderName": "Zoë", "timestamp": T, "text": "Ã© 😂", "isUnsent": False, "reactions": marks},
    ]
    (tmp_path / "Zoë_7.json").write_bytes(secure("Zoë_7", ["Zoë", "Me"], rows))
    (tmp_path / "Bob_8.json").write_bytes(secure("Bob_8", ["Bob", "Me"], []))
    found, report = load(tmp_path)
    conversation = found["encrypted with Zoë"]
    messages = list(conversation.messages)
    assert conversation.title == "Zoë"
    assert [m.kind for m in messages] == [Kind.SPEECH, Kind.ATTACHMENT, Kind.UNSENT, Kind.ATTACHMENT]
    assert messages[0].text == "Ã© 😂"
    assert messages[0].reactions[0].emoji == "❤"
    assert messages[1].attachments == (Attachment(AttachmentKind.FILE, ""),)
    assert messages[3].attachments == (Attachment(AttachmentKind.PHOTO, "x.jpg"),)
    assert report.owner == "Me"
    assert list(found) == ["encrypted with Zoë"]  # the other one is empty


@pytest.mark.parametrize("path", ["e2ee_cutover/zoe_1", "inbox/zoe_1"])
def test_the_encrypted_export_goes_on_from_the_main_one(tmp_path: Path, path: str) -> None:
    both = [said("Zoë", T, "before"), said("Me", T + 1, "at the cut")]
    folder = write_thread(tmp_path, "zoe_1", both, ["Zoë", "Me"], section="e2ee_cutover")
    (folder / "message_1.json").write_bytes(thread_bytes(both, ["Zoë", "Me"], path=path))
    rows = [
        {"senderName": "Zoë", "timestamp": T + 2, "text": "after", "type": "text"},
        {"senderName": "Me", "timestamp": T + 1, "text": "at the cut", "type": "text"},
    ]
    (tmp_path / "Zoë_7.json").write_bytes(secure("Zoë_7", ["Zoë", "Me"], rows))
    found, report = load(tmp_path)
    assert texts(found["zoe_1"]) == ["before", "at the cut", "after"]
    assert report.skipped == {"repeated in the export": 1}


def test_instagram_threads_have_the_same_shape(tmp_path: Path) -> None:
    folder = tmp_path / "your_instagram_activity/messages/inbox/zoe_1"
    folder.mkdir(parents=True)
    rows = [said("zoë", T, "hé"), said("zoë", T + 1, "Liked a message")]
    (folder / "message_1.json").write_bytes(thread_bytes(rows, ["zoë", "me"], path="inbox/zoe_1"))
    messages, report = only(tmp_path)
    assert [(m.text, m.kind) for m in messages] == [("hé", Kind.SPEECH), ("Liked a message", Kind.REACTION)]
    assert report.repaired == 2


def test_everything_that_langchain_loads_is_here(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.chat_loaders.facebook_messenger import FolderFacebookMessengerChatLoader
    for name in ("ann", "bob"):
        rows = [said(name, T + n, f"{name} {n}") for n in range(30)]
        rows.append(said(name, T + 40, photos=PHOTO))
        write_thread(tmp_path, f"{name}_1", rows, [name, "me"], per_file=12)
    loader = FolderFacebookMessengerChatLoader(tmp_path / ROOT)
    theirs = sorted(
        (str(message.additional_kwargs["sender"]), str(message.content))
        for session in loader.lazy_load()
        for message in session["messages"]
    )
    found, _ = load(tmp_path)
    ours = sorted((m.sender, m.text) for c in found.values() for m in c.messages if m.kind is Kind.SPEECH)
    assert ours == theirs
    assert len(ours) == 60


def test_every_speech_of_the_sample_comes_out() -> None:
    found, report = load(samples.messenger())
    ours = sorted(
        (message.time, message.text)
        for conversation in found.values()
        for message in conversation.messages
        if message.kind is Kind.SPEECH
    )
    written = sorted(
        (bubble.time, bubble.text)
        for script in read_scripts("messenger")
        for bubble in script.bubbles
        if bubble.text
        and not bubble.text.startswith("Say hi to your new Facebook friend")
        and bubble.tag in ("", "same", "raw", "photo", "video", "audio", "gif", "file", "share")
    )
    assert ours == written
    assert report.owner == samples.OWNER
    assert report.bad_files == []
    marks = sum(len(bubble.marks) for script in read_scripts("messenger") for bubble in script.bubbles)
    assert marks == sum(len(m.reactions) for c in found.values() for m in c.messages)
