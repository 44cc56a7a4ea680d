"""Feed the importers what no service ever wrote.

    python tests/fuzz/fuzz_importers.py [--inputs N] [--seed S] [--shares KIND=SHARE ...] [--kind KIND ...]

Mutated typedstreams, property lists, Messenger JSON, chat.db files and zips go in, also where an export is
only looked over before it is imported. Each must come to its end within 10 seconds of the processor's time
and 1 GB, raise nothing but StudioError, count every row in its report, and leave nothing behind on the disk.
They go through a child process, many each, so that what hangs or crashes in C is found too and named. An
input is made from (kind, seed, number) alone:

    python tests/fuzz/fuzz_importers.py --seed S --only KIND NUMBER

tries that one again in this process. Exits with 1 where there were finds.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import accounted
from databases import BOOK, database
from msgspec.structs import replace
from threads import thread_json
from typedstreams import streams
from typedstreams import summary as a_summary
from typedstreams import typedstream as a_typedstream
from zips import zip_file

from engine.conversation import Attachment, Kind, Message
from engine.errors import StudioError
from engine.importers import Importer, ImportReport, messenger, recognise, spoken, thread_files, typedstream
from engine.importers.finding import recognise_all
from engine.importers.imessage import IMessageImporter
from engine.importers.imessage_rows import Row, content
from engine.importers.messenger import MessengerImporter
from engine.importers.report import to_json
from engine.importers.survey import survey

SECONDS, MEMORY = 10, 2**30
WAITING = 180  # seconds by the clock, for what hangs without working; the machine may be busy
# How many inputs a child process takes, and how many of 100 are of each kind.
BATCHES = {"typedstream": 8000, "summary": 2000, "json": 3000, "zip": 1500, "database": 1000}
SHARES = {"typedstream": 40, "summary": 5, "json": 25, "zip": 15, "database": 15}

Find = tuple[str, int, str]
"""Kind, number, what went wrong."""


def row(body: bytes | None, summary: bytes | None) -> Row:
    nothing = dict.fromkeys(Row._fields)
    given = {"rowid": 1, "guid": "g", "handle": 1, "date": 1, "body": body, "summary": summary}
    return Row(**nothing | given | {"date_edited": 1 if summary else None})  # type: ignore[arg-type]


def understand(one: Row, attachments: tuple[Attachment, ...]) -> None:
    found = content(one, attachments)
    if not isinstance(found, str):
        assert isinstance(found.text, str)
        assert isinstance(found.kind, Kind)


def try_typedstream(chance: random.Random, folder: Path) -> None:
    blob = a_typedstream(chance)
    text, body = typedstream.text(blob), typedstream.decode(blob)
    assert text is None or isinstance(text, str)
    assert body is None or isinstance(body.text, str)
    understand(row(blob, None), ())
    understand(row(blob, b"bplist00")._replace(date_retracted=1), ())


def try_summary(chance: random.Random, folder: Path) -> None:
    summary, body = a_summary(chance), streams()[chance.randrange(4)]
    understand(row(body, summary), ())
    understand(row(None, summary)._replace(text="plain", date_retracted=1), ())


def try_json(chance: random.Random, folder: Path) -> None:
    file = folder / "message_1.json"
    file.write_bytes(thread_json(chance))
    look_over(folder)
    whole = drain(MessengerImporter(), file)
    if chance.random() < 0.3:
        with small_pieces():
            try:
                pieces = drain(MessengerImporter(), file)
            except StudioError as error:
                raise AssertionError(f"read in pieces it cannot be read: {error}") from None
        assert pieces == whole, "read in pieces it holds something else"


@contextmanager
def small_pieces() -> Iterator[None]:
    """Every thread file is a large one, which is read in pieces and kept packed."""
    before = thread_files.WHOLE, thread_files.PIECE, spoken.PACKED_FROM
    messenger.WHOLE = thread_files.WHOLE = 100
    thread_files.PIECE, messenger.PACKED_FROM, spoken.PACKED_FROM = 300, 2, 2
    try:
        yield
    finally:
        thread_files.WHOLE, thread_files.PIECE, spoken.PACKED_FROM = before
        messenger.WHOLE, messenger.PACKED_FROM = before[0], before[2]


def try_database(chance: random.Random, folder: Path) -> None:
    files = {name if name == BOOK else f"chat.db{name}": raw for name, raw in database(chance).items()}
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    look_over(folder)
    look_over(folder / "chat.db")
    drain(IMessageImporter(include_deleted=chance.random() < 0.5), folder / "chat.db")
    if {file.name for file in folder.iterdir()} != set(files):
        raise AssertionError(f"files beside it: {list(folder.iterdir())}")


def try_zip(chance: random.Random, folder: Path) -> None:
    file = folder / "export.zip"
    file.write_bytes(zip_file(chance))
    look_over(file)
    if chance.random() < 0.3:
        look_over(folder)
    drain(recognise(file), file)


def look_over(path: Path) -> None:
    """What is told about an export before it is imported."""
    try:
        found = recognise_all([path])
    except StudioError as error:
        check_sentences(error)
        return
    for left in found.left:
        assert left.name and left.why, left
    for export in found.exports:
        seen = survey(export, lambda: None)
        assert seen.size >= 0
        assert (seen.rows or 0) >= 0
        assert (seen.threads or 0) >= 0
        assert seen.owner is None or isinstance(seen.owner, str)


def check_sentences(error: StudioError) -> None:
    assert error.message.endswith(".") and error.hint.endswith((".", "?")), str(error)


def drain(importer: Importer, path: Path) -> dict[str, Counter[Message]]:
    """The messages of each conversation, without their order and their keys, which may depend on it."""
    report = ImportReport()
    importer.recognises(path)
    found: dict[str, Counter[Message]] = {}
    for conversation in importer.conversations(path, report):
        assert conversation.key not in found, "two conversations of one key"
        messages = list(conversation.messages)
        found[conversation.key] = Counter(replace(message, key="") for message in messages)
        identities = {(message.key, message.key or (message.time, message.text)) for message in messages}
        assert len(identities) == len(messages), "two messages of one key"
        known = {sender.key for sender in conversation.senders}
        for message in messages:
            assert isinstance(message.text, str)
            assert isinstance(message.time, int)
            assert -(2**63) <= message.time < 2**63
            assert message.sender in known, "a sender who is nobody"
    to_json(report)
    accounted.check(report)
    if isinstance(importer, IMessageImporter) and is_sound(path):
        assert report.rows_read == report.rows_total, "a row that nobody counted"
    return found


def is_sound(database: Path) -> bool:
    """Whether it is one file in which every index says what its table says."""
    if database.with_name(f"{database.name}-wal").exists():
        return False
    with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
        except (sqlite3.Error, UnicodeDecodeError):
            return False


TRIES: dict[str, Callable[[random.Random, Path], None]] = {
    "typedstream": try_typedstream,
    "summary": try_summary,
    "json": try_json,
    "zip": try_zip,
    "database": try_database,
}


def limit_memory() -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def attempt(kind: str, seed: int, number: int, folder: Path) -> None:
    """Raises whatever an importer must not raise, AssertionError for what it must not leave."""
    try:
        TRIES[kind](random.Random(f"{kind} {seed} {number}"), folder)
    except StudioError as error:
        check_sentences(error)
    left = [path.name for path in folder.parent.iterdir() if path != folder]
    assert not left, f"left behind: {left}"
    for file in folder.iterdir():
        file.unlink()


def batch(kind: str, seed: int, first: int, count: int, scratch: Path) -> None:
    """In the child process: print each find as a line of JSON. The file `at` says how far it is."""
    limit_memory()
    tempfile.tempdir = str(scratch / "temporary")  # the importers' own
    folder = scratch / "temporary" / "input"
    folder.mkdir(parents=True)
    slowest = 0.0, first
    with (scratch / "at").open("r+b") as file, mmap.mmap(file.fileno(), 8) as at:
        for number in range(first, first + count):
            at[:] = struct.pack("<q", number)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process, in C code too
            started = time.process_time()
            try:
                attempt(kind, seed, number, folder)
            except Exception:
                print(json.dumps([kind, number, traceback.format_exc()]), flush=True)
                for left in folder.parent.rglob("*"):
                    if not left.is_dir():
                        left.unlink()
            slowest = max(slowest, (time.process_time() - started, number))
    signal.setitimer(signal.ITIMER_PROF, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps({"slowest": slowest, "peak": peak}))


def run_batch(kind: str, seed: int, first: int, count: int) -> tuple[list[Find], tuple[float, int], float]:
    """The finds, the slowest input with its seconds, and the largest memory in MB."""
    finds: list[Find] = []
    slowest, peak, end = (0.0, first), 0.0, first + count
    while first < end:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=scratch_place()) as folder:
            scratch = Path(folder)
            (scratch / "at").write_bytes(struct.pack("<q", first))
            program = [sys.executable, __file__, "--seed", str(seed), "--batch", kind]
            with (scratch / "out").open("w+") as out, (scratch / "err").open("w+") as err:
                child = subprocess.Popen(
                    [*program, f"{first}", f"{end - first}", folder], stdout=out, stderr=err
                )
                hung = _watch(child, scratch / "at")
                said = [json.loads(line) for line in (scratch / "out").read_text().splitlines()]
                finds += [(found[0], found[1], found[2]) for found in said if isinstance(found, list)]
                for figures in said:
                    if isinstance(figures, dict):
                        slowest = max(slowest, tuple(figures["slowest"]))
                        peak = max(peak, figures["peak"])
                if child.returncode == 0 and not hung:
                    break
                (number,) = struct.unpack("<q", (scratch / "at").read_bytes())
                if hung or child.returncode == -signal.SIGPROF:
                    why = f"hangs for {WAITING} s" if hung else f"works for more than {SECONDS} s"
                else:
                    why = (scratch / "err").read_text()[-2000:] or f"ended with {child.returncode}"
                finds.append((kind, number, why))
                first = number + 1
    return finds, slowest, peak


def _watch(child: subprocess.Popen[bytes], at: Path) -> bool:
    """Wait until it ends. True where one input took too long; the child is killed then."""
    number, since = at.read_bytes(), time.monotonic()
    while True:
        try:
            child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            now = at.read_bytes()
            if now != number:
                number, since = now, time.monotonic()
            elif time.monotonic() - since > WAITING:
                child.kill()
                child.wait()
                return True
        else:
            return False


def scratch_place() -> str | None:
    """In memory where that can be had: a million files would wear a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def fuzz(inputs: int, seed: int, shares: dict[str, int]) -> list[Find]:
    """Try `inputs` inputs, of each kind as many as its share, and print a line for each kind."""
    finds: list[Find] = []
    for kind, share in shares.items():
        count, first = round(inputs * share / sum(shares.values())), 0
        slowest, peak, started = (0.0, 0), 0.0, time.monotonic()
        for first in range(0, count, BATCHES[kind]):
            found, slow, most = run_batch(kind, seed, first, min(BATCHES[kind], count - first))
            finds += found
            slowest, peak = max(slowest, slow), max(peak, most)
        print(
            f"{kind:<12} {count:7,} inputs in {time.monotonic() - started:4.0f} s, the slowest"
            f" {slowest[0]:.2f} s (number {slowest[1]}), at most {peak:.0f} MB",
            flush=True,
        )
    return finds


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--inputs", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--kind", choices=list(TRIES), action="append", help="this kind alone")
    arguments.add_argument("--shares", nargs="+", default=[], metavar="KIND=SHARE")
    arguments.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"))
    arguments.add_argument("--batch", nargs=4, metavar=("KIND", "FIRST", "COUNT", "FOLDER"))
    given = arguments.parse_args()
    if given.batch:
        kind, first, count, folder = given.batch
        batch(kind, given.seed, int(first), int(count), Path(folder))
        return 0
    if given.only:
        limit_memory()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(tempfile.mkdtemp(dir=place))
            tempfile.tempdir = place
            attempt(given.only[0], given.seed, int(given.only[1]), folder)
        return 0
    shares = {kind: SHARES[kind] for kind in given.kind or TRIES}
    shares |= {kind: int(share) for kind, share in (text.split("=") for text in given.shares)}
    started = time.monotonic()
    finds = fuzz(given.inputs, given.seed, shares)
    for kind, number, error in finds:
        print(f"--- --seed {given.seed} --only {kind} {number}\n{error}")
    print(
        f"{given.inputs:,} inputs (seed {given.seed}), {len(finds)} finds, {time.monotonic() - started:.0f} s"
    )
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
