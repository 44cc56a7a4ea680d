"""The terminal as it is driven: the mouse given back at any time, ctrl+z and `fg`, a stopped process.

Textual stops only its own process on SIGTSTP, where a wrapper or a script in the same job waits for ever;
and on a SIGCONT that followed no SIGTSTP it starts a second reader of the keyboard beside the first.
"""

from __future__ import annotations

import os
import selectors
import signal
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from tui.keyboard import Parser
from tui.pacing import Pace

if TYPE_CHECKING:
    from textual.app import App

    from tui.lending import Borrower

STDERR = 2

LEFT_ON = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l"
    b"\x1b[?1l\x1b>\x1b[>4m\x1b[r\x1b[m"
)
"""Takes back what a program that was killed may have left on: its screen, a hidden cursor, the mouse, pastes
in brackets, other keys, margins, colours."""


QUEUED = 8
"""Writes that wait for a terminal that does not read. Textual waits itself when there are 30."""

ANSWERS = 2.0
"""Seconds that a slow line gets to bring its last answer, which would be typed into what comes next."""


class TerminalDriver(LinuxDriver):
    """moves: whether the terminal reports the mouse wherever it goes, or only clicks and drags.
    cursor: whether the terminal shows its cursor, which a screen reader follows.
    leaving: the studio ends, so a stopped one must not take the terminal again."""

    leaving = False
    _borrower: Borrower | None = None

    seen: Callable[[], None] = staticmethod(lambda: None)
    """Called in the app when the terminal has come to the end of a frame."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._away = False
        self._pace = Pace()
        self.moves: bool = not getattr(app, "slow", False)
        self.cursor: bool = not getattr(app, "boxes", True)
        super().__init__(app, debug=debug, mouse=mouse, size=size)

    def start_application_mode(self) -> None:
        self._pace.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None and self._writer_thread.is_alive():
            self.write(self._pace.ask())
        if self.cursor and self._writer_thread is not None and self._writer_thread.is_alive():
            self.write("\x1b[?25h")
            self.flush()

    def _get_terminal_size(self) -> tuple[int, int]:
        # An exported COLUMNS or LINES is a size of the past: Textual would take no other.
        try:
            width, height = os.get_terminal_size(self.fileno)
        except OSError:
            width, height = 0, 0
        return (width, height) if width and height else super()._get_terminal_size()

    def run_input_thread(self) -> None:
        """As in LinuxDriver, but with our parser, and noise on the line is no reason to end."""
        selector = selectors.SelectSelector()
        selector.register(self.fileno, selectors.EVENT_READ)
        parser, decoder = Parser(), getincrementaldecoder("utf-8")("replace")
        parser.answered = self._answered
        try:
            while not self.exit_event.is_set():
                if selector.select(0.1) and (text := decoder.decode(os.read(self.fileno, 4096))):
                    parser.pixels = self._mouse_pixels
                    for message in parser.feed(text):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
        except OSError:
            raise  # the terminal, which Textual ends for
        except Exception as error:  # noqa: BLE001 - a bug: Textual would tell nobody which
            self._app.call_later(self._app._handle_exception, error)
        finally:
            selector.close()

    # While it is away nothing may touch the terminal: even to ask would stop it anew.

    def write(self, data: str) -> None:
        if not self._away:
            self._pace.wrote(len(data))
            super().write(data)

    def disable_input(self) -> None:
        if not self._away:
            until = time.monotonic() + (ANSWERS / 4 if self.leaving else ANSWERS)
            while self._pace.waiting and time.monotonic() < until:
                time.sleep(0.01)
            super().disable_input()

    def stop_application_mode(self) -> None:
        if self._away:
            self.leaving = True  # the studio ends, while another program may have the terminal
        else:
            # Whatever is left of the chats here tmux shows afterwards, where its window had another size.
            self.write("\x1b[H\x1b[J")
            super().stop_application_mode()

    # A slow line

    def room(self) -> float:
        """Bytes of a frame that may be sent now; 0 while the line is behind, or nobody reads."""
        writer = self._writer_thread
        return 0 if writer is not None and writer._queue.qsize() > QUEUED else self._pace.room()

    def sent(self) -> None:
        """A frame was sent: ask when it is seen."""
        self.write(self._pace.ask())

    def _answered(self) -> None:
        self._pace.heard()
        self._app.call_later(self.seen)

    # The mouse

    @property
    def mouse(self) -> bool:
        """Whether clicks come here; else the terminal selects text with them."""
        return self._mouse

    def take_mouse(self, take: bool) -> None:
        if take == self._mouse:
            return
        if take:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def _enable_mouse_support(self) -> None:
        if not self._mouse or self.moves:
            super()._enable_mouse_support()
            return
        self.write("\x1b[?1000h\x1b[?1002h\x1b[?1015h\x1b[?1006h")
        self.flush()

    def _disable_mouse_support(self) -> None:
        if self._mouse and not self.moves:
            self.write("\x1b[?1002l")
        super()._disable_mouse_support()

    def _enable_mouse_pixels(self) -> None:
        if self.moves:
            super()._enable_mouse_pixels()

    # Stopping and going on

    def stop(self) -> None:
        """Stop the job, with the terminal as it was before; returns when somebody lets it go on."""
        self._leave()
        self._stop_job()
        self._come_back()

    def _sigtstp_application(self, *_: object) -> None:
        if self._auto_restart:
            # A signal may come while the writer's queue is locked by what it interrupts.
            self._loop.call_soon_threadsafe(self.stop)
        elif self._borrower is not None:
            self._borrower.stop()  # and the studio with it, as if ctrl+z were pressed there

    def _sigcont_application(self, *_: object) -> None:
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._continue)
        elif self._borrower is not None:
            self._borrower.go_on()

    def _continue(self) -> None:
        # Whoever stopped it with SIGSTOP has used the terminal since: set up anew, but never twice.
        self._leave()
        self._come_back()

    def _leave(self) -> None:
        if not self._away:
            self.suspend_application_mode()
            self._away = True

    async def lend(self, command: Sequence[str]) -> int:
        """Run another program in the terminal as it was before: its exit code, -n after signal n. The loop
        goes on meanwhile, and writes nothing. Whoever is cancelled ends the program.

        OSError where it cannot be started.
        """
        from tui.lending import Borrower

        self._leave()
        code = 0
        try:
            with self.no_automatic_restart():
                self._borrower = Borrower(command, self.fileno, self._borrower_stopped)
                code = -signal.SIGKILL  # where it does not end by itself
                try:
                    code = await self._borrower.ended
                finally:
                    self._borrower.end()
                    self._borrower = None
        finally:
            if self._in_front():
                self.restore_modes()
                if not 0 <= code <= 128:
                    with suppress(OSError):
                        os.write(STDERR, LEFT_ON)
            self._come_back()
        return code

    def _borrower_stopped(self, number: int) -> None:
        # One that was not in front yet is stopped when it touches the terminal: then nobody pressed ctrl+z.
        if number not in (signal.SIGTTIN, signal.SIGTTOU):
            self._stop_job()
        if self._borrower is not None:
            self._borrower.go_on()

    def _stop_job(self) -> None:
        # The whole job stops, as if the terminal itself had seen ctrl+z. Where no shell could start it
        # again the system lets the signal pass, and the screen comes back at once.
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._sigtstp_application)
        signal.signal(signal.SIGCONT, self._sigcont_application)

    def _come_back(self) -> None:
        if not self._in_front():
            # What ends a stopped job comes with the SIGCONT that wakes it, perhaps in another thread.
            time.sleep(0.1)
        if self.leaving:
            return  # `kill %1`, or the end of the shell: the terminal is another's now
        self._must_signal_resume, self._away = True, False
        self.resume_application_mode()
        # In the background the terminal refuses: then the next SIGCONT tries again.
        self._away = self._writer_thread is None or not self._writer_thread.is_alive()

    def _in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            return False

    def restore_modes(self) -> None:
        """Give the terminal its modes back without writing to it, which may block for ever."""
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
