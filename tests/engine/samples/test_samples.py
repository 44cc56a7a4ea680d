"""The bundled samples, read as plain JSON and SQLite: what a newcomer and every other test can count on."""

from __future__ import annotations

import json
import plistlib
import re
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from build_samples import build
from sample_script import read_scripts

from engine import samples

NOT_SPEECH = re.compile(
    r"(.* )?(sent an attachment\.|called .*\.|missed a call from .*\.|missed your call\."
    r"|named the group .*|added .* to the group\.|left the group\.|changed the group photo\."
    r"|set the (nickname|quick reaction) .*"
    r"|Reacted .* to your message |Say hi to your new Facebook friend, .*)"
)


def repaired(value: Any) -> Any:
    match value:
        case str():
            return value.encode("latin-1").decode("utf-8")
        case list():
            return [repaired(item) for item in value]
        case dict():
            return {repaired(key): repaired(item) for key, item in value.items()}
    return value


@cache
def threads() -> dict[str, list[dict[str, Any]]]:
    """thread_path -> its files, newest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(samples.messenger().rglob("message_*.json")):
        thread = repaired(json.loads(path.read_bytes()))
        found.setdefault(thread["thread_path"], []).append(thread)
    return found


def is_speech(row: dict[str, Any]) -> bool:
    return bool(row.get("content")) and not row.get("is_unsent") and not NOT_SPEECH.fullmatch(row["content"])


def spoken(thread: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A thread's speech from first to last."""
    return [row for part in thread[::-1] for row in part["messages"][::-1] if is_speech(row)]


def bubbles() -> list[dict[str, Any]]:
    return [row for thread in threads().values() for row in spoken(thread)]


def langchain_chunks(turns: int) -> int:
    """Windows of 8 merged turns that share 2, the recipe of LangChain's how-to."""
    return len(range(0, turns - 8 + 1, 6))


