"""A newcomer's way through the real program in a real terminal, up to a streamed reply."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

from engine import samples

COMMAND = [sys.executable, "-m", "tui"]


def environment(home: Path) -> dict[str, str]:
    (home / "tmp").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UNDERSTUDY", "SSH"))}
    return {**kept, "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(home / "tmp")}


def command(home: Path, *args: str) -> str:
    done = subprocess.run(
        [*COMMAND, *args],
        env=environment(home),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 36)])
def test_from_the_demo_to_the_first_streamed_token_in_twelve_keys(
    tmp_path: Path, columns: int, rows: int
) -> None:
    with PseudoTerminal(
        [*COMMAND, "demo"], columns=columns, rows=rows, environment=environment(tmp_path)
    ) as terminal:
        terminal.wait_for("30 conversations")
        terminal.press("2")
        terminal.wait_for("32 people")
        terminal.wait_for("a make AI")
        terminal.press("a")
        terminal.wait_for(f"{samples.OWNER} is the AI sender")
        terminal.press("3")
        terminal.wait_for("188 train")
        terminal.wait_for("t train")
        terminal.press("t")
        terminal.wait_for("stays on this machine")
        terminal.wait_for("does not understand")
        terminal.wait_for("\n y agree and start")
        terminal.press("y")
        terminal.wait_for("LIVE")
        terminal.wait_for("DONE  succeeded")
        terminal.wait_for("5 chat with it")
        terminal.press("5")
        terminal.wait_for("write to it")
        terminal.wait_for("⏎ send")
        terminal.press("h", "i", "\r")
        terminal.wait_for("to the first")
        assert terminal.keys_pressed <= 12
        shown = terminal.text()
        reply = re.search(r"│ hi\b.*?▌ (\S+)", shown, re.DOTALL)
        assert reply, shown
        terminal.press("\x07", "1")  # ctrl+g and a digit leave the prompt
        terminal.wait_for("30 conversations")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
    assert list((tmp_path / "tmp").iterdir()) == [], "the throw-away studio is gone"
    assert not (tmp_path / "data").exists()


def test_a_training_goes_on_without_its_screen_and_the_next_start_shows_it(tmp_path: Path) -> None:
    command(tmp_path, "import", str(samples.messenger()))
    command(tmp_path, "senders", "ai", samples.OWNER)
    try:
        with PseudoTerminal(COMMAND, columns=120, rows=36, environment=environment(tmp_path)) as terminal:
            terminal.wait_for("16 conversations")
            terminal.press("3")
            terminal.wait_for("kept for the test")
            terminal.press("t")
            terminal.wait_for("stays on this machine")
            terminal.press("y")
            terminal.wait_for("LIVE")
            os.kill(terminal.child.pid, signal.SIGHUP)
            assert terminal.wait_for_end() == 128 + signal.SIGHUP
            assert b"\x1b[?1049l" in terminal.raw, "the terminal has its own screen back"
        deadline = time.monotonic() + 60
        while '"status": "succeeded"' not in command(tmp_path, "jobs", "--json"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        with PseudoTerminal(COMMAND, columns=120, rows=36, environment=environment(tmp_path)) as terminal:
            terminal.wait_for("succeeded")  # one is where one was
            terminal.wait_for("DONE")
            terminal.wait_for("ft:imitation:wren-halloran:")
            terminal.press("q")
            assert terminal.wait_for_end() == 0
    finally:
        command(tmp_path, "local", "stop")
