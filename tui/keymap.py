"""Other keys for actions, as [keys] in the settings says, and how keys are written.

Needs no screen, so that `understudy config` can check what stands in the file.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from engine.config import Loaded, Problem
from tui.actions import ACTIONS, Action, find

if TYPE_CHECKING:
    from textual.dom import DOMNode

RESERVED = frozenset(f"ctrl+{letter}" for letter in "sqbaozhmi[")
"""Keys that belong to the terminal and to multiplexers, or are what another key sends."""

TYPED = frozenset({"field", "prompt"})
"""Groups of what is typed into, where a key that types something does just that."""

WAYS_OUT = frozenset({"pane.back", "chat.back", "importing.back", "ask.close", "palette.close"})
"""Actions that must be there while something is typed."""

PARTS = frozenset({"list", "transcript", "page", "field", "prompt"})
"""Groups of what can have the focus; one at a time."""

SHEETS = {
    "choose": "list",
    "forgetting": "list",
    "rows": "list",
    "details": "page",
    "palette": "field",
    "ask": "prompt",
    "help": "page",
}
"""Groups that lie over everything, with the part they have: the pane's and the app's keys are not there."""

EVERYWHERE = frozenset({"app.interrupt", "app.redraw"})
"""Actions of the app that are there under a sheet too, beside those that work while typing."""

_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
_NAMED = frozenset({"comma", "enter", "escape", "tab", "space", "backspace", "delete", "insert"})
_NAMED |= {"home", "end", "pageup", "pagedown", "up", "down", "left", "right"}
_NAMED |= {f"f{number}" for number in range(1, 25)}
_WRITTEN = {"enter": "⏎", "escape": "esc", "slash": "/", "question_mark": "?", "equals_sign": "="}

_ID = re.compile(r"\{([a-z-]+\.[a-z0-9-]+)\}")

Moved = Mapping[str, str]
"""Action's id -> its keys, comma between, instead of those of the table."""


def read(loaded: Loaded) -> tuple[dict[str, str], list[Problem]]:
    """The actions that have other keys, and what in [keys] does not count."""
    problems: list[Problem] = []
    accepted: dict[str, str] = {}
    given = sorted(loaded.settings.keys.items(), key=lambda item: _line(loaded, item[0]))

    def refuse(id: str, message: str, hint: str = "The action keeps its keys.") -> None:
        problems.append(Problem(str(loaded.file), _line(loaded, id), message, hint))

    for id, value in given:
        action = find(id)
        keys = _keys(value)
        if action is None:
            refuse(id, f"There is no action {id}.", _nearest(id))
        elif not keys:
            refuse(id, f"{id} takes a key, or a list of keys.")
        elif unknown := [key for key in keys if not _known(key)]:
            refuse(id, f"There is no key {unknown[0]}.")
        elif reserved := [key for key in keys if key in RESERVED]:
            refuse(id, f"{reserved[0]} belongs to the terminal and cannot be used.")
        elif (action.priority or id.partition(".")[0] in TYPED) and any(_types(key) for key in keys):
            refuse(id, f"{id} works while typing too, so a key that types something cannot be used.")
        elif id in WAYS_OUT and all(_types(key) for key in keys):
            refuse(id, f"{id} is needed while typing too: add a key that types nothing.")
        else:
            accepted[id] = ",".join(keys)
    while (clash := _clash(accepted)) is not None:
        id, key, other = clash
        refuse(id, f"{id} cannot take {key}: it is {other} in the same place.")
        del accepted[id]
    return accepted, problems


def rows(loaded: Loaded) -> list[tuple[str, str, str]]:
    """(id, keys, what it does) of every action."""
    accepted = read(loaded)[0]
    return [
        (f"{group}.{action.name}", accepted.get(f"{group}.{action.name}", action.keys), action.help)
        for group, actions in ACTIONS.items()
        for action in actions
    ]


def moved(node: DOMNode) -> Moved:
    """The actions that have other keys in the app of `node`."""
    given: Moved = getattr(node.app, "moved", {})
    return given


def for_textual(moved: Moved) -> dict[str, str]:
    """The keys of every action where any is moved: Textual takes a moved action's old key from all
    others that share it, and these get it back only by standing here too."""
    if not moved:
        return {}
    return {
        id: ",".join(map(textual_name, moved[id].split(","))) if id in moved else keys
        for id, keys in _table()
    }


def textual_name(key: str) -> str:
    """A key as Textual calls it: `question_mark`, `ctrl+right_square_bracket`."""
    modifiers, _, base = key.rpartition("+") if len(key) > 1 else ("", "", key)
    named = {character: name for name, character in _characters().items()}
    return key if key == "ctrl+@" else f"{modifiers}+{named.get(base, base)}".lstrip("+")


