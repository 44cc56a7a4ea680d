"""The pane that one was in, for the next start with the same studio."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from engine import config

MOST_STUDIOS = 20


def load(studio: Path) -> int:
    """Its digit; 1 where none is known, or where the studio is new."""
    return _all().get(str(studio.absolute()), 1) if os.path.exists(studio) else 1  # noqa: PTH110 - a path may be none at all


def save(studio: Path, digit: int) -> None:
    """A folder that cannot be written to costs the memory alone."""
    kept = _all()
    kept.pop(str(studio.absolute()), None)
    path = _file()
    with suppress(OSError, UnicodeEncodeError):  # a path may be bytes that are no text
        text = msgspec.json.encode(dict([*kept.items(), (str(studio.absolute()), digit)][-MOST_STUDIOS:]))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_bytes(text)
        new.replace(path)


def _all() -> dict[str, int]:
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _file() -> Path:
    return config.folder("state") / "panes.json"
