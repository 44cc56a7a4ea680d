"""How fast a large chat.db is read, beside LangChain's IMessageChatLoader.

    python tests/benchmarks/imessage_import.py [MESSAGES] [ROUNDS]

Makes one chat.db (500,000 messages, 40 % of them with NULL text), the same at every run. Then both
readers take it in turn, each time in a fresh process, and walk over every message of every
conversation; so does an import that leaves a studio, with a search in it. Messages/s are the messages
of the file by the seconds from the first import of the reader's module to the last message.
LangChain's loader returns the messages of groups once for each member and passes over one's own rows
without a handle: the messages that it returned are printed too, and the ratio by either count. Peak
memory is the whole process's, with what it imports.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from imessage_database import SCHEMA, history, nanoseconds
from process_memory import measured
from typedstream_writer import FILE, PART, Run, encode

MESSAGES, ROUNDS = 500_000, 3
DIRECT, GROUPS = 160, 40
PART_MENTION = "__kIMMentionConfirmedMention"
WORDS = (
    "the of and to in we you that was for on are with as they be at one have this from or had by hot but "
    "some what there can out other were all your when up use word how said each she which do their time if "
    "will way about many then them would write like so these her long make thing see him two has look more "
    "day could go come did my sound no most number who over know water than call first people may down "
    "side been now find any new work part take get place made live where after back little only round café "
    "naïve 🐢 😂 ok haha yeah tomorrow tonight dinner coffee"
)

OURS = """
import time; started = time.perf_counter()
import json, sys
from pathlib import Path
from engine.importers.imessage import IMessageImporter
from engine.importers.report import ImportReport
report = ImportReport()
count = 0
for conversation in IMessageImporter().conversations(Path(sys.argv[1]), report):
    for message in conversation.messages:
        count += 1
"""
LANGCHAIN = """
import time; started = time.perf_counter()
import json, sys, warnings
warnings.simplefilter("ignore")
from langchain_community.chat_loaders.imessage import IMessageChatLoader
count = 0
for session in IMessageChatLoader(sys.argv[1]).lazy_load():
    for message in session["messages"]:
        count += 1
"""
INGEST = """
import time; started = time.perf_counter()
import asyncio, json, sys, tempfile
from pathlib import Path
from engine.archive import open_studio
from engine.importers.finding import recognise_all
from engine.importing import begin, finish
async def run(folder):
    (export,) = recognise_all([Path(sys.argv[1])]).exports
    begun = await begin(export)
    async with await open_studio(Path(folder, "studio.db")) as studio:
        return (await finish(studio, begun)).report
with tempfile.TemporaryDirectory() as folder:
    report = asyncio.run(run(folder))
