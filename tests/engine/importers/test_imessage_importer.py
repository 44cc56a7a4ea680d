"""The iMessage importer on real SQLite files with Apple's tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import accounted
import pytest
from imessage_database import Database, nanoseconds, write_contacts
from sample_script import read_scripts
from typedstream_writer import FILE, PART, Run, encode

from engine import samples
from engine.conversation import Attachment, AttachmentKind, Conversation, Kind, Message
from engine.importers.imessage import IMessageImporter
from engine.importers.imessage_rows import milliseconds
from engine.importers.report import ImportReport, to_json

T = 1_700_000_000_000
HARE, OWL = "+15550100001", "+15550100002"


def load(path: Path) -> tuple[dict[str, Conversation], ImportReport]:
    report = ImportReport()
    found = {c.key: c for c in IMessageImporter().conversations(path, report)}
    accounted.check(report)
    accounted.check_places(report)
    assert report.conversations == len(found)
    return found, report


def only(path: Path) -> tuple[list[Message], ImportReport]:
    found, report = load(path)
    (conversation,) = found.values()
    return list(conversation.messages), report


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chat.db")


def direct(database: Database) -> tuple[int, int]:
    hare = database.handle(HARE)
    return database.chat(HARE, hare), hare


def test_a_conversation(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T + 1, "speed is key", guid="b")
    database.message(chat, hare, T, "slow and steady", guid="a", mine=True)  # with the other one's handle
    database.message(chat, 0, T + 2, None, mine=True, body="it is 🐢")
    found, report = load(database.close())
    conversation = found[HARE]
    me, other = "me", "5550100001"
    assert [(m.key, m.sender, m.time, m.text) for m in conversation.messages] == [
        ("a", me, T, "slow and steady"),
        ("b", other, T + 1, "speed is key"),
        ("guid-3", me, T + 2, "it is 🐢"),
    ]
    assert [(s.key, s.name, s.is_owner) for s in conversation.senders] == [
        (other, HARE, False),
        (me, "Me", True),
    ]
    assert (conversation.title, conversation.is_group, report.recovered) == (HARE, False, 1)
    assert report.rows_total == report.rows_read == 3


def test_a_subject_is_said_too_but_not_what_carriers_write(database: Database) -> None:
    chat, hare = direct(database)
    for text, subject in (("at eight?", "Dinner"), (None, "Only this"), ("hi", "NoSubject"), ("ho", "")):
        database.message(chat, hare, T, text, subject=subject)
    messages, report = only(database.close())
    assert [m.text for m in messages] == ["Dinner\nat eight?", "Only this", "hi", "ho"]
    assert report.kinds == {"speech": 4}


def test_a_folder_that_holds_it(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "hi")
    folder = database.close().parent
    assert IMessageImporter().recognises(folder)
    assert IMessageImporter().recognises(folder / "chat.db")
    assert only(folder)[0][0].text == "hi"


def test_dates() -> None:
    assert milliseconds(nanoseconds(T)) == T
    assert milliseconds((T - 978_307_200_000) // 1000) == T  # seconds, in old rows
    assert milliseconds(0) is milliseconds(None) is milliseconds("soon") is milliseconds(-(2**62)) is None


def test_old_rows_in_seconds_sort_among_new_ones_and_rows_without_a_date_stay_beside_their_neighbour(
    database: Database,
) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "at the head", date=None)
    database.message(chat, hare, T, "third")
    database.message(chat, hare, T, "beside it", date=None)
    database.message(chat, hare, T, "first", date=(T - 978_307_200_000) // 1000 - 5)
    database.message(chat, hare, T, "second", date=(T - 978_307_200_000) // 1000 - 5)
    database.message(chat, hare, T, "nought", date=0)
    other = database.chat(OWL, database.handle(OWL))
    database.message(other, 0, T, "nobody here has a date", date=None)
    found, report = load(database.close())
    (conversation,) = found.values()
    messages = list(conversation.messages)
    assert [m.text for m in messages] == ["first", "second", "nought", "at the head", "third", "beside it"]
    assert [m.time for m in messages[-3:]] == [T, T, T]
    assert report.skipped == {"no time": 1}


def test_a_group(database: Database) -> None:
    hare, owl = database.handle(HARE), database.handle(OWL)
    chat = database.chat("chat1", hare, owl, style=43, display_name="Race committee")
    database.message(chat, 0, T, "mine", mine=True)
    database.message(chat, owl, T + 1, "hoo")
    found, report = load(database.close())
    conversation = found["chat1"]
    assert (conversation.title, conversation.is_group) == ("Race committee", True)
    assert [(m.sender, m.text) for m in conversation.messages] == [("me", "mine"), ("5550100002", "hoo")]
    assert report.kept == 2  # not once for every member


def test_the_same_people_on_two_services_are_one_conversation(database: Database) -> None:
    old = database.handle("(555) 010-0001", "SMS")
    new = database.handle(HARE)
    sms, imessage = database.chat("5550100001", old, service="SMS"), database.chat(HARE, new)
    database.message(imessage, new, T + 1, "blue")
    database.message(sms, old, T, "green")
    group = database.chat("chat1", new, style=43)  # everybody else left it
    database.message(group, new, T, "hello?")
    found, report = load(database.close())
    assert [[m.text for m in c.messages] for c in found.values()] == [["green", "blue"], ["hello?"]]
    assert len(found["5550100001"].senders) == 1
    assert report.joined == 1, "the group is another conversation"
    both = "chat 1 (SMS;-;5550100001) + chat 2 (iMessage;-;+15550100001)"
    assert report.behind("joined") == [(both, None, "(555) 010-0001")]


def test_every_row_counts_once(database: Database) -> None:
    chat, hare = direct(database)
    owl = database.handle(OWL)
    other = database.chat(OWL, owl)
    twice = database.message(chat, hare, T, "in two chats")
    database.insert("chat_message_join", chat_id=other, message_id=twice)
    database.message(None, hare, T, "in none")
    gone = database.message(None, hare, T, "deleted")
    database.insert("chat_recoverable_message_join", chat_id=chat, message_id=gone, delete_date=1)
    also = database.message(chat, hare, T, "deleted, still linked")
    database.insert("chat_recoverable_message_join", chat_id=chat, message_id=also, delete_date=1)
    database.message(chat, hare, T, None)
    database.message(chat, hare, T, None, body=b"\x04\x0bstreamtyped junk")
    database.message(other, owl, T + 1, "hoo")
    found, report = load(database.close())
    assert [[m.text for m in c.messages] for c in found.values()] == [["in two chats"], ["hoo"]]
    assert report.rows_read == 7
    assert report.skipped == {
        "in no conversation": 1,
        "recently deleted": 2,
        "empty (no text, no attachment)": 1,
        "text damaged beyond reading": 1,
    }
    assert report.behind("skipped: in no conversation") == [("message ROWID 2", T, "in none")]
    deleted = [("message ROWID 3", T, ""), ("message ROWID 4", T, "")]
    assert report.behind("skipped: recently deleted") == deleted, "what was deleted is not written down"
    assert report.behind("skipped: empty (no text, no attachment)") == [("message ROWID 5", T, "")]
    assert report.behind("kept") == [
        ("message ROWID 1", T, "in two chats"),
        ("message ROWID 7", T + 1, "hoo"),
    ]


def test_reactions_belong_to_their_message(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, 0, T, "Loved the race", guid="AAA", mine=True)
    database.message(chat, hare, T + 1, "me too", guid="BBB")

    def tap(code: int, guid: str, time: int, mine: bool = False, emoji: str | None = None) -> None:
        database.message(
            chat, hare, time, "Loved “…”", mine=mine,
            associated_message_type=code, associated_message_guid=guid, associated_message_emoji=emoji,
        )  # fmt: skip

    tap(2000, "p:0/AAA", T + 9)
    tap(2001, "bp:BBB", T + 10, mine=True)
    tap(3001, "bp:BBB", T + 11, mine=True)
    tap(2006, "BBB", T + 12, emoji="🐢")
    tap(2003, "BBB", T + 13, mine=True)
    tap(2004, "BBB", T + 14, mine=True)  # replaces the one before
    tap(2007, "BBB", T + 15, mine=True)  # a sticker stands beside it
    tap(2000, "p:0/nowhere", T + 16)
    tap(1000, "p:0/AAA", T + 17)  # stickers put on a bubble: as many as one likes
    tap(1000, "p:0/AAA", T + 18)
    tap(2007, "p:1/AAA", T + 19)
    tap(3007, "p:1/AAA", T + 20)
    messages, report = only(database.close())
    assert [(m.text, [(r.actor, r.emoji, r.time) for r in m.reactions]) for m in messages] == [
        (
            "Loved the race",
            [(HARE, "❤", T + 9), (HARE, "sticker", T + 17), (HARE, "sticker", T + 18)],
        ),
        ("me too", [(HARE, "🐢", T + 12), ("Me", "‼", T + 14), ("Me", "sticker", T + 15)]),
    ]
    assert report.kinds == {"speech": 2, "reaction": 11}
    assert report.skipped == {"reaction to a message that is not here": 1}


def test_replies(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "when?", guid="AAA")
    database.message(chat, 0, T + 1, "noon", mine=True, thread_originator_guid="AAA", reply_to_guid="zzz")
    database.message(chat, 0, T + 2, "lost", mine=True, thread_originator_guid="gone")
    messages, _ = only(database.close())
    assert [m.reply_to for m in messages] == [None, "AAA", None]


def test_attachments(database: Database) -> None:
    chat, hare = direct(database)

    def send(name: str, text: str | None = "\ufffc", **more: object) -> None:
        more_message = {key: more.pop(key) for key in ("is_audio_message", "body") if key in more}
        message = database.message(chat, hare, T, text, **more_message)  # type: ignore[arg-type]
        database.attach(message, name, **more)

    send("a.heic", mime_type="image/heic")
    send("b.gif", mime_type="image/gif")
    send("c.mov", uti="com.apple.quicktime-movie")
    send("d.caf", is_audio_message=1, uti="com.apple.coreaudio-format")
    send("e.png", is_sticker=1)
    send("f.loc.vcf", mime_type="text/x-vlocation")
    send("g.pdf", text="read this \ufffc", mime_type="application/pdf")
    send("", text=None, filename="~/Library/x/h.jpeg")
    database.message(chat, hare, T, "\ufffc")
    gone = [Run("\ufffc", {PART: 0, "IMAudioTranscription": "heard, and let go"})]
    database.message(chat, hare, T, None, is_audio_message=1, body=encode(gone))
    database.message(chat, hare, T, None, is_audio_message=1)
    heard = [Run("\ufffc", {PART: 0, FILE: "at", "IMAudioTranscription": "I am late"})]
    send("i.caf", text=None, is_audio_message=1, body=encode(heard))
    messages, report = only(database.close())
    kinds = AttachmentKind
    expected = [
        (Kind.ATTACHMENT, "", kinds.PHOTO, "a.heic"),
        (Kind.ATTACHMENT, "", kinds.GIF, "b.gif"),
        (Kind.ATTACHMENT, "", kinds.VIDEO, "c.mov"),
        (Kind.ATTACHMENT, "", kinds.VOICE, "d.caf"),
        (Kind.ATTACHMENT, "", kinds.STICKER, "e.png"),
        (Kind.ATTACHMENT, "", kinds.LOCATION, "f.loc.vcf"),
        (Kind.SPEECH, "read this", kinds.FILE, "g.pdf"),
        (Kind.ATTACHMENT, "", kinds.PHOTO, "h.jpeg"),
        (Kind.ATTACHMENT, "", kinds.FILE, ""),
        (Kind.ATTACHMENT, "heard, and let go", kinds.VOICE, ""),
        (Kind.ATTACHMENT, "", kinds.VOICE, ""),
        (Kind.ATTACHMENT, "I am late", kinds.VOICE, "i.caf"),
    ]
    assert [(m.kind, m.text, m.attachments) for m in messages] == [
        (kind, text, (Attachment(what, name),)) for kind, text, what, name in expected
    ]
    assert report.recovered == 2


def test_links_and_apps(database: Database) -> None:
    chat, hare = direct(database)
    link = "com.apple.messages.URLBalloonProvider"
    bare = database.message(chat, hare, T, "https://x.org", balloon_bundle_id=link)
    database.attach(bare, "1.pluginPayloadAttachment")
    database.message(chat, hare, T, "look https://x.org", balloon_bundle_id=link)
    app = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.example.chess"
    database.message(
        chat, hare, T, "$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier) moved", balloon_bundle_id=app
    )
    messages, _ = only(database.close())
    url = Attachment(AttachmentKind.LINK, "https://x.org")
    assert [(m.kind, m.text, m.attachments) for m in messages] == [
        (Kind.ATTACHMENT, "https://x.org", (url,)),
        (Kind.SPEECH, "look https://x.org", (url,)),
        (Kind.ATTACHMENT, "moved", (Attachment(AttachmentKind.APP, "chess"),)),
    ]


def test_login_codes_are_left_out_but_not_the_talk_about_them(database: Database) -> None:
    chat, hare = direct(database)
    name = "__kIMOneTimeCodeAttributeName"
    code = [Run("Your code is "), Run("314159", {name: {"code": "314159"}})]
    database.message(chat, hare, T, "Your code is 314159", body=encode(code))
    database.message(chat, hare, T, None, body=f"what is {name}?")
    messages, report = only(database.close())
    assert [m.text for m in messages] == [f"what is {name}?"]
    assert report.skipped == {"one-time login code": 1}
    assert report.behind("skipped: one-time login code") == [("message ROWID 1", T, "")]
    assert report.behind("recovered") == [("message ROWID 2", T, f"what is {name}?")]
    assert "314159" not in to_json(report), "a code is a secret"


@pytest.mark.parametrize("where", ["in no chat", "twice", "deleted", "without a time"])
def test_a_login_code_is_nowhere_noted(database: Database, where: str) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "hello")
    code = encode([Run("Code "), Run("314159", {"__kIMOneTimeCodeAttributeName": {"code": "314159"}})])
    placed = None if where == "in no chat" else chat
    number = database.message(placed, hare, T, "Code 314159", body=code)
    if where == "deleted":
        database.insert("chat_recoverable_message_join", chat_id=chat, message_id=number, delete_date=1)
    if where == "without a time":
        database.connection.execute("UPDATE message SET date = 0")
    if where == "twice":
        database.connection.execute("DROP INDEX IF EXISTS message_idx_guid")
        again = database.message(chat, hare, T, "Code 314159", body=code)
        database.insert("chat_message_join", chat_id=chat + 1, message_id=again)
    _, report = load(database.close())
    assert sum(report.skipped.values()) > 0
    assert "314159" not in to_json(report)


def test_group_events(database: Database) -> None:
    hare, owl = database.handle(HARE), database.handle(OWL)
    chat = database.chat("chat1", hare, owl, style=43)
    expected = [
        (1, 0, {"other_handle": owl}, f"added {OWL}"),
        (1, 1, {"other_handle": owl}, f"removed {OWL}"),
        (2, 0, {"group_title": "Race"}, "named the conversation “Race”"),
        (2, 0, {}, "removed the name"),
        (3, 0, {}, "left the conversation"),
        (3, 1, {}, "changed the group photo"),
        (3, 2, {}, "removed the group photo"),
        (4, 0, {"share_status": 0}, "started sharing a location"),
        (4, 0, {"share_status": 1}, "stopped sharing a location"),
        (5, 0, {}, "kept an audio message"),
        (6, 0, {}, "started SharePlay"),
        (77, 0, {}, ""),
    ]
    for item, action, more, _ in expected:
        database.message(chat, hare, T, None, item_type=item, group_action_type=action, **more)
    messages, report = only(database.close())
    assert [(m.kind, m.text) for m in messages] == [(Kind.EVENT, text) for *_, text in expected]
    assert report.kinds == {"event": len(expected)}


def test_polls(database: Database) -> None:
    """The poll is an app's bubble, every vote a row of its own: an event, no speech and no reaction."""
    chat, hare = direct(database)
    app = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls"
    database.message(chat, hare, T, "\ufffd", guid="poll", balloon_bundle_id=app)
    vote = {"associated_message_type": 4000, "associated_message_guid": "poll"}
    database.message(chat, 0, T + 1, None, mine=True, balloon_bundle_id=app, **vote)
    database.message(chat, hare, T + 2, "\ufffd", balloon_bundle_id=app, **vote)
    messages, _ = only(database.close())
    assert [(m.kind, m.sender, m.text) for m in messages] == [
        (Kind.ATTACHMENT, "5550100001", ""),
        (Kind.EVENT, "me", "voted in a poll"),
        (Kind.EVENT, "5550100001", "voted in a poll"),
    ]
    assert messages[0].attachments == (Attachment(AttachmentKind.APP, "Polls"),)
    assert messages[0].reactions == ()