def action(id: str | None, moved: Moved) -> Action | None:
    """The table's row for a binding's id, with the keys that it has now."""
    row = find(id)
    return replace(row, keys=moved[id or ""], shown="") if row and id in moved else row


def written(action: Action, spelled: bool = False) -> str:
    """The keys of an action as they are written: `⏎`, `↓ j`. spelled: the first one, in a word."""
    return key_name(action.keys, spelled) if spelled or not action.shown else action.shown


def keyed(text: str, node: DOMNode) -> str:
    """`text` with the key of an action wherever `{its.id}` stands. Nothing foreign may be in it."""
    others, spelled = moved(node), not getattr(node.app, "boxes", True)

    def name(found: re.Match[str]) -> str:
        row = action(found[1], others)
        return written(row, spelled) if row else found[0]

    return _ID.sub(name, text)


def key_name(keys: str, spelled: bool = False) -> str:
    """How the first of these keys is written: `⏎`, `esc`, `/`, `ctrl+g`."""
    first = keys.split(",")[0]
    return first if spelled and first in _NAMED else _WRITTEN.get(first, _characters().get(first, first))


def _keys(value: object) -> list[str]:
    listed = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else []
    return [_canonical(key) for key in listed if key.strip()]


def _canonical(key: str) -> str:
    """Characters as themselves, modifiers in lower case: `?`, `ctrl+x`."""
    key = key if len(key) == 1 else key.strip()
    *modifiers, base = key.split("+") if len(key) > 1 else [key]
    base = _characters().get(base, base)
    base = base.lower() if modifiers or len(base) > 1 else base
    if [part.strip().lower() for part in modifiers] == ["shift"] and len(base) == 1 and base.isalpha():
        return base.upper()  # as every terminal sends it
    if key.lower() == "ctrl+space":
        return "ctrl+@"
    base = {",": "comma", "esc": "escape", "return": "enter", "del": "delete", " ": "space"}.get(base, base)
    return "+".join([*(part.strip().lower() for part in modifiers), base])


def _known(key: str) -> bool:
    *modifiers, base = key.split("+") if len(key) > 1 else [key]
    if modifiers == ["shift"] and len(base) == 1:
        return False  # another character, and which one the keyboard knows
    return _MODIFIERS.issuperset(modifiers) and (base in _NAMED or (len(base) == 1 and base.isprintable()))


def _types(key: str) -> bool:
    return len(key) == 1 or key in ("space", "comma")


def _clash(moved: Moved) -> tuple[str, str, str] | None:
    """(a moved action, its key, the action that has it) of the last line that takes another's key."""
    effective = {id: {_canonical(key) for key in moved.get(id, keys).split(",")} for id, keys in _table()}
    before = {id: {_canonical(key) for key in keys.split(",")} for id, keys in _table()}
    for id in reversed(list(moved)):
        for other, keys in effective.items():
            if other == id or not _together(id, other):
                continue
            taken = (effective[id] & keys) - (before[id] & before[other])
            if taken:
                return id, min(taken), other
    return None


def _together(one: str, other: str) -> bool:
    """Whether both actions can be meant by a key at the same time."""
    groups = {one.partition(".")[0], other.partition(".")[0]}
    if len(groups) == 1:
        return True
    if sheets := groups & SHEETS.keys():
        app = (find(id) for id in (one, other) if id.startswith("app."))
        always = any(action.priority for action in app if action) or bool(EVERYWHERE & {one, other})
        return always or any(SHEETS[sheet] in groups for sheet in sheets)
    return len(groups & PARTS) == 1 or bool(groups & {"app", "pane"})


def _table() -> Iterator[tuple[str, str]]:
    for group, actions in ACTIONS.items():
        for action in actions:
            yield f"{group}.{action.name}", action.keys


def _line(loaded: Loaded, id: str) -> int:
    return loaded.lines.get(f"keys.{id}", loaded.lines.get("keys", 0))


def _nearest(id: str) -> str:
    from difflib import get_close_matches

    near: Sequence[str] = get_close_matches(id, [one for one, _ in _table()], n=1)
    return f"The nearest is {near[0]}." if near else "`understudy config keys` lists them."


@cache
def _characters() -> dict[str, str]:
    """Textual's names of the characters that are neither letters nor digits: `question_mark` -> `?`."""
    ours = {
        "solidus": "slash",
        "reverse_solidus": "backslash",
        "commercial_at": "at",
        "low_line": "underscore",
    }
    ours |= {"hyphen_minus": "minus", "plus_sign": "plus"}
    names = {c: unicodedata.name(c).lower().replace(" ", "_").replace("-", "_") for c in string.punctuation}
    # A comma stands between keys, so its name is all it has.
    return {ours.get(name, name): c for c, name in names.items() if c != ","}
