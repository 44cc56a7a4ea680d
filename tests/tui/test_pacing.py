"""A slow line: what it cannot take is not sent, and when it can it gets the newest frame."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from pathlib import Path

import pytest
import studio_builder
from pseudo_terminal import PseudoTerminal

from tui import pacing
from tui.pacing import LAG, LEAST, LOST, QUESTION, Pace

PROGRAM = [sys.executable, "-m", "tui", "--studio"]


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


class Line(PseudoTerminal):
    """A terminal whose answers stay on the way while `held`."""

    held = False

    def __init__(self, program: list[str]) -> None:
        self._on_the_way: list[str] = []
        super().__init__(program, columns=80, rows=24)

    def _answer(self, answer: str) -> None:
        if self.held:
            self._on_the_way.append(answer)
        else:
            super()._answer(answer)

    def let_go(self) -> None:
        self.held = False
        for answer in self._on_the_way:
            super()._answer(answer)
        self._on_the_way.clear()

    @property
    def frames(self) -> int:
        return self.raw.count(QUESTION.encode())


class Mute(Line):
    """A terminal that answers nothing."""

    held = True


def opened(studio: Path, kind: type[Line] = Line) -> Line:
    terminal = kind([*PROGRAM, str(studio)])
    terminal.wait_for("2 conversations")
    terminal.press("\r")
    terminal.wait_for(" 60 of 60")
    terminal.settle()
    return terminal


def test_while_the_line_is_behind_keys_count_and_frames_do_not_pile_up(studio: Path) -> None:
    with opened(studio) as terminal:
        before = terminal.frames
        terminal.press(*"kkkkkkkkkk")
        terminal.settle()
        assert terminal.frames >= before + 5, "each key is seen"
        terminal.held = True
        before = terminal.frames
        terminal.press(*"k" * 40)
        terminal.settle()
        assert terminal.frames <= before + 5
        terminal.let_go()
        terminal.wait_for(" 10 of 60")
        assert terminal.text().count("Hare") > 3
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_a_terminal_that_answers_nothing_is_not_asked_again(studio: Path) -> None:
    with opened(studio, Mute) as terminal:
        terminal.press(*"kkkkk")
        terminal.wait_for(" 55 of 60")
        assert terminal.frames == 2
        terminal.press("q")
        assert terminal.wait_for_end() == 0


def test_an_answer_that_is_late_is_not_typed_into_what_comes_next(studio: Path) -> None:
    patient = "import sys, tui.driver as d; from tui.__main__ import main; d.ANSWERS = 60.0; main()"
    program = shlex.join([sys.executable, "-c", patient, "--studio", str(studio)])
    rest = 'IFS= read -r -s -t 2 -n 4 left; echo "left=$(printf %s "$left" | od -An -c)="'
    with Line(["bash", "-c", f"{program}; {rest}"]) as terminal:
        terminal.wait_for("2 conversations")
        terminal.settle()
        terminal.held = True
        terminal.press("j", "q")
        while b"\x1b[?2004l" not in terminal.raw:
            terminal.read()
        terminal.settle(quiet=1)
        terminal.let_go()
        assert "left==" in terminal.wait_for("left=")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "monotonic", made)
    return made


def answered(pace: Pace, clock: Clock, size: int, took: float) -> None:
    pace.wrote(size)
    pace.wrote(len(pace.ask()))
    clock.now += took
    pace.heard()


def test_a_quick_line_takes_everything_and_a_slow_one_what_it_carries(clock: Clock) -> None:
    pace = Pace()
    answered(pace, clock, 0, 0.2)
    assert pace.room() == float("inf")
    answered(pace, clock, 5_000, 0.2)
    assert pace.room() == float("inf"), "it waited for nothing but the way there and back"
    answered(pace, clock, 2_000, 1.2)  # a second for 2,000 bytes
    for _ in range(20):
        answered(pace, clock, 400, 0.4)
    assert 500 < pace.room() < 700, "what 2,000 bytes a second carry in the way and a lag"
    pace.wrote(600)
    pace.wrote(len(pace.ask()))
    assert not pace.room()
    clock.now += 0.5
    pace.heard()
    assert pace.room() >= LEAST


def test_an_answer_that_was_lost_does_not_stop_it_for_ever(clock: Clock) -> None:
    pace = Pace()
    answered(pace, clock, 0, 0.1)
    pace.wrote(100)
    pace.wrote(len(pace.ask()))
    clock.now += 0.1 + LAG + 0.01
    assert not pace.room()
    assert pace.waiting
    clock.now += LOST
    assert pace.room() == float("inf")
    pace.heard()  # it came after all
    assert pace.room() == float("inf")


def test_an_answer_may_come_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace()
    pace.ask()
    pace.heard()
    pace.ask()
    hearing = threading.Thread(target=pace.heard)

    def meanwhile() -> float:
        monkeypatch.setattr(pacing, "monotonic", time.monotonic)
        hearing.start()
        hearing.join(0.2)
        return time.monotonic()

    monkeypatch.setattr(pacing, "monotonic", meanwhile)
    pace.room()
    hearing.join()
    assert not pace.waiting
