"""Paths as people type, paste and drop them, and their completion."""

from __future__ import annotations

import os
from pathlib import Path


def typed_path(text: str) -> Path:
    """The path meant by what was typed, pasted or dropped on the terminal (quotes, escaped spaces)."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    elif not Path(text).expanduser().exists():
        text = text.replace("\\ ", " ")
    return Path(text.removeprefix("file://")).expanduser()


def complete(text: str) -> tuple[str, list[str]]:
    """The typed path made as long as its folder allows, and the names among which it stands."""
    folder_text, _, start = text.rpartition("/")
    if not folder_text and not text.startswith("/"):
        folder = Path.cwd()
        if start == "~":
            return "~/", []
    else:
        folder = Path(folder_text or "/").expanduser()
    try:
        entries = [
            entry.name + ("/" if entry.is_dir() else "")
            for entry in os.scandir(folder)
            if entry.name.startswith(start) and (start or not entry.name.startswith("."))
        ]
    except OSError:
        return text, []
    names = sorted(entries, key=str.casefold)
    shared = _shared(names) if names else start
    return text[: len(text) - len(start)] + shared, names if len(names) > 1 else []


def _shared(names: list[str]) -> str:
    """What all names begin with."""
    first, last = min(names), max(names)
    return next((first[:at] for at, one in enumerate(first) if one != last[at : at + 1]), first)