def test_a_mention_is_said_as_it_stands(database: Database) -> None:
    chat, hare = direct(database)
    name = "__kIMMentionConfirmedMention"
    runs = [Run("ask ", {PART: 0}), Run("Owl 🦉", {PART: 0, name: OWL}), Run(" first", {PART: 0})]
    database.message(chat, hare, T, None, body=encode(runs))
    database.message(chat, 0, T + 1, "ask Owl 🦉 first", mine=True, body=encode(runs))
    messages, report = only(database.close())
    assert [(m.kind, m.text) for m in messages] == [(Kind.SPEECH, "ask Owl 🦉 first")] * 2
    assert report.recovered == 1


def test_names_from_the_address_book_beside_it(database: Database) -> None:
    handles = [database.handle(address) for address in (HARE, "Owl@Example.org", "+447700900142")]
    chat = database.chat("chat1", *handles, style=43)
    database.message(chat, handles[0], T, "hi")
    people = {"(555) 010-0001": ("Hare", "Swift"), "owl@example.org": ("Owl", ""), "12": ("No", "One")}
    write_contacts(database.path.parent, people)
    found, report = load(database.close())
    assert [s.name for s in found["chat1"].senders] == ["Hare Swift", "Owl", "+447700900142"]
    assert found["chat1"].title == "Hare Swift, Owl, +447700900142"
    assert report.warnings == []


