"""The mouse, a slow line, the clipboard, sizes and a terminal that stops reading: what is really sent."""

from __future__ import annotations

import base64
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

from tui import terminal as modes

PROGRAM = [sys.executable, "-m", "tui"]
EMPTY = "Nothing here yet."
TAKEN = re.compile(rb"\x1b\[\?(?:1000|1002|1003|1016)h")
LEFT = b"\x1b[?1000l"


def studio(path: Path, **environment: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SSH", "TEXTUAL"))}
    return {**clean, "UNDERSTUDY_STUDIO": str(path / "s.db"), **environment}


def opened(path: Path, columns: int = 80, rows: int = 24, **environment: str) -> PseudoTerminal:
    return PseudoTerminal(PROGRAM, columns=columns, rows=rows, environment=studio(path, **environment))


def leave(terminal: PseudoTerminal) -> None:
    terminal.press("q")
    assert terminal.wait_for_end() == 0


def test_the_mouse_is_given_to_the_terminal_and_taken_back(tmp_path: Path) -> None:
    with opened(tmp_path) as terminal:
        terminal.wait_for(EMPTY)
        terminal.settle()
        assert b"\x1b[?1003h" in terminal.raw
        before = len(terminal.raw)
        terminal.press("M")
        terminal.wait_for("The mouse is the terminal's: select with it. M takes it back.")
        assert LEFT in terminal.raw[before:] and not TAKEN.search(terminal.raw[before:])
        before = len(terminal.raw)
        terminal.press("M")
        terminal.wait_for("The mouse is the studio's again.")
        assert b"\x1b[?1000h" in terminal.raw[before:]
        terminal.press("\x1b[<0;20;1M", "\x1b[<0;20;1m")
        terminal.wait_for("Nobody has written anything yet.")  # a click on Senders
        leave(terminal)


def test_a_mouse_that_is_off_is_never_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, UNDERSTUDY_MOUSE="off") as terminal:
        terminal.wait_for(EMPTY)
        terminal.settle()
        assert not TAKEN.search(terminal.raw)
        leave(terminal)
        assert not TAKEN.search(terminal.raw)


def test_over_ssh_moves_of_the_mouse_are_not_reported_and_less_is_sent(tmp_path: Path) -> None:
    sent = {}
    for ssh in ("off", "on"):
        with opened(tmp_path, 120, 36, UNDERSTUDY_SSH=ssh) as terminal:
            terminal.wait_for(EMPTY)
            terminal.settle()
            sent[ssh] = len(terminal.raw)
            assert (b"\x1b[?1003h" in terminal.raw) == (ssh == "off")
            assert (b"\x1b[?1002h" in terminal.raw) == (ssh == "on")
            assert ("slow line" in terminal.text()) == (ssh == "on")
            leave(terminal)
            assert LEFT in terminal.raw
    assert sent["on"] < sent["off"], sent


def test_what_is_copied_goes_to_the_terminals_clipboard_and_that_is_said(tmp_path: Path) -> None:
    environment = studio(tmp_path, TMPDIR=str(tmp_path))
    with PseudoTerminal([*PROGRAM, "demo"], columns=120, rows=36, environment=environment) as terminal:
        terminal.wait_for("30 conversations")
        terminal.press("\r")
        terminal.wait_for(" of 524")
        terminal.settle()
        terminal.press("y")
        terminal.wait_for("Sent to the terminal's clipboard.")
        (copied,) = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", terminal.raw)
        assert base64.b64decode(copied).decode()[:20] in " ".join(terminal.text().split())
        leave(terminal)


def test_nothing_of_the_chats_is_left_when_the_terminal_is_given_back(tmp_path: Path) -> None:
    with opened(tmp_path) as terminal:
        terminal.wait_for(EMPTY)
        leave(terminal)
        # The emulator has one screen alone, and so shows what tmux may show after a new size.
        assert EMPTY not in terminal.text() and "Conversations" not in terminal.text()


def test_without_boxes_the_terminals_cursor_is_shown(tmp_path: Path) -> None:
    with opened(tmp_path, UNDERSTUDY_BOXES="off") as terminal:
        terminal.wait_for(EMPTY)
        terminal.settle()
        assert not terminal.screen.cursor.hidden
        leave(terminal)


def resize(terminal: PseudoTerminal, columns: int, rows: int) -> None:
    terminal.screen.resize(rows, columns)
    terminal.child.setwinsize(rows, columns)


def test_a_storm_of_new_sizes_ends_in_a_screen_of_the_last_one(tmp_path: Path) -> None:
    with opened(tmp_path, 120, 36, COLUMNS="80", LINES="24") as terminal:  # a shell may have exported them
        terminal.wait_for(EMPTY)
        for step in range(150):
            small = {0: (1, 1), 4: (20, 5)}.get(step % 10)
            resize(terminal, *(small or (30 + step % 100, 8 + step % 40)))
            terminal.read(0.002)
        for small in ((1, 1), (20, 5)):
            resize(terminal, *small)
            terminal.settle(quiet=0.3)
        terminal.settle()
        resize(terminal, 100, 30)
        terminal.settle()
        shown = terminal.wait_for(EMPTY).splitlines()
        assert shown[0].startswith(" 1 Conversations  2 Senders")
        assert "q quit" in shown[29]
        leave(terminal)
    assert not list(tmp_path.glob("crash-*"))


def painted(terminal: PseudoTerminal) -> bool:
    """Whether the program has taken the terminal and painted something."""
    return b"\x1b[?1049h" in terminal.raw and b"\x1b[?2004h" in terminal.raw


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (2, 40), (200, 1), (12, 3), (20, 5), (39, 9)])
def test_a_window_that_is_too_small_costs_nothing_but_room(tmp_path: Path, columns: int, rows: int) -> None:
    with opened(tmp_path, columns, rows) as terminal:
        while not painted(terminal):
            terminal.read()
        for key in ("2", "3", "4", "5", "?", "\x1b", "\x10", "\x1b", "1"):
            terminal.press(key)
            terminal.settle(quiet=0.15)
        resize(terminal, 90, 30)
        terminal.wait_for(EMPTY)
        leave(terminal)
    assert not list(tmp_path.glob("crash-*"))


def test_a_terminal_that_stops_reading_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    child, line = pty.fork()
    if child == 0:
        os.execvpe(PROGRAM[0], PROGRAM, {**studio(tmp_path), "TERM": "xterm-256color"})
    fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    before = termios.tcgetattr(line)
    painted = b""
    while EMPTY.split()[0].encode() not in painted:
        assert select.select([line], [], [], 30)[0], "nothing was painted"
        painted += os.read(line, 65536)
    assert termios.tcgetattr(line) != before
    for _ in range(400):  # each repaints, and nobody reads
        os.write(line, b"12")
        time.sleep(0.002)
    time.sleep(1)
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + modes.PATIENCE * 6
    ended = (0, 0)
    while not ended[0] and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)
        time.sleep(0.05)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended[0] == child, "it hangs"
    assert os.waitstatus_to_exitcode(ended[1]) == 128 + signal.SIGTERM
    assert termios.tcgetattr(line) == before, "whoever reads again types into a terminal that echoes"
    os.close(line)
