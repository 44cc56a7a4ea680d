"""Kill real imports at random moments: tests/fuzz/kill_imports.py [--kills N] [--seed S] [--messages M]

Each round imports one export: of Messenger or iMessage; into an empty studio, one that has an older half of
it, or one that has the other export. The import is killed with SIGKILL, its first process alone or its whole
process group, at a random moment after the studio was opened or at a random amount of what it has written.
Then no process of it may be left, the studio must open and be sound, with its search index, and be as it was
or complete, never with half a conversation. A second import must end: nothing is lost, nothing there twice,
no private copy left behind. Exports of 8,000 messages a thread and more are read by processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from imessage_database import Database
from messenger_export import said, write_thread
from real_command import COMMAND, environment, understudy

from engine.archive import open_studio, reading
from engine.archive.studio import connect

THREADS = 6
START = 1_700_000_000_000
LATEST = 10.0  # seconds that what an import started may live on after its first process was killed

Contents = dict[str, Counter[str]]
"""Title of a conversation -> how often each text stands in it."""


@dataclass
class Outcome:
    """moments: where the kills fell. problems: one sentence for whatever must not happen."""

    moments: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    messages: int = 0


@dataclass(frozen=True)
class Case:
    """An import to be killed. studio: a copy of it is imported into, None for a new one.

    before, after: what a studio has before and after it. seconds: from the studio's opening to the end.
    written: the bytes that its -wal file grows to.
    """

    name: str
    export: Path
    studio: Path | None
    before: Contents
    after: Contents
    seconds: float = 0.0
    written: int = 0


def lines(thread: int, messages: int) -> list[str]:
    return [f"thread {thread} says line {line} for the record" for line in range(messages)]


def write_export(folder: Path, messages: int) -> Contents:
    """THREADS threads of `messages` each; what must be in a studio that has imported them."""
    expected: Contents = {}
    for thread in range(THREADS):
        people = [f"Friend {thread}", "Nora"]
        texts = lines(thread, messages)
        rows = [said(people[at % 2], START + at * 30_000, text) for at, text in enumerate(texts)]
        write_thread(folder, f"friend{thread}_{thread}", rows, people)
        expected[people[0]] = Counter(texts)
    return expected


def write_database(path: Path, messages: int) -> Contents:
    """The same as a chat.db."""
    expected: Contents = {}
    made = Database(path)
    for thread in range(THREADS):
        title = f"friend{thread}@example.org"
        chat = made.chat(title, made.handle(title))
        expected[title] = Counter(lines(thread, messages))
        first = thread * messages + 1
        rows = [
            (
                first + at,
                f"{thread}-{at}",
                text,
                thread + 1,
                at % 2,
                (START + at) * 10**6 - 978307200 * 10**9,
            )
            for at, text in enumerate(expected[title])
        ]
        made.connection.executemany(
            "INSERT INTO message (ROWID, guid, text, handle_id, is_from_me, date) VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        made.connection.executemany(
            "INSERT INTO chat_message_join (chat_id, message_id) VALUES (?, ?)",
            [(chat, row[0]) for row in rows],
        )
    made.close()
    return expected


def contents(studio: Path) -> Contents:
    """What is in a studio; AssertionError or sqlite3.DatabaseError where the file is not sound."""
    with closing(connect(studio)) as connection:
        found: Contents = {}
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'messages'").fetchone():
            return found  # killed before there were tables
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("INSERT INTO speech_index (speech_index, rank) VALUES ('integrity-check', 1)")
        connection.rollback()
        counted = {}
        for id, title, messages in connection.execute("SELECT id, title, messages FROM conversations"):
            counted[title] = messages
            texts = connection.execute("SELECT text FROM messages WHERE conversation = ?", (id,))
            found[title] = Counter(text for (text,) in texts)
        assert {title: texts.total() for title, texts in found.items()} == counted, "figures are wrong"
        hits = "SELECT count(*) FROM speech_index WHERE speech_index MATCH 'record'"
        assert connection.execute(hits).fetchone() == (sum(counted.values()),), "the search misses some"
        return found


def cases(folder: Path, messages: int) -> list[Case]:
    """Every kind of import, tried once without a kill. Raises where even that fails."""
    made = {
        part: {
            "messenger": (folder / part, write_export(folder / part, count)),
            "imessage": (folder / f"{part}.db", write_database(folder / f"{part}.db", count)),
        }
        for part, count in (("half", messages // 2), ("whole", messages))
    }
    found: list[Case] = []

    def studio(kind: str, part: str) -> Path:
        """Of this import alone."""
        place = folder / f"{kind} {part}" / "studio.db"
        if not place.exists():
            place.parent.mkdir(mode=0o700)
            export, expected = made[part][kind]
            tried = _tried(folder, Case(f"{kind} into an empty studio", export, None, {}, expected), place)
            if part == "whole":
                found.append(tried)
        return place

    for kind, other in (("messenger", "imessage"), ("imessage", "messenger")):
        export, expected = made["whole"][kind]
        studio(kind, "whole")
        for name, start, before in (
            ("its older half", studio(kind, "half"), made["half"][kind][1]),
            ("the other export", studio(other, "whole"), made["whole"][other][1]),
        ):
            case = Case(f"{kind} into {name}", export, start, before, before | expected)
            found.append(_tried(folder, case))
    return found


def _tried(folder: Path, case: Case, keep: Path | None = None) -> Case:
    """The case with its figures; what came of it is copied to `keep`."""
    place = _place(folder, case)
    process = _start(place, case.export)
    seconds, written = _watched(process, place, lambda _seconds, _written: False)
    assert process.returncode == 0, f"{case.name}: failed with exit code {process.returncode}"
    assert contents(place) == case.after, case.name
    if keep is not None:
        shutil.copy(place, keep)
    return replace(case, seconds=seconds, written=written)


def kill_imports(folder: Path, kills: int, seed: int, messages: int = 1_500) -> Outcome:
    """Run `kills` rounds below `folder`, every kind of import and of kill in turn."""
    chance = random.Random(seed)
    outcome = Outcome(messages=THREADS * messages)
    turns = itertools.cycle(itertools.product((False, True), (False, True), cases(folder, messages)))
    for number in range(kills):
        by_time, whole_group, case = next(turns)
        moment = None
        try:
            while moment is None:  # it had ended already: no kill
                moment = _round(folder, case, chance, by_time, whole_group)
        except (AssertionError, sqlite3.DatabaseError) as error:
            killed = "the whole group" if whole_group else "the first process"
            outcome.problems.append(f"kill {number} of {killed}, {case.name}: {error}")
        else:
            outcome.moments[moment] += 1
    return outcome


def _place(folder: Path, case: Case) -> Path:
    """A fresh folder with the studio to import into."""
    home = folder / "round"
    shutil.rmtree(home, ignore_errors=True)
    (home / "temporary").mkdir(mode=0o700, parents=True)
    home.chmod(0o700)
    if case.studio is not None:
        shutil.copy(case.studio, home / "studio.db")
    return home / "studio.db"


def _start(studio: Path, export: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "import", str(export)],
        env=environment(studio, TMPDIR=str(studio.parent / "temporary")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _watched(
    process: subprocess.Popen[bytes], studio: Path, enough: Callable[[float, int], bool]
) -> tuple[float, int]:
    """Wait until `enough` of the seconds since the studio was opened and of the bytes written, or until it
    ends by itself; returns both."""
    wal = studio.with_name(studio.name + "-wal")
    opened, written = None, 0
    while process.poll() is None:
        now = time.monotonic()
        with suppress(FileNotFoundError):
            written = max(written, wal.stat().st_size)
            opened = opened or now
        if enough(now - (opened or now), written):
            break
        time.sleep(0.0005)
    return time.monotonic() - (opened or time.monotonic()), written


def _round(folder: Path, case: Case, chance: random.Random, by_time: bool, whole_group: bool) -> str | None:
    """Where the kill fell, None where the import had ended before it."""
    studio = _place(folder, case)
    after, bytes_ = chance.uniform(0, case.seconds * 1.1), chance.uniform(0, case.written)
    process = _start(studio, case.export)

    def enough(seconds: float, written: int) -> bool:
        return (seconds > after) if by_time else (written > bytes_)

    _, written = _watched(process, studio, enough)
    if process.poll() is None:
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    code = process.wait()
    wait_for_children(process.pid)
    assert code in (0, -signal.SIGKILL), f"the import failed with exit code {code}"
    if code == 0:
        return None
    asyncio.run(_open(studio))
    was = found = contents(studio)
    assert found in (case.before, case.after), "half an import: " + ", ".join(
        f"{title} {texts.total()}" for title, texts in found.items()
    )
    temporary = studio.parent / "temporary"
    completed = understudy("import", str(case.export), studio=studio, TMPDIR=str(temporary))
    assert completed.returncode == 0, completed.stderr
    found = contents(studio)
    for title, expected in case.after.items():
        lost, twice = expected - found.get(title, Counter()), found.get(title, Counter()) - expected
        assert not lost, f"{lost.total()} messages of {title} lost"
        assert not twice, f"{twice.total()} messages of {title} twice"
    assert found == case.after
    left = [path.name for path in (*temporary.iterdir(), *studio.parent.iterdir())]
    assert set(left) <= {"studio.db", "temporary"}, f"left behind: {left}"
    if was == case.after:
        return "complete"
    return "as it was, with rows written" if written > 4096 * 20 else "as it was, with nothing written yet"


def wait_for_children(group: int) -> None:
    """Whatever the import started ends by itself soon after it. AssertionError where it does not."""
    until = time.monotonic() + LATEST
    while left := living(group):
        assert time.monotonic() < until, f"{len(left)} processes live on: {left}"
        time.sleep(0.005)


def living(group: int) -> list[int]:
    """The processes of a process group that are no zombies."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [row.split() for row in listed.stdout.splitlines()]
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == group and stat[0] != "Z"]


async def _open(studio: Path) -> None:
    async with await open_studio(studio) as opened:
        await reading.counts(opened)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--messages", type=int, default=1_500, help="in each of six threads")
    args = arguments.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_imports(Path(folder), args.kills, args.seed, args.messages)
    for problem in outcome.problems:
        print(problem)
    where = ", ".join(f"{count} {moment}" for moment, count in outcome.moments.most_common())
    print(
        f"{args.kills} kills (seed {args.seed}) of imports of {outcome.messages:,} messages: {where}; "
        f"{len(outcome.problems)} problems, {time.monotonic() - started:.0f} s"
    )
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