def test_a_broken_address_book_is_a_warning(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "hi")
    (database.path.parent / "AddressBook-v22.abcddb").write_text("no database")
    messages, report = only(database.close())
    assert [m.text for m in messages] == ["hi"]
    assert len(report.warnings) == 1
    assert "address book" in report.warnings[0]


def reduced(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def test_an_extract_with_two_handles_and_no_chats(tmp_path: Path) -> None:
    """The shape of the public sample: no chat table, is_from_me unused, both people are handles."""
    path = reduced(
        tmp_path / "chat.db",
        f"""CREATE TABLE message (ROWID INTEGER PRIMARY KEY, date, text, handle_id, is_from_me);
            CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id);
            CREATE TABLE chat_message_join (chat_id, message_id);
            INSERT INTO handle VALUES (1, 'Tortoise'), (2, 'Hare');
            INSERT INTO message VALUES (1, {nanoseconds(T)}, 'slow', 1, 0),
                                       (2, {nanoseconds(T + 1)}, 'fast', 2, 0);
            INSERT INTO chat_message_join VALUES (7, 1), (7, 2);""",
    )
    found, _ = load(path)
    (conversation,) = found.values()
    assert conversation.title == "Tortoise, Hare"
    assert not conversation.is_group
    assert [(m.sender, m.text) for m in conversation.messages] == [("tortoise", "slow"), ("hare", "fast")]
    assert len({m.key for m in conversation.messages}) == 2


def test_an_extract_with_text_handles_and_no_joins(tmp_path: Path) -> None:
    path = reduced(
        tmp_path / "sms.db",
        f"""CREATE TABLE message (guid, date, text, handle_id TEXT, is_from_me);
            CREATE TABLE handle (id);
            INSERT INTO message VALUES ('a', {nanoseconds(T)}, 'slow', '{HARE}', 1),
                                       ('b', {nanoseconds(T + 1)}, 'fast', '{HARE}', 0),
                                       ('b', {nanoseconds(T + 1)}, 'fast', '{HARE}', 0),
                                       ('c', {nanoseconds(T + 1)}, 'hoo', '{OWL}', 0),
                                       ('d', {nanoseconds(T + 1)}, 'to nobody', NULL, 1);""",
    )
    found, report = load(path)
    assert {c.title: [(m.sender, m.text) for m in c.messages] for c in found.values()} == {
        HARE: [("me", "slow"), ("5550100001", "fast")],
        OWL: [("5550100002", "hoo")],
    }
    assert report.skipped == {"repeated in the database": 1, "in no conversation": 1}
    assert report.behind("skipped: repeated in the database") == [("message ROWID 3", T + 1, "fast")]
    assert report.behind("skipped: in no conversation") == [("message ROWID 5", T + 1, "to nobody")]


def test_every_speech_of_the_sample_comes_out() -> None:
    found, report = load(samples.imessage())
    ours = sorted((m.time, m.text) for c in found.values() for m in c.messages if m.kind is Kind.SPEECH)
    tags = ("", "reply", "edited", "mention", "photo", "video", "file")
    bubbles = [bubble for script in read_scripts("imessage") for bubble in script.bubbles]
    assert ours == sorted((b.time, b.text) for b in bubbles if b.text and b.tag in tags)
    assert report.warnings == []
    assert report.bad_files == []
    assert report.skipped == {"in no conversation": 1, "recently deleted": 1, "one-time login code": 1}
    names = {sender.name for conversation in found.values() for sender in conversation.senders}
    assert {"Me", "Mum", "Zoë Okafor"} <= names
    standing = sum(not mark.removed for bubble in bubbles for mark in bubble.marks)
    assert sum(len(m.reactions) for c in found.values() for m in c.messages) == standing


def test_values_of_the_wrong_type_cost_nothing_else(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, b"bytes \xff", guid="a")  # type: ignore[arg-type]
    database.message(chat, b"?", T, "who?", is_from_me="0", item_type="none", balloon_bundle_id=0)  # type: ignore[arg-type]
    database.message(chat, hare, T, "x", associated_message_type="2000", associated_message_guid=7)
    database.message(chat, hare, T, "never", date=float("inf"))
    database.insert("chat_message_join", chat_id=None, message_id=None)
    database.insert("chat_message_join", chat_id=chat, message_id="seven")
    database.insert("attachment", guid=1, original_guid=1, transfer_name=5, mime_type=b"\xff", uti=2.5)
    database.insert("message_attachment_join", message_id=1, attachment_id=1)
    messages, report = only(database.close())
    assert [m.text for m in messages] == ["bytes \ufffd", "who?", "never"]
    assert report.skipped == {"reaction to a message that is not here": 1}


def test_an_app_without_its_name(database: Database) -> None:
    chat, hare = direct(database)
    database.message(chat, hare, T, "\ufffd")
    messages, _ = only(database.close())
    assert [(m.kind, m.text, m.attachments) for m in messages] == [
        (Kind.ATTACHMENT, "", (Attachment(AttachmentKind.APP),))
    ]
