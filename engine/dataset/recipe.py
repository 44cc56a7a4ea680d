"""The recipe: every choice that turns an archive into chunks, as a value and as a small TOML file."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.errors import StudioError


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Every choice. A preset uses the keys that KEYS names for it; the others mean nothing there.

    gap_minutes: a longer silence starts a new session.
    join: stands between the messages of one run.
    max_tokens: the most tokens of a chunk, system prompt included.
    overlap: turns of the chunk before that a chunk carries along (studio: as context, not learned).
    size: turns a chunk (langchain).
    system: the system prompt; {ai} and {others} become names; empty for none.
    valid, test: share of the sessions held back for validation, and for the final test.
    seed: picks the sessions for validation.
    groups: whether conversations of more than two people are used.
    same_reply: how often the same reply to the same person is learned; 0 for no limit.
    """

    preset: Literal["studio", "langchain"] = "studio"
    gap_minutes: int = 60
    join: str = "\n"
    max_tokens: int = 1024
    overlap: int = 2
    size: int = 8
    system: str = "You are {ai}, talking with {others}."
    valid: float = 0.1
    test: float = 0.1
    seed: int = 1
    groups: bool = False
    same_reply: int = 100


PRESETS = {
    "studio": Recipe(),
    # LangChain's documented way: no system prompt, no split, every conversation.
    "langchain": Recipe(preset="langchain", join="\n\n", system="", valid=0.0, test=0.0, groups=True),
}

KEYS = {
    "studio": (
        "gap_minutes",
        "join",
        "max_tokens",
        "overlap",
        "system",
        "valid",
        "test",
        "seed",
        "groups",
        "same_reply",
    ),
    "langchain": ("join", "size", "overlap"),
}

# What a number may be: lowest and highest.
RANGES: dict[str, tuple[float, float]] = {
    "gap_minutes": (1, 10_000_000),
    "max_tokens": (64, 1_000_000),
    "overlap": (0, 1_000),
    "size": (2, 1_000),
    "valid": (0, 0.5),
    "test": (0, 0.5),
    "seed": (0, 2**31 - 1),
    "same_reply": (0, 1_000_000),
}


def preset(name: str) -> Recipe:
    """The recipe of a preset. Raises StudioError for a name that is none."""
    if name not in PRESETS:
        raise StudioError(f'There is no preset "{name}".', f"Choose one of {_listed(PRESETS)}.")
    return PRESETS[name]


def to_toml(recipe: Recipe) -> str:
    """The recipe as a TOML file, with the keys that its preset uses."""
    lines = [f"{key} = {_toml(getattr(recipe, key))}\n" for key in ("preset", *KEYS[recipe.preset])]
    return "".join(lines)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises StudioError that names the file, line and key at fault."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise StudioError(f"{path} is no file.", "Give a recipe in TOML.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise StudioError(f"{path} is not a text file.", "Give a recipe in TOML.") from None
    except OSError as error:
        raise StudioError(f"{path} cannot be read ({error.strerror}).", "Give a recipe in TOML.") from None
    return from_toml(text, str(path))


def from_toml(text: str, origin: str = "The recipe") -> Recipe:
    """The recipe in a TOML text; keys that are missing are the preset's. Raises StudioError.

    A [dropped] table is passed over: a saved dataset's card is its recipe followed by one.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudioError(f"{origin} is not TOML: {error}.", "Mend that place and try again.") from None
    given.pop("dropped", None)
    name = given.pop("preset", "studio")
    if not isinstance(name, str) or name not in PRESETS:
        raise StudioError(
            f"{_place(origin, text, 'preset')}: there is no preset {name!r}.",
            f"Choose one of {_listed(PRESETS)}.",
        )
    base = PRESETS[name]
    for key, value in given.items():
        if key not in KEYS[name]:
            known = "means nothing in" if key in Recipe.__struct_fields__ else "is not a key of"
            raise StudioError(
                f'{_place(origin, text, key)}: "{key}" {known} the {name} preset.',
                f"Its keys are {_listed(KEYS[name])}.",
            )
        _check(key, value, getattr(base, key), _place(origin, text, key))
        given[key] = type(getattr(base, key))(value)
    recipe = msgspec.structs.replace(base, **given)
    if recipe.preset == "langchain" and recipe.overlap >= recipe.size:
        raise StudioError(
            f'{_place(origin, text, "overlap")}: "overlap" must be smaller than "size".',
            f"Give a number below {recipe.size}.",
        )
    return recipe


def _check(key: str, value: Any, default: Any, place: str) -> None:
    wanted: type | tuple[type, ...] = (int, float) if isinstance(default, float) else type(default)
    # In Python a bool is an int; in a recipe it is not.
    fits = isinstance(value, wanted) and isinstance(value, bool) is isinstance(default, bool)
    if not fits:
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
        raise StudioError(
            f'{place}: "{key}" is not {kind[type(default)]}.', f"Its default is {_toml(default)}."
        )
    if key in RANGES and not RANGES[key][0] <= value <= RANGES[key][1]:
        low, high = RANGES[key]
        raise StudioError(f'{place}: "{key}" is out of range.', f"Give a number from {low:g} to {high:,g}.")


def _place(origin: str, text: str, key: str) -> str:
    found = re.search(rf"""^[ \t]*\[*["']?{re.escape(key)}\b""", text, re.MULTILINE)
    return f"{origin}, line {text.count(chr(10), 0, found.start()) + 1}" if found else origin


def _toml(value: Any) -> str:
    # JSON's escapes are TOML's too; TOML also wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(names: Any) -> str:
    return ", ".join(names)
