"""Read the settings: the environment goes before the file, the file before the defaults.

Nothing that stands there can stop the program: what is wrong is told, and its default holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from engine.config.options import Option, Settings, Theme, options, value

TYPED = "chosen on the screen"

NOT = "It does not count."

MOST = 1_000_000
"""Bytes of a file with settings; to read much more would take seconds at every start."""


class Problem(Struct, frozen=True):
    """Something in the settings that does not count. line: from 1 on, 0 in the environment."""

    place: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.place}, line {self.line}" if self.line else self.place
        return f"{where}: {self.message} {self.hint}".rstrip()


class Loaded(Struct, frozen=True):
    """The settings in force. sources: option -> where it comes from. lines: name -> line of the file."""

    settings: Settings = Settings()
    sources: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: tuple[Problem, ...] = ()
    file: Path | None = None


class _Theme(Struct, frozen=True):
    """The theme that was chosen on the screen, in place of which one of the file's."""

    theme: str
    instead_of: str


_LINUX = sys.platform == "linux"
_USUAL = {"config": ".config", "data": ".local/share", "state": ".local/state"}


def folder(kind: str) -> Path:
    """Our folder for `config`, `data` or `state`: as XDG_..._HOME says on every system."""
    given = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    if given.startswith("/"):  # a relative one does not count, says the specification
        return Path(given) / "understudy"
    if _LINUX:
        return Path.home() / _USUAL[kind] / "understudy"
    import platformdirs  # takes longer to load than all the settings

    found: Path = getattr(platformdirs, f"user_{kind}_path")("understudy")
    return found


def file() -> Path:
    """The config file, which need not exist."""
    return folder("config") / "config.toml"


def load(environment: Mapping[str, str] = os.environ) -> Loaded:
    """Everything that is set, from the file and the environment."""
    path = file()
    problems: list[Problem] = []
    table, lines = _read(path, problems)
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    set_in_environment = any(name.startswith("UNDERSTUDY_") for name in environment)
    rows = tuple(options()) if table or set_in_environment else ()
    known = {option.name: option for option in rows}
    for name, given in _named(table, known):
        line = next((lines[at] for at in _upwards(name) if at in lines), 0)
        option = known.get(name)
        if option is None:
            problems.append(_unknown(path, line, name, [row.name for row in rows]))
        elif option.free:
            found[name] = _free(given, path, name, lines, problems)
            sources[name] = f"the file, line {line}"
        else:
            try:
                found[name] = value(option, given, path.parent)
                sources[name] = f"the file, line {line}"
            except ValueError:
                problems.append(_refused(str(path), line, name, option))
    for option in rows:
        given = environment.get(option.variable, "")
        if given and not option.free:
            try:
                found[option.name] = value(option, given)
                sources[option.name] = option.variable
            except ValueError:
                problems.append(_refused("the environment", 0, option.variable, option))
    if not sources.get("theme", "").startswith("UNDERSTUDY_"):
        chosen, named = _theme(), found.get("theme", Settings().theme)
        if chosen is not None and chosen.instead_of == named != chosen.theme:
            found["theme"], sources["theme"] = chosen.theme, TYPED
    return Loaded(msgspec.convert(_nested(found), Settings), sources, lines, tuple(problems), path)


def remember_theme(theme: str, loaded: Loaded) -> None:
    """The theme chosen on the screen holds at the next start, until the file names another."""
    named: str = loaded.settings.theme
    before = _theme()
    if loaded.sources.get("theme") == TYPED and before is not None:
        named = before.instead_of
    elif loaded.sources.get("theme", "").startswith("UNDERSTUDY_"):
        return  # it would never be asked
    path = _theme_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(msgspec.json.encode(_Theme(theme, named)))
        new.replace(path)
    except OSError:
        return  # a folder that cannot be written to costs the memory alone


def _theme() -> _Theme | None:
    try:
        chosen = msgspec.json.decode(_theme_file().read_bytes(), type=_Theme)
    except (OSError, msgspec.DecodeError):
        return None
    return chosen if chosen.theme in get_args(Theme) else None


def _theme_file() -> Path:
    return folder("state") / "theme.json"


def _read(path: Path, problems: list[Problem]) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        if not path.is_file():
            if os.path.lexists(path) and not path.is_char_device():  # /dev/null stands for nothing
                problems.append(Problem(str(path), 0, "This is no file.", NOT))
            return {}, {}
        if path.stat().st_size > MOST:
            problems.append(Problem(str(path), 0, "This is too long for settings.", NOT))
            return {}, {}
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(Problem(str(path), 0, f"It cannot be read: {error.strerror}."))
        return {}, {}
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.append(Problem(str(path), line, "This is no UTF-8 text.", "Nothing of the file counts."))
        return {}, {}
    from engine.config.toml_lines import read  # most people have no file

    table, lines, faults = read(text)
    for line, why in faults:
        lost = "The line does not count." if table else "Nothing of the file counts."
        problems.append(Problem(str(path), line, f"This is no TOML: {why}.", lost))
    return table, lines


def _named(table: Mapping[str, Any], known: Mapping[str, Option], prefix: str = "") -> Iterator[Any]:
    """(dotted name, value) of every option in the table, and of every name that is none."""
    tables = {"".join(name.rpartition(".")[:1]) for name in known}
    for key, given in table.items():
        name = f"{prefix}{key}"
        inside = any(one == name or one.startswith(f"{name}.") for one in tables)
        if isinstance(given, dict) and inside and name not in known:
            yield from _named(given, known, f"{name}.")
        else:
            yield name, given


def _free(
    given: object, path: Path, name: str, lines: Mapping[str, int], problems: list[Problem]
) -> dict[str, Any]:
    """A table whose names are not ours: text, or a list of texts, behind each."""
    if not isinstance(given, dict):
        problems.append(Problem(str(path), lines.get(name, 0), f"{name} is a table, [{name}].", NOT))
    kept = {}
    for inner, said in _flat(given).items():
        if isinstance(said, str) or (isinstance(said, list) and all(isinstance(one, str) for one in said)):
            kept[inner] = said
        else:
            at = next((lines[up] for up in _upwards(f"{name}.{inner}") if up in lines), 0)
            problems.append(Problem(str(path), at, f"{inner} takes text in quotes, or a list of it.", NOT))
    return kept


def _flat(given: object, prefix: str = "") -> dict[str, Any]:
    """`chat.new = "N"` is a table in TOML; here it is one name."""
    flat: dict[str, Any] = {}
    for key, inner in given.items() if isinstance(given, dict) else ():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = inner
    return flat


def _nested(found: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, given in found.items():
        *tables, last = name.split(".")
        at = nested
        for table in tables:
            at = at.setdefault(table, {})
        at[last] = given
    return nested


def _upwards(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _refused(place: str, line: int, name: str, option: Option) -> Problem:
    return Problem(place, line, f"{name} takes {option.takes}.", NOT)


def _unknown(path: Path, line: int, name: str, names: list[str]) -> Problem:
    from difflib import get_close_matches

    if any(one.startswith(f"{name}.") for one in names):
        return Problem(str(path), line, f"{name} is a table, [{name}].", NOT)
    near = get_close_matches(name, names, n=1)
    hint = f"The nearest is {near[0]}." if near else "`understudy config --help` lists them."
    return Problem(str(path), line, f"There is no option {name}.", hint)
