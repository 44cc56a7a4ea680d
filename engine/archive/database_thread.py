"""Statements that run while the next ones are made: one thread has the connection, another reads on."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

SWITCH_SECONDS = 0.0005
AHEAD = 3  # what may wait for the database, so that a fast reader fills no memory


class DatabaseThread:
    """Runs one call after the other, none behind one that failed: SQLite may have ended the transaction by
    itself, and what came next would be written for good. What a call raises is raised by a later `run`, or by
    `wait`."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._begun: deque[Future[Any]] = deque()
        self._failed = False

    def run(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Have `work` done after all that was asked for before."""
        self._begun.append(self._executor.submit(self._do, work, *arguments))
        self.wait(AHEAD)

    def _do(self, work: Callable[..., Any], *arguments: Any) -> None:
        if self._failed:
            return
        try:
            work(*arguments)
        except BaseException:
            self._failed = True
            raise

    def wait(self, for_all_but: int = 0) -> None:
        while len(self._begun) > for_all_but:
            self._begun.popleft().result()


@contextmanager
def database_thread() -> Iterator[DatabaseThread]:
    """A thread that has ended when the context does; what it has not begun by then is left undone."""
    interval = sys.getswitchinterval()
    with ThreadPoolExecutor(1, "database") as executor:
        try:
            # Between two statements the thread needs the interpreter for microseconds. It must not wait
            # 5 ms for it each time, and neither must the screen.
            sys.setswitchinterval(SWITCH_SECONDS)
            yield DatabaseThread(executor)
        finally:
            sys.setswitchinterval(interval)
            executor.shutdown(wait=True, cancel_futures=True)