count = sum(report.kinds.values()) - report.kinds["reaction"]
"""
MEASURE = """
print(json.dumps([count, time.perf_counter() - started]))
"""


def make(path: Path, messages: int) -> None:
    """A chat.db as a Mac keeps it: bodies on every row, tapbacks, replies, edits, photos, mentions."""
    import sqlite3

    chance = random.Random(20_240_301)
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA.read_text("utf-8"))
    handles = [(n, f"+1555{n:07d}", "iMessage") for n in range(1, DIRECT + 1)]
    connection.executemany("INSERT INTO handle (ROWID, id, service) VALUES (?, ?, ?)", handles)
    members: dict[int, list[int]] = {n: [n] for n in range(1, DIRECT + 1)}
    for chat in range(DIRECT + 1, DIRECT + GROUPS + 1):
        members[chat] = chance.sample(range(1, DIRECT + 1), chance.randint(2, 8))
    for chat, who in members.items():
        style, name = (45, handles[chat - 1][1]) if len(who) == 1 else (43, f"chat{chat}")
        connection.execute(
            "INSERT INTO chat (ROWID, guid, style, chat_identifier) VALUES (?, ?, ?, ?)",
            (chat, f"iMessage;-;{name}", style, name),
        )
        connection.executemany("INSERT INTO chat_handle_join VALUES (?, ?)", [(chat, one) for one in who])
    # A few chats hold most of what is said.
    weights = [1 / rank for rank in range(1, len(members) + 1)]
    chats = chance.sample(sorted(members), len(members))
    chosen = chance.choices(chats, weights, k=messages)
    named = (
        "guid, text, handle_id, attributedBody, service, account, date, is_from_me, cache_has_attachments,"
        " associated_message_guid, associated_message_type, thread_originator_guid, date_edited,"
        " message_summary_info, destination_caller_id, is_read, date_read, ROWID"
    )
    insert = f"INSERT INTO message ({named}) VALUES ({', '.join('?' * 18)})"
    template = encode("@@@@")
    before, after = template.split(b"\x04@@@@")
    at = 1_500_000_000_000
    said: dict[int, str] = {}
    words = WORDS.split()
    batch: list[tuple[object, ...]] = []
    photos: list[tuple[int, str]] = []
    for row, chat in enumerate(chosen, 1):
        at += chance.randrange(200, 200_000)
        mine = chance.random() < 0.45
        group = len(members[chat]) > 1
        handle = chance.choice(members[chat]) if not mine else 0 if group else members[chat][0]
        guid = f"{chance.getrandbits(128):032X}"
        text: str | None = " ".join(chance.choices(words, k=chance.randint(1, 22)))
        assert text is not None
        odd = chance.random()
        tapback = target = originator = edited = summary = None
        if odd < 0.07 and chat in said:
            tapback, target = chance.randint(2000, 2005), f"p:0/{said[chat]}"
            text = f"Loved “{text[:40]}”"
        body = None
        if odd > 0.97:
            photos.append((row, guid))
            body = encode([Run("\ufffc", {PART: 0, FILE: f"at_0_{guid}"}), Run(text, {PART: 1})])
            text = "\ufffc" + text
        elif odd > 0.965:
            body = encode([Run("@Hare ", {PART: 0, PART_MENTION: "+15550000001"}), Run(text, {PART: 0})])
            text = "@Hare " + text
        elif odd > 0.955:
            versions = [{"d": 1.0, "t": encode(text[:-1])}, {"d": 2.0, "t": encode(text)}]
            edited, summary = nanoseconds(at), history(ec={"0": versions}, otr={"0": {"lo": 0, "le": 9}})
        elif odd > 0.92 and chat in said:
            originator = said[chat]
        if body is None:
            data = text.encode()
            size = bytes([len(data)]) if len(data) < 128 else b"\x81" + len(data).to_bytes(2, "little")
            body = before + size + data + after
        if tapback is None:
            said[chat] = guid
        batch.append(
            (
                *(
                    guid,
                    None if chance.random() < 0.4 else text,
                    handle,
                    body,
                    "iMessage",
                    "E:me@example.org",
                ),
                *(nanoseconds(at), int(mine), int(odd > 0.97), target, tapback or 0, originator, edited),
                *(summary, "+15550009999", 1, nanoseconds(at), row),
            )
        )
        if len(batch) == 20_000:
            connection.executemany(insert, batch)
            batch.clear()
    connection.executemany(insert, batch)
    connection.executemany(
        "INSERT INTO chat_message_join VALUES (?, ?, 0)", [(chat, row) for row, chat in enumerate(chosen, 1)]
    )
    connection.executemany(
        "INSERT INTO attachment (ROWID, guid, original_guid, filename, uti, mime_type, transfer_name)"
        " VALUES (?, ?, ?, ?, 'public.jpeg', 'image/jpeg', ?)",
        [(row, f"at_0_{guid}", guid, f"~/{row}.jpeg", f"IMG_{row}.jpeg") for row, guid in photos],
    )
    connection.executemany("INSERT INTO message_attachment_join VALUES (?, ?)", [(r, r) for r, _ in photos])
    connection.commit()
    connection.close()


def measure(script: str, path: Path) -> tuple[int, float, float]:
    """Messages returned, seconds, and the most MB of memory."""
    said, peak = measured([sys.executable, "-c", script + MEASURE, str(path)])
    count, seconds = json.loads(said.splitlines()[-1])
    return count, seconds, peak


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chat.db")
        started = time.perf_counter()
        make(path, messages)
        size = path.stat().st_size / 2**20
        print(f"{messages:,} messages, {size:,.0f} MB, made in {time.perf_counter() - started:.0f} s")
        scripts = {"ours": OURS, "with studio": INGEST, "LangChain": LANGCHAIN}
        found: dict[str, list[tuple[int, float, float]]] = {name: [] for name in scripts}
        for _ in range(rounds):
            for name, script in scripts.items():
                found[name].append(measure(script, path))
        rates: dict[str, float] = {}
        returned: dict[str, float] = {}
        for name, runs in found.items():
            seconds = statistics.median(run[1] for run in runs)
            rates[name], returned[name] = messages / seconds, runs[0][0] / seconds
            print(
                f"{name:<12} {seconds:6.2f} s {rates[name]:9,.0f} messages/s, returned {runs[0][0]:9,}"
                f" ({returned[name]:9,.0f}/s), peak {max(run[2] for run in runs):6,.0f} MB"
            )
        for name in ("ours", "with studio"):
            ratio = rates[name] / rates["LangChain"]
            print(f"{name}: ratio {ratio:.2f} by messages of the file", end=", ")
            print(f"{returned[name] / returned['LangChain']:.2f} by messages returned")


if __name__ == "__main__":
    main()
