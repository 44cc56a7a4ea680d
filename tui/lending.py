"""The terminal lent to another program, as a shell does it: in a process group of its own, which is in front.

So ctrl+c and ctrl+z there are its own, and all that it started can be ended with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

PATIENCE = 1.0
"""Seconds that a program may take to end when the studio ends, before it is killed."""


class Borrower:
    """A program that has the terminal. Made in the event loop; OSError where it cannot be started.

    ended: its exit code, or -n after signal n. stopped: called in the loop with the signal that stopped it.
    """

    def __init__(self, command: Sequence[str], terminal: int, stopped: Callable[[int], None]) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._terminal, self._stopped = terminal, stopped
        # Python ignores these two, and whoever is started would do so too.
        as_usual = [signal.SIGPIPE, signal.SIGXFSZ]
        self._pid = os.posix_spawnp(command[0], list(command), os.environ, setpgroup=0, setsigdef=as_usual)
        self._waiter = threading.Thread(target=self._wait, name="understudy-borrower", daemon=True)
        self._waiter.start()
        self.go_on()

    def go_on(self) -> None:
        """Have it in front and running, where the terminal is the studio's to give."""
        with suppress(OSError):
            if os.tcgetpgrp(self._terminal) == os.getpgrp():
                os.tcsetpgrp(self._terminal, self._pid)
            if os.tcgetpgrp(self._terminal) == self._pid:
                self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to stop, as ctrl+z does."""
        self._signal(signal.SIGTSTP)

    def end(self) -> None:
        """Have it end, if it has not yet, with all that it started; and take the terminal back."""
        for number in (signal.SIGHUP, signal.SIGKILL) if self._waiter.is_alive() else ():
            self._signal(number)
            self._signal(signal.SIGCONT)  # a stopped one hears nothing else
            until = time.monotonic() + PATIENCE
            while self._signal(0) and time.monotonic() < until:
                time.sleep(0.01)
        with suppress(OSError):
            if os.tcgetpgrp(self._terminal) == self._pid:
                # Whoever asks for the terminal from behind is stopped, unless that signal is blocked.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
                os.tcsetpgrp(self._terminal, os.getpgrp())
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _signal(self, number: int) -> bool:
        """Send it to the whole group; whether there was anybody."""
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # somebody else's now, as after `sudo`
            return number == 0
        return True

    def _wait(self) -> None:
        loop, code = self.ended.get_loop(), 0
        with suppress(RuntimeError, ChildProcessError):  # the loop has ended, or nobody is to be waited for
            while os.WIFSTOPPED(status := os.waitpid(self._pid, os.WUNTRACED)[1]):
                loop.call_soon_threadsafe(self._stopped, os.WSTOPSIG(status))
            code = os.waitstatus_to_exitcode(status)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._tell, code)

    def _tell(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)
