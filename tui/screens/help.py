"""The keys of the focused pane, made from the table of actions."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, Screen

from tui.actions import Action, bindings
from tui.keymap import action as key_action
from tui.keymap import key_name, moved, textual_name
from tui.plain import plain
from tui.widgets.cells import fit
from tui.widgets.page import Page
from tui.widgets.sheet import Sheet

MARGIN = 2
"""Lines of a sheet that stay free above and below."""


class Key(NamedTuple):
    """keys: those that work now, or all where none does."""

    action: Action
    group: str
    keys: Sequence[str]
    works: bool


class Help(ModalScreen[None], Sheet[None], inherit_bindings=False):
    """The keys that work now, nearest to the focus first; below them those that do not."""

    BINDINGS = bindings("help")
    DEFAULT_CSS = "Help Page { height: auto; scrollbar-size-vertical: 1; padding: 0 1 0 0; }"

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self.keys = _keys(about)  # before this lies over it

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Page()

    def on_mount(self) -> None:
        self.query_one(Page).show(self._lines)

    def on_resize(self) -> None:
        self.query_one(Page).styles.max_height = self.app.size.height - MARGIN

    def action_close(self) -> None:
        self.dismiss()

    def _lines(self, width: int) -> Sequence[Content]:
        lines: list[Content] = []
        spelled = plain(self)
        column, before = 24 if spelled else 14, ""
        for key in sorted(self.keys, key=lambda key: not key.works):
            group = key.group if key.works else "not just now"
            if before and group != before:
                lines.append(Content(""))
                lines += [] if key.works else [Content.styled(group, "$muted")]
            before = group
            names = "  ".join(key_name(name, spelled) for name in key.keys)
            whole = len(key.keys) == len(key.action.keys.split(","))
            shown = key.action.shown if key.action.shown and whole and not spelled else names
            for line in wrap(key.action.help, max(1, width - column - 1)):
                style = "$foreground" if key.works else "$muted"
                lines.append(Content.assemble((fit(shown, column), style), (f" {line}", "$muted")))
                shown = ""
        return lines


def _keys(about: Screen[Any]) -> list[Key]:
    """Of what has the focus, of its pane and of the app."""
    others = moved(about)
    active = {key: one.binding.id for key, one in about.active_bindings.items() if one.enabled}
    keys: dict[str, Key] = {}
    for node in (about.focused or about).ancestors_with_self:
        for binding in (one for bound in node._bindings.key_to_bindings.values() for one in bound):
            id = binding.id or ""
            action, group = key_action(id, others), id.partition(".")[0]
            if action is None or id in keys:
                continue
            every = action.keys.split(",")
            now = [key for key in every if active.get(textual_name(key)) == id]
            # Of the app's keys those that a pane takes, or that lead to no pane, are not there.
            if now or group != "app":
                keys[id] = Key(action, group, now or every, bool(now))
    return list(keys.values())
