"""Printing: results to standard output, everything said on the way to standard error."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from engine.conversation import when
from engine.safe_text import harmless, harmless_line

# JSON escapes C0 alone: C1 controls steer some terminals, bidirectional overrides turn lines round, and
# line separators break readers of JSON Lines. A lone surrogate cannot be encoded at all.
_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

WIDEST = 60
"""Cells of a table's column at the most: one long name must not widen every row."""


def emit(record: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    line = json.dumps(record, ensure_ascii=not _utf8())
    print(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line), flush=True)


def say(text: str = "") -> None:
    """A line for the person, on standard error."""
    print(harmless(text), file=sys.stderr, flush=True)


def ask(question: str) -> str:
    """What the person at the terminal answers, in one line. ctrl+c ends it at once: asyncio would first wait
    for the line."""
    print(harmless(question), end=" ", file=sys.stderr, flush=True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip()
    finally:
        signal.signal(signal.SIGINT, before)


def out(text: str, end: str = "\n") -> None:
    """A result, on standard output."""
    print(harmless(text), end=end, flush=True)


def table(rows: Iterable[Sequence[object]], right: Sequence[int] = (), whole: Sequence[int] = ()) -> None:
    """Aligned columns on standard output; `right` are the right-aligned ones, `whole` those never cut."""
    from rich.cells import cell_len

    cells = [
        [harmless_line(str(one)) if column in whole else short(str(one)) for column, one in enumerate(row)]
        for row in rows
    ]
    if not cells:
        return
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        parts = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            parts.append(space + cell if column in right else cell + space)
        print("  ".join(parts).rstrip(), flush=True)


def short(text: str) -> str:
    """Foreign text in one line of at most WIDEST cells."""
    from rich.cells import cell_len, set_cell_size  # knows the widths of CJK and emoji

    line = harmless_line(text[:1000])
    return line if cell_len(line) <= WIDEST else set_cell_size(line, WIDEST - 1) + "…"


def number(value: int) -> str:
    return f"{value:,}"


def plural(value: int, one: str, many: str | None = None) -> str:
    """A count with its word: 1 job, 2 jobs."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def day(time: int | None) -> str:
    """UTC ms as a local date, or an empty cell."""
    return "" if time is None else when(time).astimezone().strftime("%Y-%m-%d")


def minute(time: int) -> str:
    """UTC ms as a local date and time."""
    return when(time).astimezone().strftime("%Y-%m-%d %H:%M")


def clock(time: int) -> str:
    """UTC ms as a local time of day."""
    local: datetime = when(time).astimezone()
    return local.strftime("%H:%M:%S")


def _utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
