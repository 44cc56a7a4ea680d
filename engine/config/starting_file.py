"""The options in words: the file to begin with, and the help."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import wrap
from typing import Any

from engine.config.options import options
from engine.errors import StudioError

_WIDTH = 88


def written(value: Any) -> str:
    """A value as TOML."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)


def text() -> str:
    """The file with every option at its default, and a sentence over each."""
    parts = [
        "# What Understudy goes by. Every option stands here at its default, below what it does and the\n"
        "# environment variable that goes before it. `understudy config` shows what is in force.\n"
    ]
    table = ""
    for option in options():
        *tables, name = option.name.split(".")
        if option.free:
            parts.append(
                f"{_comment(option.sentence)}\n[{option.name}]\n"
                '# "chat.new" = "N"\n# "app.quit" = ["Q", "ctrl+x"]\n'
            )
            continue
        if ".".join(tables) != table:
            table = ".".join(tables)
            parts.append(f"[{table}]\n")
        about = f"{option.sentence} Takes {option.takes}. {option.variable}"
        parts.append(f"{_comment(about)}\n{name} = {written(option.default)}\n")
    return "\n".join(parts)


def help_text() -> str:
    """Every option with its sentence, what it takes, its default and its variable."""
    lines = ["options of the file:"]
    for option in options():
        name = f"[{option.name}]" if option.free else option.name
        first, *others = _told(option)
        lines += [f"  {name:<11} {first}"] if len(name) < 12 else [f"  {name}", f"{'':<14}{first}"]
        lines += [f"{'':<14}{line}" for line in others]
    return "\n".join(lines)


def write(path: Path) -> None:
    """Write the file to begin with. StudioError where there is one already, or none can be made."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StudioError(
            f"There is a config file already: {path}.", "Edit it, or move it away to begin anew."
        ) from None
    except OSError as error:
        raise StudioError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder with XDG_CONFIG_HOME."
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as made:
        made.write(text())


def _comment(said: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(said, _WIDTH))


def _told(option: Any) -> list[str]:
    lines = wrap(option.sentence, _WIDTH - 14)
    if not option.free:
        lines.append(f"{option.takes}; default {written(option.default)}; {option.variable}")
    return lines
