"""What the screen costs with a full studio: time, bytes and memory, through a pseudo-terminal of 120x36.

    python tests/benchmarks/screen.py [--studio FILE] [MESSAGES [RUNS [KEYS]]]

A studio of MESSAGES (1,000,000) in 1,000 conversations, one of them with 3 of every 10, is made by a
real import, or taken from FILE (made there, and kept, where it is missing). Starts are medians of
RUNS (7) after a first one, KEYS (100) is how often each key is pressed. Beside ours stand a Textual
hello-world and, where they are on the PATH, posting, harlequin and elia (posting 2.11 crashes at
every other start unless tree-sitter is older than 0.26). A key's time ends with the last byte of its
answer; every figure is printed with its budget.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import select
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from pseudo_terminal import PseudoTerminal

QUESTION, ANSWER = b"\x1b[5n", b"\x1b[0n"
"""How are you, asked of the terminal behind each frame, and: well."""

QUIET = 0.12
"""Seconds without a byte after which an answer has ended."""

DOWN, UP, PAGE_DOWN, PAGE_UP = "\x1b[B", "\x1b[A", "\x1b[6~", "\x1b[5~"
SPOKEN = """
slow and steady the harbour tide gate lettuce almost meaning tomorrow boat morning again
never mind it rains over there somebody left kettle on who brings flag saturday course
"""
WORDS = SPOKEN.split()
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("Conversations")
Hello().run()
"""
PEERS = {"posting": ["posting"], "harlequin": ["harlequin"], "elia": ["elia"]}


BUDGETS = "first paint 250 ms after hello-world, 40 KB until quiet, nothing in idle, 120 MB"


class NothingPaintedError(Exception):
    """A program that ended, or stood still, before its first paint."""


class Start(NamedTuple):
    paint: float  # seconds to the first paint
    size: int  # bytes until it is quiet
    idle: int  # bytes in the two seconds after that
    held: float  # MB in memory then


class Answer(NamedTuple):
    seconds: float
    size: int


def conversations(messages: int) -> Iterator[object]:
    """1,000 conversations, the first with 3 of every 10 messages."""
    from engine.conversation import Conversation, Message, Sender

    rng = random.Random(7)
    large = messages * 3 // 10
    for n in range(1000):
        count = large if n == 0 else (messages - large) // 999
        me, you = Sender("me", "Tortoise", is_owner=True), Sender(f"p{n}", f"Friend {n:03}")

        def spoken(n: int = n, count: int = count) -> Iterator[Message]:
            moment = 1_400_000_000_000 + n * 86_400_000
            for at in range(count):
                moment += int(rng.expovariate(1 / 300_000)) + 1
                text = " ".join(rng.choices(WORDS, k=1 + int(rng.expovariate(1 / 9))))
                yield Message(f"{at}", ("me", f"p{n}")[rng.random() < 0.5], moment, text)

        yield Conversation(f"c{n}", f"Friend {n:03}", (me, you), spoken())


async def make(path: Path, messages: int) -> None:
    from engine.archive import ingest, open_studio
    from engine.importers import ImportReport

    async with await open_studio(path) as studio:
        await ingest.ingest(
            studio,
            source="Messenger",
            importer="messenger",
            path="/export",
            conversations=conversations(messages),  # type: ignore[arg-type]
            report=ImportReport(),
        )


def drain(terminal: PseudoTerminal, quiet: float) -> Answer:
    """Everything that comes until `quiet` seconds bring nothing; the time of its last byte."""
    started = last = time.perf_counter()
    size, line = 0, terminal.child.fileno()
    while select.select([line], [], [], quiet)[0]:
        came = os.read(line, 1 << 16)
        last = time.perf_counter()
        size += len(came)
        os.write(line, ANSWER * came.count(QUESTION))  # as any terminal
    return Answer(last - started, size)


def press(terminal: PseudoTerminal, key: str) -> Answer:
    os.write(terminal.child.fileno(), key.encode())
    return drain(terminal, QUIET)


def to_a_day(terminal: PseudoTerminal, day: str) -> Answer:
    """What enter takes that sends the conversation to a day."""
    press(terminal, "t")
    press(terminal, day)
    return press(terminal, "\r")


def start(program: Sequence[str], environment: dict[str, str], word: bytes = b"onversations") -> Start:
    started = time.perf_counter()
    with PseudoTerminal(program, columns=120, rows=36, environment=environment) as terminal:
        while word not in terminal.raw or len(terminal.raw) < 4096:  # modes alone are no paint
            alive = terminal.child.isalive()
            if not terminal.read(0.005) and (not alive or time.perf_counter() - started > 30):
                raise NothingPaintedError(f"{program[0]}: {_why_nothing(terminal)}")
        paint = time.perf_counter() - started
        terminal.settle()
        size = len(terminal.raw)
        terminal.settle(quiet=2.0, seconds=2.0)
        return Start(paint, size, len(terminal.raw) - size, memory(terminal)[0])


