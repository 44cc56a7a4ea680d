"""Who is who in a chat.db: the owner, one person's many addresses, chats of the same people."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from imessage_database import Database, nanoseconds, write_contacts

from engine.conversation import Conversation, Kind
from engine.importers.contacts import Names, address
from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport

T = 1_700_000_000_000
HARE, OWL, OWN = "+15550100001", "+15550100002", "+15550109999"
MAIL = "tortoise@example.org"


def load(path: Path) -> tuple[dict[str, Conversation], ImportReport]:
    report = ImportReport()
    found = {c.key: c for c in IMessageImporter().conversations(path, report)}
    assert report.rows_read == report.kept + sum(report.skipped.values())
    return found, report


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chat.db")


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.sender, message.text) for message in conversation.messages]


def test_the_owner_writes_from_several_addresses_and_is_one_person(database: Database) -> None:
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare)
    database.message(chat, 0, T, "from the phone", mine=True, account=f"p:{OWN}", destination_caller_id=OWN)
    database.message(
        chat, hare, T + 1, "from the Mac", mine=True, account=f"E:{MAIL}", destination_caller_id=MAIL
    )
    database.message(chat, hare, T + 2, "to an old address", destination_caller_id="Old@Example.org")
    found, report = load(database.close())
    assert said(found[HARE]) == [
        ("me", "from the phone"),
        ("me", "from the Mac"),
        ("5550100001", "to an old address"),
    ]
    assert [sender.key for sender in found[HARE].senders if sender.is_owner] == ["me"]
    assert sorted(report.owner_addresses) == [OWN, "Old@Example.org", MAIL]
    assert report.owner == "Me"


def test_the_owner_is_called_as_in_the_address_book(database: Database) -> None:
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare, last_addressed_handle=OWN, account_login="E:")
    database.message(chat, hare, T, "hi")
    database.message(chat, 0, T + 1, "hello", mine=True)
    write_contacts(database.path.parent, {"(555) 010-9999": ("Tortoise", "Slow"), HARE: ("Hare", "")})
    found, report = load(database.close())
    assert [(s.name, s.is_owner) for s in found[HARE].senders] == [("Hare", False), ("Tortoise Slow", True)]
    assert (report.owner, found[HARE].title) == ("Tortoise Slow", "Hare")


def test_the_owner_among_the_members_of_a_group_is_no_other_person(database: Database) -> None:
    handles = [database.handle(one) for one in (HARE, OWL, MAIL)]
    chat = database.chat("chat1", *handles, style=43, account_login=f"E:{MAIL}")
    sms = database.chat("chat2", *handles[:2], style=43, service="SMS")
    database.message(chat, handles[0], T, "hi")
    database.message(chat, handles[2], T + 1, "as if from somebody else")
    database.message(chat, handles[0], T + 2, None, item_type=1, group_action_type=0, other_handle=handles[2])
    database.message(sms, handles[1], T + 3, "green")
    found, _ = load(database.close())
    (conversation,) = found.values()
    assert said(conversation) == [
        ("5550100001", "hi"),
        ("me", "as if from somebody else"),
        ("5550100001", "added Me"),
        ("5550100002", "green"),
    ]
    assert conversation.title == f"{HARE}, {OWL}"


def test_a_chat_with_oneself(database: Database) -> None:
    """Which rows there are differs with the device: both copies, the sent one empty, or one of them."""
    phone, mail = database.handle(OWN), database.handle(MAIL)
    chat = database.chat(OWN, phone, last_addressed_handle=OWN)
    other = database.chat(MAIL, mail, account_login=f"E:{MAIL}")
    database.message(chat, phone, T, "both", mine=True)
    database.message(chat, phone, T + 900, None, body="both")
    database.message(chat, phone, T + 5_000, None, mine=True)  # a receipt and nothing else
    database.message(chat, phone, T + 5_900, "received only")
    database.message(other, 0, T + 9_000, "sent only", mine=True)
    database.message(chat, phone, T + 10_000, "both")  # received alone: said again
    found, report = load(database.close())
    (conversation,) = found.values()
    assert said(conversation) == [
        ("me", "both"),
        ("me", "received only"),
        ("me", "sent only"),
        ("me", "both"),
    ]
    assert [(sender.key, sender.is_owner) for sender in conversation.senders] == [("me", True)]
    assert (conversation.title, conversation.is_group) == (OWN, False)
    assert report.skipped == {
        "one's own message come back (a chat with oneself)": 1,
        "empty (no text, no attachment)": 1,
    }
    assert (report.kept, report.recovered) == (4, 0)


def test_a_group_that_everybody_left_is_no_chat_with_oneself(database: Database) -> None:
    own = database.handle(OWN)
    alone = database.chat("chat1", own, style=43, last_addressed_handle=OWN)
    also = database.chat("chat2", own, style=43)
    database.message(alone, 0, T, "hello?", mine=True)
    database.message(alone, 0, T + 1, "I left")
    database.message(also, 0, T, "anybody?", mine=True)
    found, _ = load(database.close())
    assert said(found["chat1"]) == [("me", "hello?"), ("unknown", "I left")]
    assert said(found["chat2"]) == [("me", "anybody?")]


@pytest.mark.parametrize("style", [45, 43])
def test_the_same_people_on_every_service_are_one_conversation(database: Database, style: int) -> None:
    services = ("SMS", "RCS", "iMessage", "iMessageLite")
    for number, service in enumerate(services):
        hare, owl = database.handle(HARE, service), database.handle(OWL, service)
        who = (hare,) if style == 45 else (owl, hare) if number % 2 else (hare, owl)
        chat = database.chat(f"chat {service}", *who, style=style, service=service, service_name=service)
        database.message(chat, hare, T + number, service, service=service)
    found, _ = load(database.close())
    (conversation,) = found.values()
    assert said(conversation) == [("5550100001", service) for service in services]
    assert conversation.is_group == (style == 43)


def test_what_messages_itself_says_is_one_person_is_one_sender_and_one_conversation(
    database: Database,
) -> None:
    """person_centric_id: their number and their e-mail address."""
    numbers = [
        database.insert("handle", id=one, service=service, person_centric_id=same)
        for one, service, same in (
            (HARE, "SMS", "A"),
            ("hare@example.org", "iMessage", "A"),
            (HARE, "RCS", None),
            (OWL, "SMS", None),
        )
    ]
    for place, number in enumerate(numbers):
        chat = database.chat(f"chat {place}", number, service=f"service {place}")
        database.message(chat, number, T + place, str(place))
    write_contacts(database.path.parent, {"hare@example.org": ("Hare", "Swift")})
    found, _ = load(database.close())
    assert [said(conversation) for conversation in found.values()] == [
        [("5550100001", "0"), ("5550100001", "1"), ("5550100001", "2")],
        [("5550100002", "3")],
    ]
    assert found["chat 0"].title == "Hare Swift"


def test_macos_26_says_which_chats_are_one_conversation(database: Database) -> None:
    database.connection.executescript(
        """CREATE TABLE chat_lookup
             (identifier TEXT NOT NULL, domain TEXT NOT NULL, chat INTEGER NOT NULL, priority INTEGER);
           ALTER TABLE message ADD COLUMN ck_chat_id TEXT;
           ALTER TABLE message ADD COLUMN filter_action INTEGER DEFAULT 0;"""
    )
    hare, owl = database.handle(HARE), database.handle("hare@example.org")
    chats = [database.chat(HARE, hare), database.chat("hare@example.org", owl), database.chat("other")]
    group = database.chat("chat1", hare, owl, style=43)
    for place, chat in enumerate((*chats, group)):
        database.message(chat, 0, T + place, str(place), mine=True, ck_chat_id=f"id {place}")
    for chat, identifier in ((chats[0], "both"), (chats[1], "both"), (chats[1], "more"), (group, "both")):
        database.insert("chat_lookup", identifier=identifier, domain=f"d{chat}", chat=chat, priority=0)
    found, report = load(database.close())
    assert [[text for _, text in said(c)] for c in found.values()] == [["0", "1"], ["2"], ["3"]]
    assert report.kept == 4


def test_a_reduced_schema_without_any_of_it(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.executescript(
            f"""CREATE TABLE message (ROWID INTEGER PRIMARY KEY, date, text, handle_id, is_from_me, account);
                CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id);
                INSERT INTO handle VALUES (1, '{HARE}'), (2, '{MAIL}');
                INSERT INTO message VALUES (1, {nanoseconds(T)}, 'hi', 1, 0, 'E:{MAIL}'),
                                           (2, {nanoseconds(T)}, 'note', 2, 1, 'iMessage'),
                                           (3, {nanoseconds(T)}, 'note', 2, 0, NULL);"""
        )
    connection.close()
    found, report = load(tmp_path / "chat.db")
    assert [said(c) for c in found.values()] == [[("5550100001", "hi")], [("me", "note")]]
    assert report.owner_addresses == [MAIL]


def test_every_source_of_a_macs_address_book_is_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "Library" / "Messages" / "chat.db")
    handles = [database.handle(one) for one in (HARE, OWL)]
    database.message(database.chat("chat1", *handles, style=43), handles[0], T, "hi")
    path = database.close()
    book = tmp_path / "Library" / "Application Support" / "AddressBook"
    for folder, people in (
        (book, {HARE: ("Hare", "")}),
        (book / "Sources" / "A", {OWL: ("Owl", "")}),
        (book / "Sources" / "B", {HARE: ("Another", "Hare")}),
    ):
        folder.mkdir(parents=True)
        write_contacts(folder, people)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(path)[0]["chat1"].title == f"{HARE}, {OWL}"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert load(path)[0]["chat1"].title == "Hare, Owl"


@pytest.mark.parametrize(
    ("book", "handle", "same"),
    [
        ("(555) 010-0001", "+15550100001", True),
        ("+1 555.010.0001", "5550100001", True),
        ("\u202a+1 (555) 010\u20110001\u202c", "+15550100001", True),
        ("0044 7700 900142", "+447700900142", True),
        ("07700 900142", "+447700900142", True),  # as dialled in its own country
        ("0171 2345678", "+491712345678", True),
        ("07700 900142", "447700900142", False),
        ("0900142", "+447700900142", False),
        ("Owl@Example.org ", "owl@example.org", True),
        ("900142", "900142", True),  # a short code
        ("00142", "+4400142", False),
    ],
)
def test_numbers_and_addresses_are_matched_as_people_write_them(book: str, handle: str, same: bool) -> None:
    names = Names()
    names.add(book, "Owl")
    assert names.get(handle) == ("Owl" if same else None)


def test_a_number_that_two_people_have_at_home_names_nobody() -> None:
    names = Names()
    names.add("07700 900142", "Owl")
    names.add("7700 900142", "Hare")
    assert names.get("+447700900142") == "Owl"
    names.add("0 7700 900142", "Mole")
    assert names.get("+447700900142") is None
    assert address("07700900142") == "07700900142"


def test_a_persons_reactions_and_events_name_the_owner_as_the_address_book_does(database: Database) -> None:
    hare = database.handle(HARE)
    chat = database.chat(HARE, hare, last_addressed_handle=OWN)
    database.message(chat, hare, T, "hi", guid="A")
    database.message(
        chat, 0, T + 1, None, mine=True, associated_message_type=2000, associated_message_guid="p:0/A"
    )
    write_contacts(database.path.parent, {OWN: ("Tortoise", "")})
    found, _ = load(database.close())
    (message,) = found[HARE].messages
    assert [(one.actor, one.emoji) for one in message.reactions] == [("Tortoise", "❤")]
    assert message.kind is Kind.SPEECH
