"""Kill real imports at random moments: python tests/fuzz/kill_imports.py [--kills 200] [--seed 1]

Each round starts an import of one export, into an empty studio or into one that has an older half of it,
kills it with SIGKILL at a random moment, and opens the studio: it must be sound, and as it was or complete,
never with half a conversation. Then the import is run to its end: nothing may be lost and nothing twice.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

from messenger_export import said, write_thread
from real_command import COMMAND, environment, understudy

from engine.archive import open_studio, reading
from engine.archive.studio import connect

THREADS = 6
START = 1_700_000_000_000

Contents = dict[str, Counter[str]]
"""Title of a conversation -> how often each text stands in it."""


@dataclass
class Outcome:
    """moments: where the kills fell. problems: one sentence for whatever must not happen."""

    moments: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    messages: int = 0


def write_export(folder: Path, messages: int) -> Contents:
    """THREADS threads of `messages` each; what must be in a studio that has imported them."""
    expected: Contents = {}
    for thread in range(THREADS):
        people = [f"Friend {thread}", "Nora"]
        texts = [f"thread {thread} says line {line} for the record" for line in range(messages)]
        rows = [said(people[at % 2], START + at * 30_000, text) for at, text in enumerate(texts)]
        write_thread(folder, f"friend{thread}_{thread}", rows, people)
        expected[people[0]] = Counter(texts)
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
        return found


def kill_imports(folder: Path, kills: int, seed: int, messages: int = 1_500) -> Outcome:
    """Run `kills` rounds below `folder`. Raises where even an undisturbed import fails."""
    chance = random.Random(seed)
    half, whole = folder / "half", folder / "whole"
    older, expected = write_export(half, messages // 2), write_export(whole, messages)
    begun = folder / "begun" / "studio.db"
    undisturbed = folder / "undisturbed" / "studio.db"
    assert understudy("import", str(half), studio=begun).returncode == 0
    started = time.monotonic()
    assert understudy("import", str(whole), studio=undisturbed).returncode == 0
    end = time.monotonic() - started
    started = time.monotonic()
    assert understudy("imports", studio=undisturbed).returncode == 0
    idle = time.monotonic() - started  # of which most is spent before anything is read
    assert contents(begun) == older
    assert contents(undisturbed) == expected
    outcome = Outcome(messages=sum(texts.total() for texts in expected.values()))
    number = 0
    while number < kills:
        home = folder / "round"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        studio = home / "studio.db"
        before: Contents = {}
        if number % 2:
            shutil.copy(begun, studio)
            before = older
        try:
            moment, took = _round(studio, whole, chance.uniform(min(idle, end) * 0.5, end), before, expected)
            if moment is None:  # it had ended already: no kill, and the machine is faster than was thought
                end = min(end, took)
                continue
        except (AssertionError, sqlite3.DatabaseError) as error:
            outcome.problems.append(f"kill {number}: {error}")
        else:
            outcome.moments[moment] += 1
        number += 1
    return outcome


def _round(
    studio: Path, export: Path, delay: float, before: Contents, after: Contents
) -> tuple[str | None, float]:
    """Where the kill fell, None where the import had ended before it, and the seconds until then."""
    command = [*COMMAND, "import", str(export)]
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=environment(studio), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=delay)
    except subprocess.TimeoutExpired:
        process.kill()
    code = process.wait()
    took = time.monotonic() - started
    assert code in (0, -signal.SIGKILL), f"the import failed with exit code {code}"
    if code == 0:
        return None, took
    touched = studio.with_name(studio.name + "-wal").exists()  # a clean end takes it away
    asyncio.run(_open(studio))
    was = found = contents(studio)
    assert found in (before, after), "half an import: " + ", ".join(
        f"{title} {texts.total()}" for title, texts in found.items()
    )
    completed = understudy("import", str(export), studio=studio)
    assert completed.returncode == 0, completed.stderr
    found = contents(studio)
    for title, texts in after.items():
        lost, twice = texts - found.get(title, Counter()), found.get(title, Counter()) - texts
        assert not lost, f"{lost.total()} messages of {title} lost"
        assert not twice, f"{twice.total()} messages of {title} twice"
    assert found == after
    if not touched:
        return "before the studio was opened", took
    return ("with the studio open, complete" if was == after else "with the studio open, as it was"), took


async def _open(studio: Path) -> None:
    async with await open_studio(studio) as opened:
        await reading.counts(opened)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    args = arguments.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_imports(Path(folder), args.kills, args.seed)
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
