"""Read a conversation in an editor: a private copy of it as text, which is gone when the editor is."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from textual.app import App

from engine.errors import StudioError
from tui import editor
from tui.driver import TerminalDriver
from tui.screens.conversations.as_text import ending, heading, message_lines, new_day
from tui.widgets.cells import local

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import MessageRow

PAGE = 1_000
"""Messages that are read and written at once."""

PAUSE = 0.3
"""Seconds between two words on how far it is."""

Written = Callable[[int, int], object]
"""Called now and then with how many messages of how many are in the copy, where that takes a while."""


async def read_in_editor(
    app: App[Any], studio: Studio, conversation: int, place: int, written: Written
) -> str:
    """Open a conversation until the editor has ended; what is to be said of that, or "".

    place: the index of the message that it is opened at.
    StudioError where there is no editor, where it ends with an error, or where the copy cannot be written.
    Whoever is cancelled ends the editor, and nothing is left of it.
    """
    command, driver = editor.chosen(), app._driver
    if not isinstance(driver, TerminalDriver):
        raise StudioError("There is no terminal for an editor.", "Open the studio in one.")
    try:
        with tempfile.TemporaryDirectory(prefix="understudy-", ignore_cleanup_errors=True) as folder:
            file = Path(folder) / f"conversation-{conversation}.txt"
            line = await write(studio, conversation, place, file, written)
            before = await asyncio.to_thread(_digest, file)
            code = await _run(driver, editor.at_line(command, file, line))
            changed = await asyncio.to_thread(_digest, file) != before
    except OSError as error:
        raise StudioError(
            f"The text could not be written: {error.strerror or error}.",
            "Free some space, or let TMPDIR name another folder.",
        ) from error
    if code:
        how = f"with code {code}" if code > 0 else f"by signal {-code}"
        raise StudioError(f"{Path(command[0]).name} ended {how}.", "VISUAL or EDITOR names another.")
    return "What you changed was a copy, and is gone: the studio is as it was." if changed else ""


async def write(studio: Studio, conversation: int, place: int, file: Path, written: Written) -> int:
    """Write a conversation to a new file (0600). Returns the line, from 1, of its message `place`, from 0."""
    from engine.archive import reading

    row = await reading.conversation(studio, conversation)
    top = heading(row)
    line, lines, messages, told = 1, len(top), 0, time.monotonic()
    with await asyncio.to_thread(_new, file) as text:
        _put(text, top)
        last: MessageRow | None = None
        while rows := await reading.page(
            studio,
            conversation,
            offset=messages,
            limit=PAGE,
            known=(messages - 1, last.id) if last is not None else None,
        ):
            starts, end = await asyncio.to_thread(_put_messages, text, rows, last)
            if messages <= place < messages + len(rows):
                line = lines + starts[place - messages] + 1
            lines, messages, last = lines + end, messages + len(rows), rows[-1]
            if time.monotonic() - told > PAUSE:
                told = time.monotonic()
                written(messages, row.messages)
        _put(text, ending(messages))
    if messages < row.messages:
        raise StudioError("The conversation changed while it was written.", "Press the key again.")
    return line


def _new(file: Path) -> TextIO:
    file.touch(mode=0o600, exist_ok=False)
    return file.open("w", encoding="utf-8")


def _put_messages(
    text: TextIO, rows: Sequence[MessageRow], before: MessageRow | None
) -> tuple[list[int], int]:
    """Write messages; at which line each begins, from 0, and how many lines that were."""
    lines: list[str] = []
    starts: list[int] = []
    today = local(before.time).date() if before is not None else None
    for row in rows:
        at = local(row.time)
        if at.date() != today:
            today = at.date()
            lines += new_day(row.time)
        starts.append(len(lines))
        lines += message_lines(row, at)
    _put(text, lines)
    return starts, len(lines)


def _put(text: TextIO, lines: Sequence[str]) -> None:
    text.write("\n".join((*lines, "")))


async def _run(driver: TerminalDriver, command: Sequence[str]) -> int:
    try:
        return await driver.lend(command)
    except OSError as error:
        raise StudioError(
            f"{Path(command[0]).name} cannot be started: {error.strerror or error}.",
            "VISUAL or EDITOR names another.",
        ) from error


def _digest(file: Path) -> bytes:
    """What stands in a file, b"" where there is none any more."""
    if not file.is_file():  # a pipe in its place would be waited for without end
        return b""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "blake2b").digest()
