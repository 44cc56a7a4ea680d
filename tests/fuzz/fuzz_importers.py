"""Feed the importers what no service ever wrote.

    python tests/fuzz/fuzz_importers.py [--inputs N | --seconds N] [--seed S] [--kind KIND]

Mutated typedstreams, Messenger JSON, chat.db files and zips go in. Each must come to its end within
20 seconds and 1 GB, raise nothing but StudioError or DataError, and leave a report that counts every row.
An input is made from (kind, seed, number) alone, so that every find can be made again. Exits with 1
where there were finds.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import accounted
from imessage_database import Database, history
from typedstream_writer import FILE, PART, Run, Url, encode

from engine.errors import StudioError
from engine.importers import Importer, ImportReport, recognise, typedstream
from engine.importers.imessage import IMessageImporter
from engine.importers.messenger import MessengerImporter

SECONDS, MEMORY = 20, 2**30
# How many inputs a child process takes, and how often each kind has its turn.
BATCHES = {"typedstream": 4000, "json": 400, "database": 60, "zip": 30}
SHARES = {"typedstream": 20, "json": 5, "database": 1, "zip": 1}
T = 1_700_000_000_000


def mutate(chance: random.Random, raw: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 8, 64)))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0x86, 0x87, 0x92, 0xFF))
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4:
                data[at:end] = chance.choice(words) if words else chance.randbytes(end - at)
            case 5:
                data = data[: max(1, at)]
    return bytes(data)


@lru_cache
def streams() -> tuple[bytes, ...]:
    runs = [
        Run("😂a", {PART: 0, "d": {"k": 1.5}}),
        Run("\ufffc", {PART: 1, FILE: "at"}),
        Run("x", {"u": Url("y")}),
    ]
    edited = [Run("once", {"n": 2**40, "data": b"\0" * 40}), Run("upon", {PART: 10})]
    return encode("slow and steady"), encode(runs), encode(edited, mutable=True), encode("z" * 70_000)


def try_typedstream(chance: random.Random, folder: Path) -> None:
    blob = mutate(chance, chance.choice(streams()[: chance.choice((3, 3, 3, 4))]))
    typedstream.text(blob)
    typedstream.decode(blob)


ODD_VALUES = (
    *(b"null", b"true", b"-1", b"1e999", b"99999999999999999999", b"[]", b"{}", b'""', b'"\\ud83d"'),
    *(b'"\\u0000"', b"[[[[", b'{"a":', b"\xff", b'"\\u00c3\\u00a9"', b"NaN", b"0.5", b"[" * 5000),
)


@lru_cache
def thread() -> bytes:
    names = [{"name": "Hare"}, {"name": "Tortoise"}]
    messages = [
        {"sender_name": "Hare", "timestamp_ms": T + n, "content": "Zo\u00c3\u00ab!", "is_unsent": False}
        | ({"photos": [{"uri": "a.jpg"}], "reactions": [{"reaction": "x", "actor": "Hare"}]} if n % 2 else {})
        | (
            {"call_duration": 3, "share": {"link": "https://x.org"}, "sticker": {"uri": "s"}}
            if n == 4
            else {}
        )
        for n in range(6)
    ]
    made = {"participants": names, "messages": messages, "title": "Race", "thread_path": "inbox/race_1"}
    return json.dumps(made, indent=1).encode()


@lru_cache
def locked_thread() -> bytes:
    """The other shape, of end-to-end encrypted chats."""
    message = {"senderName": "Hare", "timestamp": T, "text": "hi", "type": "text", "isUnsent": False}
    made = {"participants": ["Hare", "Tortoise"], "threadName": "Race", "messages": [message] * 4}
    return json.dumps(made | {"media": [], "reactions": []}).encode()


def try_json(chance: random.Random, folder: Path) -> None:
    file = folder / "message_1.json"
    file.write_bytes(mutate(chance, chance.choice((thread(), locked_thread())), ODD_VALUES))
    drain(MessengerImporter(), file)


@lru_cache
def database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = Database(Path(folder, "chat.db"))
        hare, owl = made.handle("+15550100001"), made.handle("owl@example.org")
        chats = made.chat("+15550100001", hare), made.chat("chat1", hare, owl, style=43, display_name="Race")
        edits = history(ec={"0": [{"d": 1.0, "t": encode("frist")}]}, otr={"0": {"lo": 0, "le": 5}}, rp=[1])
        for n in range(60):
            row = made.message(chats[n % 2], hare, T + n, None if n % 3 else f"line {n}", body=f"line {n}")
            if n % 5 == 0:
                made.attach(row, f"{n}.jpeg", mime_type="image/jpeg")
        made.message(chats[0], hare, T, "x" * 9000, date_edited=1, message_summary_info=edits)
        on = {"associated_message_type": 2000, "associated_message_guid": "p:0/guid-1"}
        made.message(chats[0], owl, T, "Loved", **on)
        made.message(chats[1], owl, T, None, item_type=2, group_title="Race", body=streams()[1])
        return made.close().read_bytes()


def try_database(chance: random.Random, folder: Path) -> None:
    raw = bytearray(database())
    if chance.random() < 0.2:  # the header and the schema
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(4096)] = chance.randrange(256)
    for _ in range(chance.choice((1, 3, 30))):
        at = chance.randrange(len(raw))
        raw[at : at + 1] = chance.randbytes(1)
    if chance.random() < 0.2:
        page = 4096 * chance.randrange(1, len(raw) // 4096)
        raw[page : page + 4096] = chance.choice((b"\xa5", b"\0", b"\r")) * 4096
    if chance.random() < 0.1:
        del raw[chance.randrange(len(raw)) :]
    file = folder / "chat.db"
    file.write_bytes(raw)
    drain(IMessageImporter(), file)


def try_zip(chance: random.Random, folder: Path) -> None:
    file = folder / "export.zip"
    inside = "your_facebook_activity/messages/inbox/race_1/message_1.json"
    names = (
        "../message_1.json",
        "/etc/message_1.json",
        "C:\\message_1.json",
        "a/../../message_1.json",
        inside,
    )
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # the same name twice
        archive.writestr(inside, thread())
        match chance.randrange(8):
            case 0:
                archive.writestr(inside, b" " * chance.choice((10**6, 10**8)))  # a bomb
            case 1:
                archive.writestr(chance.choice(names), thread())
            case 2:
                link = zipfile.ZipInfo("inbox/message_1.json")
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "/etc/passwd")
            case 3:
                archive.writestr("Library/chat.db", mutate(chance, database()))
            case 4:
                archive.writestr("chat.db", bytes(chance.choice((10, 10**7))))
            case 5:
                for n in range(chance.choice((10, 2000))):
                    archive.writestr(f"inbox/{n}/message_1.json", b"{}")
            case _:
                archive.writestr("inbox/hare/message_1.json", mutate(chance, thread(), ODD_VALUES))
    raw = bytearray(file.read_bytes())
    match chance.randrange(6):
        case 0:  # "locked with a password", in every header
            for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                where = raw.find(mark)
                raw[where + at] |= 1
        case 1:
            raw = bytearray(mutate(chance, bytes(raw)))
        case 2:
            where = raw.rfind(b"PK\x05\x06")
            raw[where + 8 : where + 12] = struct.pack("<HH", 65535, chance.randrange(65536))
        case 3:  # a size that lies
            where = raw.find(b"PK\x01\x02")
            raw[where + 24 : where + 28] = struct.pack("<I", chance.choice((0, 1, 2**31, 2**32 - 1)))
    file.write_bytes(raw)
    drain(recognise(file), file)


def drain(importer: Importer, path: Path) -> None:
    report = ImportReport()
    importer.recognises(path)
    for conversation in importer.conversations(path, report):
        for message in conversation.messages:
            assert isinstance(message.text, str)
            assert isinstance(message.time, int)
    accounted.check(report)


TRIES: dict[str, Callable[[random.Random, Path], None]] = {
    "typedstream": try_typedstream,
    "json": try_json,
    "database": try_database,
    "zip": try_zip,
}


def batch(kind: str, seed: int, first: int, count: int) -> None:
    """In the child process: print each find as a line of JSON."""
    import resource

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def late(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took more than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    for number in range(first, first + count):
        signal.alarm(SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            try:
                TRIES[kind](random.Random(f"{kind} {seed} {number}"), Path(folder))
            except StudioError:
                pass  # a sentence and a remedy: as it should be
            except Exception:
                found = {"kind": kind, "seed": seed, "number": number, "error": traceback.format_exc()}
                print(json.dumps(found), flush=True)
    signal.alarm(0)


def run_batch(kind: str, seed: int, first: int, count: int) -> list[dict[str, object]]:
    program = [sys.executable, __file__, "--batch", kind, str(first), str(count), "--seed", str(seed)]
    try:
        done = subprocess.run(program, capture_output=True, text=True, timeout=SECONDS * 10)
    except subprocess.TimeoutExpired:
        return [{"kind": kind, "seed": seed, "number": first, "error": f"hangs in one of {count} inputs"}]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        found.append({"kind": kind, "seed": seed, "number": first, "error": done.stderr[-2000:] or "killed"})
    return found


def fuzz(*, inputs: int, seconds: float, seed: int, kinds: list[str]) -> tuple[int, list[dict[str, object]]]:
    """How many inputs there were, and the finds."""
    started = time.monotonic()
    done = dict.fromkeys(kinds, 0)
    found: list[dict[str, object]] = []
    weight = sum(SHARES[kind] for kind in kinds)
    while sum(done.values()) < inputs and time.monotonic() - started < seconds:
        # The kind that is furthest behind its share.
        kind = min(kinds, key=lambda kind: done[kind] / SHARES[kind])
        count = min(BATCHES[kind], max(1, inputs * SHARES[kind] // weight), inputs - sum(done.values()))
        found += run_batch(kind, seed, done[kind], count)
        done[kind] += count
    print(
        ", ".join(f"{count:,} {kind}" for kind, count in done.items()),
        f"in {time.monotonic() - started:.0f} s",
    )
    return sum(done.values()), found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--inputs", type=int, default=10**9)
    arguments.add_argument("--seconds", type=float, default=10**9)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--kind", choices=list(TRIES), action="append")
    arguments.add_argument("--batch", nargs=3, metavar=("KIND", "FIRST", "COUNT"))
    given = arguments.parse_args()
    if given.batch:
        batch(given.batch[0], given.seed, int(given.batch[1]), int(given.batch[2]))
        return 0
    if given.inputs == given.seconds == 10**9:
        given.inputs = 10_000
    count, found = fuzz(
        inputs=given.inputs, seconds=given.seconds, seed=given.seed, kinds=given.kind or list(TRIES)
    )
    for find in found:
        print(f"--- {find['kind']} {find['seed']} {find['number']}\n{find['error']}")
    print(f"{count:,} inputs, {len(found)} finds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
