"""The terminal's beginning and end: what a slow line is spared, signals that ask the studio to go, and
a terminal that is gone.

Textual leaves SIGTERM and SIGHUP to the system, which ends the process without restoring the
terminal, and goes on for ever when the terminal vanished and nobody sent a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
from collections.abc import Callable

from engine.config import Settings

SLOW = {"TEXTUAL_FPS": "15", "TEXTUAL_SMOOTH_SCROLL": "0"}
"""What Textual reads when it is imported, where the line is slow."""

PATIENCE = 5.0
"""Seconds for a clean end. A stalled line can block the event loop, and then nothing else helps."""


def slow(settings: Settings) -> bool:
    """Whether to spare the line: as the settings say, by default over SSH."""
    return settings.ssh == "on" or (settings.ssh == "auto" and bool(os.environ.get("SSH_CONNECTION")))


def prepare(settings: Settings) -> None:
    """Set what Textual reads once; to be called before it is imported."""
    if not os.environ.get("NO_COLOR", "unset"):
        del os.environ["NO_COLOR"]  # empty, it does not count
    if slow(settings):
        for name, value in SLOW.items():
            os.environ.setdefault(name, value)
        if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
            os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "256")  # a sixth less to send


def watch(leave: Callable[[int], None], restore: Callable[[], None]) -> None:
    """Call `leave(exit code)` when the studio must go: 128 + n after signal n, 129 when the
    terminal is gone. `leave` is called in a signal handler or a thread, and must only schedule.

    restore: gives the terminal its modes back where a clean end does not come.
    """

    def end(code: int) -> None:

        def give_up() -> None:
            restore()
            os._exit(code)

        backstop = threading.Timer(PATIENCE, give_up)
        backstop.daemon = True
        backstop.start()
        leave(code)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: end(128 + received))

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(1.0):
            if gone():
                end(128 + signal.SIGHUP)
                return

    threading.Thread(target=look, name="understudy-terminal", daemon=True).start()


def gone() -> bool:
    """Whether standard input was a terminal that no longer answers."""
    stdin = sys.__stdin__
    if stdin is None:
        return True
    try:
        termios.tcgetattr(stdin.fileno())
    except (termios.error, OSError, ValueError):
        return True
    return False
