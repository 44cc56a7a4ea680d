"""Keys over a slow line: python tests/benchmarks/slow_line.py [--studio FILE] [BYTES_A_SECOND ...]

What the program writes waits, as in an SSH connection, in a buffer without an end, and goes through a
line of BYTES_A_SECOND (1024 2048 4096) that takes TRAVEL seconds each way to a terminal that answers
what it is asked. Single keys are pressed, and keys are held for HELD seconds, RATE times a second, and
then another is pressed: how late bytes were seen, how many waited at most, and when the other key's last
byte was there. FILE is a studio (see screen.py); else it is the sample exports.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import statistics
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from pseudo_terminal import PseudoTerminal

TRAVEL = 0.1
HELD, RATE = 5.0, 30
STEP = 0.01
QUESTIONS = re.compile(rb"\x1b\[5n|\x1b\[\?(\d+)\$p")


class Seen(NamedTuple):
    at: float
    late: float  # seconds since it was written
    size: int


class SlowLine:
    """The program behind a line. `run` lets time pass; what a person saw meanwhile is in `seen`."""

    def __init__(self, terminal: PseudoTerminal, rate: int, answers: bool = True) -> None:
        self.terminal, self.rate, self.answers = terminal, rate, answers
        self._waiting: deque[tuple[float, bytes]] = deque()  # (written at, bytes)
        self._back: deque[tuple[float, bytes]] = deque()  # (arrives at, bytes)
        self._credit, self._last = 0.0, time.monotonic()
        self._tail = b""
        terminal.screen.write_process_input = lambda _answer: None  # it is on the way
        self.most = 0
        self.seen: list[Seen] = []

    @property
    def waiting(self) -> int:
        return sum(len(data) for _, data in self._waiting)

    def press(self, key: str) -> None:
        self._back.append((time.monotonic() + TRAVEL, key.encode()))

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            self._read(min(STEP, until - now))
            self._carry()

    def run_until_quiet(self, quiet: float = 1.5, seconds: float = 200.0) -> None:
        """Until nothing has come, or waited, for `quiet` seconds."""
        until = time.monotonic() + seconds
        last = time.monotonic()
        while time.monotonic() < until and time.monotonic() - last < quiet:
            before = len(self.seen)
            self.run(STEP)
            if self._waiting or len(self.seen) > before:
                last = time.monotonic()

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        until = time.monotonic() + seconds
        while text not in self.terminal.text():
            assert time.monotonic() < until, self.terminal.text()
            self.run(0.1)

    def _read(self, seconds: float) -> None:
        line = self.terminal.child.fileno()
        if select.select([line], [], [], seconds)[0]:
            with suppress(OSError):  # it has ended
                self._waiting.append((time.monotonic(), os.read(line, 1 << 16)))
            self.most = max(self.most, self.waiting)

    def _carry(self) -> None:
        now = time.monotonic()
        # An idle line saves nothing up.
        self._credit = min(self._credit + (now - self._last) * self.rate, self.rate * 0.05)
        self._last = now
        while self._waiting and self._credit >= 1:
            written, data = self._waiting.popleft()
            part, rest = data[: int(self._credit)], data[int(self._credit) :]
            if rest:
                self._waiting.appendleft((written, rest))
            self._credit -= len(part)
            self._show(part, now - written)
        while self._back and self._back[0][0] <= now:
            os.write(self.terminal.child.fileno(), self._back.popleft()[1])

    def _show(self, data: bytes, late: float) -> None:
        self.seen.append(Seen(time.monotonic() + TRAVEL, late + TRAVEL, len(data)))
        self.terminal.raw += data
        self.terminal._stream.feed(data)
        self._tail += data
        for question in QUESTIONS.finditer(self._tail):
            if self.answers:
                answer = b"\x1b[?%s;2$y" % question[1] if question[1] else b"\x1b[0n"
                self._back.append((time.monotonic() + 2 * TRAVEL, answer))
        end = max((found.end() for found in QUESTIONS.finditer(self._tail)), default=0)
        self._tail = self._tail[max(end, len(self._tail) - 16) :]


def hold(line: SlowLine, key: str, other: str, name: str) -> None:
    line.run_until_quiet()
    line.seen.clear()
    line.most = 0
    started = time.monotonic()
    for at in range(int(HELD * RATE)):
        line.run(max(0.0, started + at / RATE - time.monotonic()))
        line.press(key)
    line.run(0.3)
    line.press(other)
    pressed = time.monotonic()
    line.run_until_quiet()
    sizes = sum(one.size for one in line.seen)
    late = max((one.late for one in line.seen), default=0)
    print(
        f"{name:<26} {sizes:7,} bytes, {line.most:6,} waited, late at most {late:5.1f} s, "
        f"then {other!r} was done after {line.seen[-1].at - pressed:.1f} s",
        flush=True,
    )


def single(line: SlowLine, keys: str, name: str) -> None:
    line.run_until_quiet()
    times, sizes = [], []
    for key in keys:
        line.seen.clear()
        line.press(key)
        pressed = time.monotonic()
        line.run_until_quiet(quiet=0.8)
        if line.seen:
            times.append(line.seen[-1].at - pressed)
            sizes.append(sum(one.size for one in line.seen))
    print(
        f"{name:<26} {statistics.fmean(sizes):7,.0f} bytes a key, its last byte after "
        f"{statistics.median(times):4.2f} s (median), {max(times):4.2f} s (most)",
        flush=True,
    )


def measure(program: list[str], environment: dict[str, str], rate: int, answers: bool) -> None:
    with PseudoTerminal(program, columns=120, rows=36, environment=environment) as terminal:
        line = SlowLine(terminal, rate, answers)
        started = time.monotonic()
        line.wait_for(" conversations ")
        line.run_until_quiet()
        print(
            f"\n{rate} bytes/s, {2000 * TRAVEL:.0f} ms there and back{'' if answers else ', no answers'}: "
            f"first screen {len(terminal.raw):,} bytes, there after {line.seen[-1].at - started:.1f} s",
            flush=True,
        )
        single(line, "jjjjkkkk", "list, single keys")
        hold(line, "j", "g", "list, j held")
        line.press("\r")
        line.run_until_quiet()
        single(line, "jjjjkkkk", "transcript, single keys")
        hold(line, "k", "G", "transcript, k held")
        hold(line, "\x1b[5~", "G", "transcript, page up held")
        line.press("q")
        line.run_until_quiet(quiet=0.5)
        while terminal.child.isalive():
            line.run(0.1)


def main() -> None:
    asked = argparse.ArgumentParser(usage=__doc__)
    asked.add_argument("--studio")
    asked.add_argument("--no-answers", action="store_true")
    asked.add_argument("--ssh", default="on")
    asked.add_argument("rates", type=int, nargs="*", default=[1024, 2048, 4096])
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SSH", "TEXTUAL", "UNDERSTUDY"))}
        environment = clean | {"UNDERSTUDY_SSH": given.ssh, "TMPDIR": folder, "XDG_CONFIG_HOME": folder}
        program = [sys.executable, "-m", "tui"]
        if given.studio:
            environment["UNDERSTUDY_STUDIO"] = given.studio
        else:
            program.append("demo")
        for rate in given.rates or [1024, 2048, 4096]:
            measure(program, environment, rate, not given.no_answers)


if __name__ == "__main__":
    main()
