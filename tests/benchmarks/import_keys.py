"""Whether the screen stays alive during an import: how long a key takes to be answered.

    python tests/benchmarks/import_keys.py [MESSAGES [THREADS]]

The real program runs in a pseudo-terminal of 120x36 on a studio that has the sample chats and a few hundred
people. It imports a Messenger zip of MESSAGES (200,000) in THREADS (200), and meanwhile a person walks down
the list of Senders: `j` every 50 ms, whether or not the one before was answered. A key's answer is the
moment at which the bytes have arrived that put the bar on its row; what else is drawn meanwhile (the
progress) is none. Printed are p50, p95 and the longest of them, of the same walk without an import, and the
messages/s of that import and of the same one without keys.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
import messenger_import
from pseudo_terminal import PseudoTerminal
from real_command import COMMAND, environment, understudy

from engine import samples

EVERY = 0.05  # seconds from key to key
BAR = "252c36"  # the colour behind the row that is chosen, in the dark theme
LIST = slice(3, 40)  # the columns in which names stand
IDLE_KEYS = 100
RUNNING = re.compile(r"importing [\d,]+")
FINISHED = re.compile(r"([\d,]+) rows(?: · ([\d,]+)/s)? · ([\d.]+) s")


class Walk(NamedTuple):
    """answers: seconds from a key to its answer. unanswered: keys that had none. rate: messages/s."""

    answers: list[float]
    unanswered: int
    rate: float


def chosen(terminal: PseudoTerminal) -> str:
    """The name on the row under the bar, "" where none is seen."""
    for line in range(terminal.screen.lines):
        if terminal.screen.buffer[line][LIST.start].bg == BAR:
            return terminal.screen.display[line][LIST].strip()
    return ""


def next_row(terminal: PseudoTerminal, name: str) -> str:
    """The name of the row below, "" at the end of the list."""
    terminal.child.send("j")
    patience = time.perf_counter() + 1
    while time.perf_counter() < patience:
        terminal.read(0.02)
        if chosen(terminal) not in ("", name):
            terminal.settle(quiet=0.06)  # it may be drawn in part
            return chosen(terminal)
    return ""


def walk(terminal: PseudoTerminal, names: list[str], done: Callable[[], bool]) -> tuple[list[float], int]:
    """Press `j` every 50 ms from the top of `names` until `done`: the answers' seconds and the unanswered."""
    pressed: list[float] = []
    answers: list[float] = []
    began = time.perf_counter()
    while len(pressed) < len(names) - 1 and not done():
        due = began + len(pressed) * EVERY
        while True:
            rest = max(0.0, due - time.perf_counter())
            if terminal.read(rest):
                note(terminal, names, pressed, answers)
            elif rest == 0:
                break
        pressed.append(time.perf_counter())
        terminal.child.send("j")
    patience = time.perf_counter() + 5
    while len(answers) < len(pressed) and time.perf_counter() < patience:
        if terminal.read(0.02):
            note(terminal, names, pressed, answers)
    return answers, len(pressed) - len(answers)


def note(terminal: PseudoTerminal, names: list[str], pressed: list[float], answers: list[float]) -> None:
    """The bar stands on a row: every key up to the one that led there is answered now."""
    now = time.perf_counter()
    name = chosen(terminal)
    if name in names:
        answers.extend(now - at for at in pressed[len(answers) : names.index(name)])


def import_in(studio: Path, export: Path, keys: bool) -> tuple[Walk, Walk]:
    """The walk without an import and the one during it, which has no answers where keys is False."""
    with PseudoTerminal([*COMMAND], columns=120, rows=36, environment=environment(studio)) as terminal:
        terminal.child.delaybeforesend = None  # pexpect would wait before each key
        terminal.wait_for("Conversations")
        terminal.settle()
        terminal.press("2")
        terminal.settle()
        names = [chosen(terminal)]
        idle: list[float] = []
        left = 0
        if keys:
            while name := next_row(terminal, names[-1]):
                names.append(name)
            assert len(set(names)) == len(names) > 100, "every row must be told from the others"
            terminal.press("g")
            terminal.settle()
            idle, left = walk(terminal, names[: IDLE_KEYS + 1], lambda: False)
            terminal.press("g")
        terminal.press("1")
        terminal.settle()
        terminal.press("i")
        terminal.wait_for("Import an export")
        terminal.settle()
        terminal.press(*str(export))
        terminal.wait_for(" rows · ")
        terminal.press("\r")
        answers: list[float] = []
        unanswered = 0
        terminal.press("2")
        if keys:
            terminal.wait_for("importing")
            answers, unanswered = walk(terminal, names, lambda: not RUNNING.search(terminal.text()))
        while RUNNING.search(terminal.text()):
            terminal.read(0.1)
        terminal.settle()
        terminal.press("1")
        terminal.settle()
        found = FINISHED.search(terminal.text())
        assert found, terminal.text()
        rate = int(found[1].replace(",", "")) / float(found[3])
        return Walk(idle, left, 0), Walk(answers, unanswered, rate)


def show(name: str, walked: Walk) -> None:
    answers = sorted(walked.answers)
    p95 = answers[max(0, -(-len(answers) * 95 // 100) - 1)]
    print(
        f"{name:<14} {len(answers):4} keys, {walked.unanswered} without an answer: "
        f"p50 {statistics.median(answers) * 1000:5.0f} ms   p95 {p95 * 1000:5.0f} ms   "
        f"max {answers[-1] * 1000:5.0f} ms"
    )


def main(messages: int, threads: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        messenger_import.make(folder / "large", messages, threads)
        messenger_import.make(folder / "small", 1_500, 300)
        prepared = folder / "prepared.db"
        for export in (samples.messenger(), samples.imessage(), folder / "small" / "export.zip"):
            done = understudy("import", str(export), studio=prepared)
            assert done.returncode == 0, done.stderr
        rates: dict[bool, float] = {}
        for keys in (False, True):
            studio = folder / f"{keys}" / "studio.db"
            studio.parent.mkdir(mode=0o700)
            shutil.copy(prepared, studio)
            idle, during = import_in(studio, folder / "large" / "export.zip", keys)
            rates[keys] = during.rate
            if keys:
                show("no import", idle)
                show("during import", during)
        print(
            f"{messages:,} messages in {threads:,} threads: {rates[True]:,.0f} messages/s with keys, "
            f"{rates[False]:,.0f} without, ratio {rates[True] / rates[False]:.2f}"
        )


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]]
    main(*given, *(200_000, 200)[len(given) :])
