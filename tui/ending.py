"""How the app ends where nobody has quit it: on a signal, when the terminal is gone, by a mistake of ours.

The terminal is given back, and no traceback is shown: its local variables are private messages.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.driver import Driver
from textual.worker import WorkerFailed

from engine import crash
from tui import terminal
from tui.driver import TerminalDriver
from tui.safe_text import safe_line


class EndingApp(App[None], inherit_bindings=False):
    """studio_path: in its folder a bug leaves its crash log.

    return_code after `run`: 0, 128 + n after signal n, 1 after a bug.
    """

    studio_path: Path
    _last_words = ""

    def _build_driver(self, *given: Any, **named: Any) -> Driver:
        driver = super()._build_driver(*given, **named)
        if isinstance(driver, TerminalDriver):
            self._watch(driver)  # before it takes the terminal
        return driver

    def _watch(self, driver: TerminalDriver) -> None:
        loop = asyncio.get_running_loop()
        # Beside the screen: logged, for a traceback on the terminal would hold private text; not the end.
        loop.set_exception_handler(lambda _loop, context: self._crash_log(context.get("exception")))
        threading.excepthook = lambda args: self._crash_log(args.exc_value)

        def leave(code: int) -> None:
            driver.leaving = True
            with suppress(RuntimeError):  # it has ended already
                # As a message: while the first screen is made an end would be a mistake.
                loop.call_soon_threadsafe(self.call_later, partial(self.exit, return_code=code))

        terminal.watch(leave, driver.restore_modes)

    def _handle_exception(self, error: Exception) -> None:
        """A bug. Textual would print a traceback with local variables, which are private messages."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._bug(error.error if isinstance(error, WorkerFailed) else error)
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        self._bug(sys.exception())
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        """Textual's way out when the input thread fails: the renderables hold a traceback."""
        self._return_code = 128 + signal.SIGHUP if terminal.gone() else 1
        self._last_words = self._last_words or "The terminal could not be read any more."
        self._close_messages_no_wait()

    def _bug(self, error: BaseException | None) -> None:
        log = self._crash_log(error)
        where = f"What happened, without any of your text: {log}" if log else "No crash log could be written."
        self._last_words = self._last_words or f"Understudy stopped because of a mistake in it. {where}"

    def _crash_log(self, error: BaseException | None) -> Path | None:
        if error is None or (isinstance(error, OSError) and terminal.gone()):
            return None
        return crash.write(self.studio_path.parent, error)

    def _print_error_renderables(self) -> None:
        if self._last_words and sys.__stderr__ is not None and not self.is_headless:
            with suppress(OSError):
                sys.__stderr__.write(safe_line(self._last_words) + "\n")
                sys.__stderr__.flush()
