"""How the studio ends in a real terminal: signals, a lost line, a bug; and that it is still when idle."""

import os
import pty
import re
import select
import signal
import stat
import sys
import termios
import time
from pathlib import Path

import pytest
from pseudo_terminal import PseudoTerminal

from engine import crash

RESTORED = b"\x1b[?1049l"
COOKED = termios.ECHO | termios.ICANON | termios.ISIG
SECRET = "meet me under the old oak"

BUG = f"""
import asyncio, sys
from pathlib import Path
from tui.app import UnderstudyApp
from tui.keyboard import Parser
from tui.screens.conversations.pane import ConversationsPane

def bug(self):
    secret = {SECRET!r}
    if sys.argv[2] == "handler":
        raise ValueError(secret)
    async def work():
        private = secret
        raise KeyError(private)
    self.work("bug", work)

def read(self, data):
    if "i" in data:
        raise ValueError(secret)
    return feed(self, data)

secret = {SECRET!r}
feed = Parser.feed
if sys.argv[2] == "reader":
    Parser.feed = read
ConversationsPane.action_import = bug
app = UnderstudyApp(Path(sys.argv[1]))
app.run()
sys.exit(app.return_code)
"""


def studio(path: Path) -> dict[str, str]:
    return {**os.environ, "UNDERSTUDY_STUDIO": str(path)}


def left_on(raw: bytes) -> set[bytes]:
    """Modes that are not again as a terminal has them; 7 and 25, wrapping and the cursor, are on there."""
    last = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", raw))
    assert last[b"1049"], "the screen was taken at all"
    return {mode for mode, how in last.items() if how != (b"h" if mode in (b"7", b"25") else b"l")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    program = [sys.executable, "-m", "tui"]
    with PseudoTerminal(program, columns=80, rows=24, environment=studio(tmp_path / "s.db")) as terminal:
        terminal.wait_for("Nothing here yet.")
        assert not termios.tcgetattr(terminal.child.fileno())[3] & COOKED
        line = os.dup(terminal.child.fileno())
        terminal.child.kill(number)
        assert terminal.wait_for_end() == 128 + number
        assert left_on(terminal.raw) == set()
        assert termios.tcgetattr(line)[3] & COOKED == COOKED
        os.close(line)
        with pytest.raises(ProcessLookupError):
            os.killpg(terminal.child.pid, 0)  # nobody is left of its session
    assert not list(tmp_path.glob("crash-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_takes_the_terminal_gives_it_back(tmp_path: Path, number: signal.Signals) -> None:
    program = [sys.executable, "-m", "tui"]
    with PseudoTerminal(program, columns=80, rows=24, environment=studio(tmp_path / "s.db")) as terminal:
        line = os.dup(terminal.child.fileno())
        while b"\x1b[?1049h" not in terminal.raw:
            terminal.read()
        terminal.child.kill(number)
        assert terminal.wait_for_end() == 128 + number
        assert left_on(terminal.raw) == set()
        assert termios.tcgetattr(line)[3] & COOKED == COOKED
        os.close(line)
    assert not list(tmp_path.glob("crash-*"))


def test_q_ends_it_with_zero_and_an_idle_screen_sends_nothing(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tui"]
    environment = {**studio(tmp_path / "s.db"), "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}
    with PseudoTerminal(program, columns=80, rows=24, environment=environment) as terminal:
        terminal.wait_for("Nothing here yet.")
        terminal.press("i")
        terminal.settle()
        sent = len(terminal.raw)
        for _ in range(10):
            terminal.read(0.2)
        assert len(terminal.raw) == sent, "a field has the focus, and nothing blinks"
        terminal.press("\x1b")
        terminal.wait_for("Nothing here yet.")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
        assert RESTORED in terminal.raw


@pytest.mark.parametrize("hangup_ignored", [False, True])
def test_a_terminal_that_is_gone_ends_it(tmp_path: Path, hangup_ignored: bool) -> None:
    program = "import signal, sys; from pathlib import Path; from tui.app import UnderstudyApp\n"
    if hangup_ignored:
        program += (
            "real = signal.signal\n"
            "signal.signal = lambda n, h: real(n, signal.SIG_IGN if n == signal.SIGHUP else h)\n"
        )
    program += "app = UnderstudyApp(Path(sys.argv[1])); app.run(); sys.exit(app.return_code)"
    child, line = pty.fork()
    if child == 0:
        os.execvpe(
            sys.executable,
            [sys.executable, "-c", program, str(tmp_path / "s.db")],
            {**os.environ, "TERM": "xterm-256color"},
        )
    painted, deadline = b"", time.monotonic() + 60
    while b"Nothing" not in painted and time.monotonic() < deadline:
        if select.select([line], [], [], 0.1)[0]:
            painted += os.read(line, 65536)
    os.close(line)
    deadline = time.monotonic() + 60
    ended = (0, 0)
    while not ended[0] and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)
        time.sleep(0.05)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended[0] == child, "it lived on without a terminal"
    assert os.waitstatus_to_exitcode(ended[1]) == 128 + signal.SIGHUP
    assert not list(tmp_path.glob("crash-*"))


@pytest.mark.parametrize("where", ["handler", "worker", "reader"])
def test_a_bug_leaves_a_log_without_private_text(tmp_path: Path, where: str) -> None:
    program = [sys.executable, "-c", BUG, str(tmp_path / "s.db"), where]
    with PseudoTerminal(program, columns=80, rows=24, environment=os.environ) as terminal:
        terminal.wait_for("Nothing here yet.")
        terminal.press("i")
        assert terminal.wait_for_end() == 1
        after = terminal.raw[terminal.raw.rindex(RESTORED) :].decode()
        assert SECRET not in terminal.raw.decode()
        assert "Traceback" not in after
    (log,) = tmp_path.glob("crash-*.log")
    assert str(log) in after.replace("\r\n", "")
    assert after.strip().count("\n") == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    written = log.read_text()
    assert SECRET not in written
    assert ("KeyError" if where == "worker" else "ValueError") in written
    assert "__main__:" in written


def test_a_crash_log_names_the_causes_and_nothing_else(tmp_path: Path) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError as error:
        path = crash.write(tmp_path / "new", error)
    assert path is not None
    written = path.read_text()
    assert SECRET not in written
    assert written.index("builtins.RuntimeError") < written.index("builtins.KeyError")
    assert "test_a_crash_log_names_the_causes_and_nothing_else" in written
    blocked = tmp_path / "file"
    blocked.touch()
    assert crash.write(blocked, ValueError()) is None
