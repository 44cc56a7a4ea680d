"""Any LangChain chat loader as an importer: `understudy import PATH --loader module:Class`.

LangChain is imported only when such a loader is asked for, and then by the loader itself.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from engine.conversation import Conversation, Message, Sender
from engine.errors import DataError, StudioError
from engine.importers.report import Example, ImportReport

ME = "Me"
COCOA = 978_307_200_000  # ms from 1970 to 2001


class LangChainImporter:
    """Runs one loader class, made as `Class(path)`. Raises StudioError where it cannot be had."""

    def __init__(self, loader: str) -> None:
        self._class = _load(loader)
        self.name = loader.partition(":")[2]

    def recognises(self, path: Path) -> bool:
        return True

    def conversations(self, path: Path, report: ImportReport) -> Iterator[Conversation]:
        """One conversation a ChatSession. What the loader raises ends the import at that place."""
        taken: Counter[str] = Counter()
        untimed = 0
        sessions = self._sessions(path)
        for number in range(1, 1 << 62):
            try:
                session = next(sessions, None)
            except Exception as error:
                if not taken:
                    raise DataError(f"{self.name} cannot read {path}: {_said(error)}.", _HINT) from error
                report.bad_files.append((str(path), f"{self.name} stopped: {_said(error)}"))
                break
            if session is None:
                break
            place = f"session {number}"
            if not isinstance(session, Mapping) or not isinstance(session.get("messages"), Sequence):
                report.bad_files.append((place, "is no ChatSession"))
                continue
            rows = [_row(message) for message in session["messages"]]
            untimed += sum(time is None for _, time, _, _ in rows)
            conversation = _conversation(rows, place, taken, report)
            if conversation is not None:
                report.conversations += 1
                yield conversation
        if untimed:
            report.warnings.append(
                f"{untimed:,} messages have no time that can be read: each got that of the one before it."
            )

    def _sessions(self, path: Path) -> Iterator[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield from self._class(str(path)).lazy_load()


_HINT = "Check that the path is what this loader wants, and what its documentation says."


def _load(loader: str) -> Any:
    module_name, colon, class_name = loader.partition(":")
    if not (colon and module_name and class_name):
        raise StudioError(
            f'"{loader}" names no loader.',
            "Write module:Class, for example langchain_community.chat_loaders.whatsapp:WhatsAppChatLoader.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise StudioError(
            f"There is no module {missing}."
            if module_name.startswith(missing)
            else f"The module {module_name} needs {missing}, which is not installed.",
            "Install the package that holds it beside Understudy, or check how it is spelled.",
        ) from None
    except Exception as error:
        raise StudioError(f"The module {module_name} cannot be imported: {_said(error)}.", _HINT) from error
    found = getattr(module, class_name, None)
    if not inspect.isclass(found) or not callable(getattr(found, "lazy_load", None)):
        classes = [(name, one) for name, one in vars(module).items() if inspect.isclass(one)]
        names = [name for name, one in classes if hasattr(one, "lazy_load") and not inspect.isabstract(one)]
        raise StudioError(
            f"{module_name} has no chat loader {class_name}.",
            f"It has {', '.join(names)}." if names else "A chat loader is a class with lazy_load().",
        )
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip().splitlines()[0].rstrip(".")


Row = tuple[str, int | None, str, bool]


def _row(message: Any) -> Row:
    """sender, UTC ms or None, text, whether the owner wrote it."""
    more = getattr(message, "additional_kwargs", None) or {}
    mine = more.get("is_from_me") is True
    sender = more.get("sender") or getattr(message, "name", None) or getattr(message, "type", None) or "?"
    content = getattr(message, "content", "")
    if not isinstance(content, str):
        parts = [part.get("text", "") if isinstance(part, dict) else part for part in content]
        content = "".join(part for part in parts if isinstance(part, str))
    return (ME if mine else str(sender)), _time(more), content.strip(), mine


def _time(more: Mapping[str, Any]) -> int | None:
    events = more.get("events")
    first = events[0] if isinstance(events, list) and events and isinstance(events[0], dict) else {}
    for found in (more.get("message_time_as_datetime"), more.get("message_time"), first.get("message_time")):
        time = milliseconds(found)
        if time is not None:
            return time
    return None


def milliseconds(value: object) -> int | None:
    """UTC ms of a datetime (local where it is naive), ISO 8601, or a number whose size tells its unit."""
    try:
        if isinstance(value, str):
            value = float(value) if value.replace(".", "", 1).isdecimal() else datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return round(value.timestamp() * 1000)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            return None
        for below, scale, start in (
            (1e11, 1000.0, 0),  # seconds
            (1e14, 1.0, 0),  # milliseconds
            (1e17, 1e-3, 0),  # microseconds
            (1e18, 1e-6, COCOA),  # nanoseconds since 2001, as in a chat.db
            (1e19, 1e-6, 0),  # nanoseconds
        ):
            if value < below:
                return round(value * scale) + start
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _conversation(
    rows: list[Row], place: str, taken: Counter[str], report: ImportReport
) -> Conversation | None:
    """None where no message is left. A ChatSession has no name: its first message tells it from others."""
    clock = next((time for _, time, _, _ in rows if time is not None), 0)
    senders: dict[str, Sender] = {}
    messages: list[Message] = []
    seen: Counter[str] = Counter()
    for number, (name, time, text, mine) in enumerate(rows, 1):
        clock = clock if time is None else time
        senders.setdefault(name, Sender(name, name, mine))
        if not text:
            report.skip("empty", example=Example(f"{place}, message {number}", time))
            continue
        report.keep("speech")
        if report.room("kept"):
            report.note("kept", Example(f"{place}, message {number}", clock, text))
        key = blake2b(f"{time}\0{name}\0{text}".encode("utf-8", "replace"), digest_size=8).hexdigest()
        seen[key] += 1
        messages.append(Message(f"{key}-{seen[key]}" if seen[key] > 1 else key, name, clock, text))
    if not messages:
        return None
    first = messages[0].key
    taken[first] += 1
    messages.sort(key=lambda message: message.time)
    others = [sender.name for sender in senders.values() if not sender.is_owner]
    return Conversation(
        key=f"{first} {taken[first]}" if taken[first] > 1 else first,
        title=", ".join(others) or ME,
        senders=tuple(senders.values()),
        messages=messages,
        is_group=len(senders) > 2,
    )