class TestMessenger:
    def test_size(self) -> None:
        assert len(threads()) >= 12
        assert len(bubbles()) >= 900
        times = [row["timestamp_ms"] for row in bubbles()]
        first, last = (datetime.fromtimestamp(time / 1000, UTC) for time in (min(times), max(times)))
        assert (first.year, first.month) == (2024, 3)
        assert (last.year, last.month) == (2026, 4)

    def test_owner_speaks_in_every_thread_and_nearly_half_of_all(self) -> None:
        for path, thread in threads().items():
            assert samples.OWNER in {row["sender_name"] for part in thread for row in part["messages"]}, path
        own = sum(row["sender_name"] == samples.OWNER for row in bubbles())
        assert own >= 0.45 * len(bubbles())

    def test_one_to_one_threads_give_enough_chunks(self) -> None:
        chunks = 0
        for thread in threads().values():
            senders = [row["sender_name"] for row in spoken(thread)]
            if len(set(senders)) == 2:
                chunks += langchain_chunks(len(list(groupby(senders))))
        assert chunks >= 60

    def test_every_file_is_mojibake_and_indented_as_facebook_does(self) -> None:
        files = sorted(samples.messenger().rglob("*.json"))
        assert files
        for path in files:
            data = path.read_bytes()
            assert data.isascii(), path
            assert data.startswith(b'{\n  "'), path
            assert all(code.startswith(b"00") for code in re.findall(rb"\\u(....)", data)), path
        zoe = (samples.messenger() / "your_activity_across_facebook/messages/inbox").glob("zoeokafor_*")
        assert b'"name": "Zo\\u00c3\\u00ab Okafor"' in (next(zoe) / "message_1.json").read_bytes()

    def test_files_are_newest_first_and_numbered_from_the_newest(self) -> None:
        assert max(len(files) for files in threads().values()) == 2
        for path, files in threads().items():
            times = [row["timestamp_ms"] for part in files for row in part["messages"]]
            assert times == sorted(times, reverse=True), path

    def test_sections(self) -> None:
        sections = Counter(path.partition("/")[0] for path in threads())
        assert sections["inbox"] >= 8
        assert sections["archived_threads"] >= 2
        assert {"message_requests", "filtered_threads", "e2ee_cutover"} <= sections.keys()

    def test_every_kind_of_row_occurs(self) -> None:
        rows = [row for files in threads().values() for part in files for row in part["messages"]]
        keys = Counter(key for row in rows for key in row)
        wanted = "photos videos audio_files files gifs sticker share reactions"
        wanted += " call_duration missed is_unsent users"
        assert not [key for key in wanted.split() if not keys[key]]
        contents = [row.get("content", "") for row in rows]
        for ending in ("sent an attachment.", " to your message ", "left the group.", "missed your call."):
            assert any(content.endswith(ending) for content in contents), ending
        facebook = {"sender_name", "timestamp_ms"}
        facebook |= {"is_geoblocked_for_viewer", "is_unsent_image_by_messenger_kid_parent"}
        assert any(row.keys() == facebook for row in rows), "a row with nothing at all"
        assert any(row["sender_name"] == "Facebook user" for row in rows)
        uris = [
            item["uri"] for row in rows for key in ("photos", "videos", "files") for item in row.get(key, [])
        ]
        assert all(uri.startswith("your_activity_across_facebook/messages/") for uri in uris)

    def test_two_messages_of_one_millisecond_in_spoken_order(self) -> None:
        thread = next(files for path, files in threads().items() if path.startswith("inbox/zoeokafor"))
        rows = spoken(thread)
        pairs = [(a, b) for a, b in pairwise(rows) if a["timestamp_ms"] == b["timestamp_ms"]]
        assert [(a["content"], b["content"]) for a, b in pairs] == [("FIVE", "WHAT")]

    def test_groups_and_left_threads(self) -> None:
        newest = [files[0] for files in threads().values()]
        assert sum(len(thread["participants"]) >= 5 for thread in newest) >= 2
        assert any(thread["magic_words"] for thread in newest)
        left = [thread for thread in newest if not thread["is_still_participant"]]
        assert [thread["participants"] for thread in left] == [[{"name": samples.OWNER}]]

    def test_settings_files_lie_beside_the_threads(self) -> None:
        messages = samples.messenger() / "your_activity_across_facebook/messages"
        names = {path.name for path in messages.glob("*.json")}
        assert len(names) >= 15
        assert {
            "autofill_information.json",
            "secret_conversations.json",
            "your_cross-app_messaging_settings.json",
        } <= names


