"""The end of the terminal: signals that ask the studio to go, and a terminal that is gone.

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

PATIENCE = 5.0
"""Seconds for a clean end. A stalled line can block the event loop, and then nothing else helps."""


def watch(leave: Callable[[int], None]) -> None:
    """Call `leave(exit code)` when the studio must go: 128 + n after signal n, 129 when the
    terminal is gone. `leave` is called in a signal handler or a thread, and must only schedule.
    """

    def end(code: int) -> None:
        backstop = threading.Timer(PATIENCE, os._exit, (code,))
        backstop.daemon = True
        backstop.start()
        leave(code)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
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
