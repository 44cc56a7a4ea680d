"""Where one was: the conversation, the message in each of them, and the order. Kept for the next start, as
numbers alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from engine import config

MOST_STUDIOS, MOST_PLACES = 20, 200


class Places(msgspec.Struct):
    """conversation: the one that was read last. messages: by conversation the message under the bar, the
    one that was left last at the end; none where it was the newest, for the next newest comes after it."""

    conversation: int = 0
    order: str = ""
    messages: dict[int, int] = {}

    def leave(self, conversation: int, message: int | None) -> None:
        self.conversation = conversation
        self.messages.pop(conversation, None)
        if message is not None:
            self.messages[conversation] = message
        while len(self.messages) > MOST_PLACES:
            del self.messages[next(iter(self.messages))]


def load(studio: Path) -> Places:
    return _all().get(str(studio.absolute()), Places())


def save(studio: Path, places: Places) -> None:
    """A folder that cannot be written to costs the memory alone."""
    kept = _all()
    kept.pop(str(studio.absolute()), None)
    kept = dict([*kept.items(), (str(studio.absolute()), places)][-MOST_STUDIOS:])
    path = _file()
    with suppress(OSError, UnicodeEncodeError):  # a path may be bytes that are no text
        text = msgspec.json.encode(kept)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_bytes(text)
        new.replace(path)


def _all() -> dict[str, Places]:
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, Places])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _file() -> Path:
    return config.folder("state") / "places.json"