class TestManner:
    """What makes the owner recognisable, and the others not the owner."""

    def turns(self) -> list[list[str]]:
        """The owner's turns, each a list of bubbles."""
        scripts = read_scripts("messenger") + read_scripts("imessage")
        return [
            [bubble.text for bubble in run if bubble.tag in ("", "same", "reply")]
            for script in scripts
            for letter, run in groupby(script.bubbles, lambda bubble: bubble.by)
            if script.people[letter] in (samples.OWNER, "me")
        ]

    def own(self) -> list[str]:
        return [text for turn in self.turns() for text in turn]

    def test_lower_case_without_exclamation_marks(self) -> None:
        loud = [text for text in self.own() if text != text.lower() or "!" in text]
        assert loud == ["TAM"]  # the one capital letter since 2009; three of them

    def test_short_with_the_same_openings(self) -> None:
        own, turns = self.own(), self.turns()
        assert sorted(map(len, own))[len(own) // 2] < 45
        assert sum(len(turn) >= 2 for turn in turns) > len(turns) / 3
        assert sum(turn[0].startswith(("right,", "hm,")) for turn in turns if turn) > len(turns) / 8
        assert own.count("noted.") >= 12

    def test_hardly_a_line_twice(self) -> None:
        lines = Counter(text for text in self.own() if text not in ("hm,", "right,", "noted."))
        assert max(lines.values()) <= 12
        assert len(lines) > 0.93 * lines.total()


@pytest.fixture
def chat() -> Any:
    database = sqlite3.connect(f"file:{samples.imessage()}?mode=ro", uri=True)
    yield database
    database.close()


SPEECH = """
    SELECT m.ROWID, m.text, m.attributedBody, m.is_from_me, m.guid FROM message m
    JOIN chat_message_join j ON j.message_id = m.ROWID
    WHERE m.associated_message_type = 0 AND m.item_type = 0 AND m.balloon_bundle_id IS NULL
      AND m.attributedBody IS NOT NULL AND m.cache_has_attachments = 0
"""


def first_string(blob: bytes) -> str:
    """The text of an attributedBody, by its length byte, without a decoder."""
    start = blob.index(b"\x84\x01+") + 3
    size = blob[start]
    start += 1
    if size == 0x81:
        size = int.from_bytes(blob[start : start + 2], "little")
        start += 2
    return blob[start : start + size].decode("utf-8")


class TestIMessage:
    def test_size_and_shape_of_the_file(self, chat: sqlite3.Connection) -> None:
        data = samples.imessage().read_bytes()
        assert data[18:20] == b"\x01\x01", "rollback journal, not WAL"
        assert len(data) < 1_000_000
        assert chat.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert chat.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_conversations_and_speech(self, chat: sqlite3.Connection) -> None:
        used = "SELECT count(DISTINCT chat_id) FROM chat_message_join"
        assert chat.execute(used).fetchone()[0] >= 10
        rows = chat.execute(SPEECH).fetchall()
        assert len(rows) >= 400
        assert sum(row[3] for row in rows) >= 0.45 * len(rows)

    def test_a_third_of_the_texts_are_only_in_the_typedstream(self, chat: sqlite3.Connection) -> None:
        rows = chat.execute(SPEECH).fetchall()
        hidden = [first_string(blob) for _, text, blob, *_ in rows if text is None]
        assert len(hidden) >= len(rows) / 3
        sizes = [len(text.encode()) for text in hidden]
        assert any(127 < size < 256 for size in sizes)
        assert any(size > 255 for size in sizes)
        assert any(not text.isascii() for text in hidden)
        assert all(first_string(blob) == text for _, text, blob, *_ in rows if text is not None)
        assert any(b"NSMutableAttributedString" in blob for _, _, blob, *_ in rows)

    def test_tapbacks_added_and_removed(self, chat: sqlite3.Connection) -> None:
        types = dict(
            chat.execute(
                "SELECT associated_message_type, count(*) FROM message"
                " WHERE associated_message_type > 0 GROUP BY 1"
            )
        )
        assert {2000, 2001, 2003, 2004, 2005, 2006, 3000} <= types.keys()
        lost = """
            SELECT count(*) FROM message t WHERE t.associated_message_type > 0 AND NOT EXISTS
              (SELECT 1 FROM message m WHERE 'p:0/' || m.guid = t.associated_message_guid)
        """
        assert chat.execute(lost).fetchone() == (0,)

    def test_edited_and_unsent(self, chat: sqlite3.Connection) -> None:
        edited = chat.execute(
            "SELECT attributedBody, message_summary_info FROM message"
            " WHERE date_edited > 0 AND date_retracted = 0"
        ).fetchall()
        assert edited
        for body, info in edited:
            summary = plistlib.loads(info)
            history = summary["ec"]["0"]
            assert summary["otr"].keys() == {"0"}
            assert [part["d"] for part in history] == sorted(part["d"] for part in history)
            assert first_string(history[-1]["t"]) == first_string(body) != first_string(history[0]["t"])
        unsent = chat.execute(
            "SELECT text, attributedBody, message_summary_info FROM message WHERE date_retracted > 0"
        ).fetchall()
        assert unsent
        assert all(
            (text, body) == (None, None) and plistlib.loads(info)["rp"] == [0] for text, body, info in unsent
        )

    def test_replies_name_their_original(self, chat: sqlite3.Connection) -> None:
        pairs = chat.execute(
            "SELECT m.date > o.date FROM message m JOIN message o ON o.guid = m.thread_originator_guid"
        ).fetchall()
        assert pairs
        assert all(later for (later,) in pairs)

    def test_groups(self, chat: sqlite3.Connection) -> None:
        groups = dict(chat.execute("SELECT ROWID, display_name FROM chat WHERE style = 43"))
        assert "" in groups.values()
        assert "rota" in groups.values()
        own = """
            SELECT DISTINCT m.handle_id FROM message m JOIN chat_message_join j ON j.message_id = m.ROWID
            JOIN chat c ON c.ROWID = j.chat_id WHERE c.style = 43 AND m.is_from_me
        """
        assert chat.execute(own).fetchall() == [(0,)]
        events = chat.execute("SELECT DISTINCT item_type, group_action_type FROM message WHERE item_type > 0")
        assert set(events) == {(1, 0), (1, 1), (2, 0), (3, 0)}

    def test_one_person_on_two_services(self, chat: sqlite3.Connection) -> None:
        both = "SELECT chat_identifier, count(*) FROM chat WHERE style = 45 GROUP BY 1 HAVING count(*) = 2"
        assert chat.execute(both).fetchall() == [("+447700900185", 2)]

    def test_rows_in_no_chat_and_deleted_ones(self, chat: sqlite3.Connection) -> None:
        outside = """
            SELECT (SELECT count(*) FROM chat_recoverable_message_join r WHERE r.message_id = m.ROWID)
            FROM message m WHERE m.ROWID NOT IN (SELECT message_id FROM chat_message_join)
        """
        assert sorted(chat.execute(outside).fetchall()) == [(0,), (1,)]

    def test_attachments_links_and_apps(self, chat: sqlite3.Connection) -> None:
        rows = chat.execute(
            "SELECT m.attributedBody, a.guid FROM message m"
            " JOIN message_attachment_join j ON j.message_id = m.ROWID"
            " JOIN attachment a ON a.ROWID = j.attachment_id"
        ).fetchall()
        assert len(rows) >= 8
        assert all("\ufffc" in first_string(body) and guid.encode() in body for body, guid in rows)
        balloons = {name for (name,) in chat.execute("SELECT DISTINCT balloon_bundle_id FROM message")}
        assert "com.apple.messages.URLBalloonProvider" in balloons
        assert any(b"IMAudioTranscription" in body for body, _ in rows)
        codes = "SELECT count(*) FROM message WHERE instr(attributedBody, CAST('__kIMOneTimeCode' AS BLOB))"
        assert chat.execute(codes).fetchone() == (1,)

    def test_every_handle_is_invented(self, chat: sqlite3.Connection) -> None:
        handles = [address for (address,) in chat.execute("SELECT id FROM handle")]
        for address in handles:
            assert re.fullmatch(r"\+447700900\d{3}|[a-z.]+@example\.org|SALTMERE", address), address

    def test_contacts_name_the_numbers(self, chat: sqlite3.Connection) -> None:
        path = samples.imessage().with_name("AddressBook-v22.abcddb")
        contacts = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        numbers = {
            number.replace(" ", "")
            for (number,) in contacts.execute("SELECT ZFULLNUMBER FROM ZABCDPHONENUMBER")
        }
        contacts.close()
        handles = {address for (address,) in chat.execute("SELECT id FROM handle")}
        assert len(numbers) >= 8
        assert numbers <= handles


def test_rebuilding_gives_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path)
    bundled = Path(samples.__file__).parent
    for name in ("messenger", "imessage"):
        new = {path.relative_to(tmp_path): path for path in (tmp_path / name).rglob("*") if path.is_file()}
        old = {path.relative_to(bundled): path for path in (bundled / name).rglob("*") if path.is_file()}
        assert new.keys() == old.keys()
        assert [path for path in new if new[path].read_bytes() != old[path].read_bytes()] == []