def _why_nothing(terminal: PseudoTerminal) -> str:
    child = terminal.child
    if child.isalive():
        return "nothing painted in 30 s"
    crashed = child.signalstatus is not None
    return f"crashed with signal {child.signalstatus}" if crashed else f"ended with {child.exitstatus}"


def memory(terminal: PseudoTerminal) -> tuple[float, float]:
    """MB held now, and at most so far."""
    status = Path(f"/proc/{terminal.child.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def said(name: str, answers: Sequence[Answer], budget: str) -> None:
    times = sorted(answer.seconds * 1000 for answer in answers)
    p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
    mean = statistics.fmean(answer.size for answer in answers)
    p50 = statistics.median(times)
    print(f"{name:<34} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   {mean:8,.0f} bytes   {budget}")


def keys(environment: dict[str, str], count: int) -> None:
    """Press keys in the list, the transcript, the search and the people, and print what each costs."""
    with PseudoTerminal(
        [sys.executable, "-m", "tui"], columns=120, rows=36, environment=environment
    ) as terminal:
        terminal.wait_for("Friend")
        terminal.settle()
        now, peak = memory(terminal)
        print(f"{'memory after the start':<34} {now:6.0f} MB, at most {peak:.0f} MB   (120 MB)")
        inside = [press(terminal, DOWN if at % 2 else UP) for at in range(count)][1:]
        said("a cursor key inside the list", inside, "(1 KB, p95 30 ms)")
        press(terminal, PAGE_DOWN)  # to the last line that is shown
        said("over the list's edge, twice", [press(terminal, DOWN) for _ in range(30)], "")
        ends = [press(terminal, key) for key in "gG" * (count // 2)]
        said("g and G in the list", ends, "(60 ms)")
        press(terminal, "s")  # by number of messages: the largest comes first
        press(terminal, "g")
        press(terminal, "\r")
        terminal.settle()
        press(terminal, "G")
        ends = [press(terminal, key) for key in "gG" * (count // 2)]
        said("g and G in the largest", ends, "(60 ms)")
        days = [to_a_day(terminal, f"2015-{at % 12 + 1:02}-{at % 28 + 1:02}") for at in range(count // 4)]
        said("to a date in the largest", days, "(60 ms)")
        press(terminal, "G")
        said("a cursor key in the transcript", [press(terminal, UP) for _ in range(count)], "")
        said("a page in the transcript", [press(terminal, PAGE_UP) for _ in range(count)], "(4 KB a key)")
        press(terminal, "\x1b")
        press(terminal, "/")
        found = [press(terminal, letter) for letter in "harbour"]
        said("a letter of a search", found, "(first results 100 ms after the pause)")
        now, peak = memory(terminal)
        print(f"{'memory after that':<34} {now:6.0f} MB, at most {peak:.0f} MB   (120 MB)")
        press(terminal, "\x1b")
        press(terminal, "\x1b")
        press(terminal, "2")
        terminal.settle(quiet=3, seconds=60)
        now, peak = memory(terminal)
        print(f"{'memory after Senders':<34} {now:6.0f} MB, at most {peak:.0f} MB   (120 MB)")


def main(studio: Path | None = None, messages: int = 1_000_000, runs: int = 7, count: int = 100) -> None:
    with tempfile.TemporaryDirectory() as home:
        studio = studio or Path(home) / "studio.db"
        if not studio.exists():
            began = time.perf_counter()
            asyncio.run(make(studio, messages))
            print(f"{messages:,} messages imported in {time.perf_counter() - began:.1f} s")
        folders = {"XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home}
        environment = {**os.environ, **folders, "UNDERSTUDY_STUDIO": str(studio)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled once
        programs = {
            "hello-world": ([sys.executable, "-c", HELLO], b"onversations"),
            "understudy": ([sys.executable, "-m", "tui"], b"Friend"),
            **{name: (line, b"") for name, line in PEERS.items() if shutil.which(line[0])},
        }
        starts: dict[str, list[Start]] = {name: [] for name in programs}
        for _ in range(1 + runs):
            for name, (program, word) in list(programs.items()):
                try:
                    starts[name].append(start(program, environment, word))
                except NothingPaintedError as error:
                    if name not in PEERS:
                        raise
                    print(error)
                    del programs[name], starts[name]
        for measured in starts.values():
            del measured[0]  # the one that compiled
        for name, measured in starts.items():
            paint, size, idle, held = (statistics.median(values) for values in zip(*measured, strict=True))
            print(
                f"{name:<12} first paint {paint * 1000:6.0f} ms   {size / 1000:6.1f} KB until quiet"
                f"   {idle:6,.0f} bytes in 2 s idle   {held:4.0f} MB"
            )
        print(f"(budgets: {BUDGETS})")
        hello, ours = (
            statistics.median(one.paint for one in starts[name]) for name in ("hello-world", "understudy")
        )
        print(f"first paint {(ours - hello) * 1000:.0f} ms after hello-world (250), ratio {ours / hello:.2f}")
        keys(environment, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--studio", type=Path)
    parser.add_argument("counts", type=int, nargs="*")
    given = parser.parse_args()
    main(given.studio, *given.counts)
