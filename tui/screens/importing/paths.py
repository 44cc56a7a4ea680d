"""Paths as people type, paste and drop them, one or several, and their completion."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

from textual import events

from tui.safe_text import safe_text
from tui.widgets.field import Field


class Paths(Field):
    """Takes what is pasted line by line, as file managers copy several files, and never cuts it."""

    def validate_value(self, value: str) -> str:
        return safe_text(value.replace("\n", " "))

    def _on_paste(self, event: events.Paste) -> None:
        lines = [line.strip() for line in event.text.splitlines() if line.strip()]
        quoted = [shlex.quote(line) if is_there(_path(line)) else line for line in lines]
        pasted = " ".join(quoted) if len(lines) > 1 else "".join(lines)
        if self.selection.is_empty:
            self.insert_text_at_cursor(pasted)
        else:
            self.replace(pasted, *self.selection)
        event.stop()
        event.prevent_default()


def typed_paths(text: str) -> list[Path]:
    """The paths meant by what was typed, pasted or dropped: as a shell would split it, or one path as it is
    where that is there, or where nothing else is."""
    text = text.strip()
    if not text:
        return []
    whole = _path(text)
    if is_there(whole):
        return [whole]
    try:
        paths = [_path(word) for word in shlex.split(text)]
    except ValueError:  # a quote that is not closed
        return [whole]
    return paths if len(paths) == 1 or any(is_there(path) for path in paths) else [whole]


def complete(text: str) -> tuple[str, list[str]]:
    """The typed text with its last path as long as its folder allows, and the names among which it stands."""
    added, names = _complete(text)
    if added or names or not re.search(r"[\s'\"\\]", text):
        return text + (added if " " in text else _escaped(added)), names
    quote, word = _last_word(text)
    added, names = _complete(word)
    return text + (added if quote else _escaped(added)), names


def _complete(text: str) -> tuple[str, list[str]]:
    """What can be added to a path, and the names among which it stands."""
    folder_text, _, start = text.rpartition("/")
    if not folder_text and not text.startswith("/"):
        folder = Path.cwd()
        if start == "~":
            return "/", []
    else:
        folder = _path(folder_text or "/")
    try:
        entries = [
            entry.name + ("/" if entry.is_dir() else "")
            for entry in os.scandir(folder)
            if entry.name.startswith(start) and (start or not entry.name.startswith("."))
        ]
    except OSError:
        return "", []
    names = sorted(entries, key=str.casefold)
    added = _shared(names)[len(start) :] if names else ""
    return added, names if len(names) > 1 else []


def _shared(names: list[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    return next((first[:at] for at, one in enumerate(first) if one != last[at : at + 1]), first)


def _escaped(text: str) -> str:
    return re.sub(r"([\s'\"\\])", r"\\\1", text)


def _last_word(text: str) -> tuple[str, str]:
    """The quote that the last word is in, and what the word means so far."""
    quote = word = ""
    characters = iter(text)
    for one in characters:
        if one == "\\" and quote != "'":
            word += next(characters, "")
        elif one in "'\"" and (not quote or one == quote):
            quote = "" if quote else one
        elif one.isspace() and not quote:
            word = ""
        else:
            word += one
    return quote, word


def _path(text: str) -> Path:
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://").removeprefix("localhost"))
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody's home
        return Path(text)


def is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or in a folder that may not be entered
        return False
