"""The crash log: what kind of bug and where, and nothing that a person wrote.

An exception's text and a traceback's local variables may hold private messages, names, paths or
keys. So only types, modules, functions and line numbers are written, into a file of mode 0600.
"""

from __future__ import annotations

import os
import platform
from datetime import datetime
from pathlib import Path
from types import TracebackType

from engine import __version__


def write(folder: Path, error: BaseException) -> Path | None:
    """Write a redacted log of `error` into `folder`. None where nothing can be written there."""
    now = datetime.now().astimezone()
    path = folder / f"crash-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
    text = f"understudy {__version__}, Python {platform.python_version()}, {platform.system()}\n"
    text += f"{now.isoformat(timespec='seconds')}\n\n{describe(error)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as log:
            log.write(text)
    except OSError:
        return None
    return path


def describe(error: BaseException) -> str:
    """The exception's type, those that led to it, and for each the places it passed through."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kind = type(current)
        # SQLite's name of an error says nothing of the data; its message may.
        code = getattr(current, "sqlite_errorname", None)
        name = f"{kind.__module__}.{kind.__qualname__}" + (f" ({code})" if code else "")
        parts.append(f"{name}\n" + "".join(_places(current.__traceback__)))
        current = current.__cause__ or current.__context__
    return "while handling\n".join(parts)


def _places(traceback: TracebackType | None) -> list[str]:
    places = []
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__", "?")
        places.append(f"  {module}:{traceback.tb_lineno} {frame.f_code.co_name}\n")
        traceback = traceback.tb_next
    return places
