"""ctrl+z, `fg`, `bg` and SIGSTOP, with the real program as a job of a real shell in a real terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

EMPTY = "Nothing here yet."
OURS = b"\x1b[?1049h"
GIVEN_BACK = b"\x1b[?1049l"


class Shell(PseudoTerminal):
    """An interactive bash with job control, whose prompt is `$> `."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(
            ["bash", "--norc", "--noprofile", "-i"],
            columns=100,
            rows=30,
            environment={
                **os.environ,
                "UNDERSTUDY_STUDIO": str(folder / "s.db"),
                "PS1": "$> ",
                "PS2": "",
                **environment,
            },
        )
        self.wait_for("$>")

    def type(self, line: str) -> None:
        self.child.send(line + "\r")

    def say(self, line: str, wanted: str) -> str:
        """Type a line at the prompt and wait for what the shell answers."""
        self.type("clear")
        self.settle(quiet=0.2)
        self.type(line)
        return self.wait_for(wanted)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path) as made:
        made.type(f"{sys.executable} -m tui")
        made.wait_for(EMPTY)
        made.settle()
        yield made
        made.child.sendcontrol("z")
        made.type("kill -KILL %1")
        made.settle()


def suspend(shell: Shell) -> None:
    shell.press("\x1a")
    shell.wait_for("Stopped")
    shell.settle(quiet=0.3)


def leave(shell: Shell) -> None:
    """q still ends it with 0, and the shell has its terminal back."""
    shell.press("q")
    shell.wait_for("$>")
    assert "code=0=" in shell.say('echo "code=$?="', "code=0=")


def test_ctrl_z_gives_the_terminal_back_and_fg_draws_anew(shell: Shell) -> None:
    suspend(shell)
    assert shell.raw.count(GIVEN_BACK) == shell.raw.count(OURS) == 1
    assert shell.raw.rindex(b"\x1b[?25h") > shell.raw.rindex(b"\x1b[?25l"), "the cursor is seen again"
    for mode in (b"1000", b"1003", b"1004", b"2004"):
        assert shell.raw.rindex(b"\x1b[?" + mode + b"l") > shell.raw.index(b"\x1b[?" + mode + b"h")
    assert "answer=42=" in shell.say('echo "answer=$((6*7))="', "answer=42=")
    before = len(shell.raw)
    shell.type("fg")
    shell.wait_for(EMPTY)
    shell.settle()
    assert OURS in shell.raw[before:]
    assert "1 Conversations" in shell.text() and "answer" not in shell.text()
    shell.press("2")
    shell.wait_for("Nobody has written")
    leave(shell)


def test_suspending_again_and_again_leaves_one_reader_of_the_keyboard(shell: Shell) -> None:
    for _ in range(3):
        suspend(shell)
        shell.type("clear; fg")
        shell.wait_for(EMPTY)
        shell.settle(quiet=0.3)
    shell.press("i")
    shell.wait_for("Import an export")
    shell.press(*"abcdefgh")
    assert "abcdefgh" in shell.wait_for("abcdefgh"), "no second reader takes some of the keys"
    shell.press("\x1b")
    shell.wait_for(EMPTY)
    leave(shell)


def test_it_stays_stopped_in_the_background_until_fg(shell: Shell) -> None:
    suspend(shell)
    before = len(shell.raw)
    shell.type("bg; sleep 0.5")
    shell.settle(quiet=1)
    assert OURS not in shell.raw[before:], "in the background it leaves the terminal alone"
    shell.type("clear; fg")
    shell.wait_for(EMPTY)
    shell.settle(quiet=0.3)
    leave(shell)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
def test_a_stop_from_elsewhere_heals_at_fg(shell: Shell, number: signal.Signals) -> None:
    job = os.tcgetpgrp(shell.child.fileno())
    threads = Path(f"/proc/{job}/task")
    before = len(list(threads.iterdir())) if threads.exists() else 0
    os.kill(job, number)
    shell.wait_for("Stopped")
    shell.settle(quiet=0.3)
    shell.type("clear; fg")
    shell.wait_for(EMPTY)
    shell.settle()
    assert not before or len(list(threads.iterdir())) <= before, "one reader of the keyboard, as before"
    shell.press("i")
    shell.wait_for("Import an export")
    shell.press(*"abcdefgh")
    shell.wait_for("abcdefgh")
    shell.press("\x1b")
    shell.wait_for(EMPTY)
    leave(shell)
    assert shell.raw.rindex(GIVEN_BACK) > shell.raw.rindex(OURS)


@pytest.mark.parametrize("name", ["TERM", "HUP"])
def test_a_stopped_one_can_be_ended_and_leaves_the_terminal_alone(shell: Shell, name: str) -> None:
    suspend(shell)
    (job,) = re.findall(r"job=(\d+)=", shell.say('echo "job=$(jobs -p)=told"', "=told\n"))
    before = len(shell.raw)
    shell.type(f"kill -{name} %1")
    deadline = time.monotonic() + 60
    while Path(f"/proc/{job}").exists() if Path("/proc").exists() else "Stopped" in shell.say("jobs", "$>"):
        assert time.monotonic() < deadline, "it lives on"
        shell.read(0.2)
    shell.settle()
    assert OURS not in shell.raw[before:] and GIVEN_BACK not in shell.raw[before:]
    assert "answer=42=" in shell.say('echo "answer=$((6*7))="', "answer=42=")


def test_a_script_around_it_is_stopped_with_it(tmp_path: Path) -> None:
    script = tmp_path / "around.sh"
    script.write_text(f"{sys.executable} -m tui\necho 'the script went on'\n")
    with Shell(tmp_path) as shell:
        shell.type(f"bash {script}")
        shell.wait_for(EMPTY)
        shell.settle()
        suspend(shell)
        assert "went on" not in shell.text()
        shell.type("clear; fg")
        shell.wait_for(EMPTY)
        shell.settle(quiet=0.3)
        shell.press("q")
        shell.wait_for("the script went on")


def test_without_a_shell_to_go_back_to_it_says_so(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tui"]
    environment = {**os.environ, "UNDERSTUDY_STUDIO": str(tmp_path / "s.db")}
    with PseudoTerminal(program, columns=80, rows=24, environment=environment) as terminal:
        terminal.wait_for(EMPTY)
        terminal.settle()
        terminal.press("\x1a")
        terminal.wait_for("There is no shell to go back to.")
        os.kill(terminal.child.pid, signal.SIGTSTP)
        time.sleep(0.5)
        terminal.settle()
        terminal.press("q")
        assert terminal.wait_for_end() == 0
