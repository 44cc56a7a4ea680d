"""The keys of the focused pane, made from the table of actions."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.actions import bindings
from tui.keymap import action as key_action
from tui.keymap import key_name, moved
from tui.plain import plain
from tui.widgets.cells import fit
from tui.widgets.sheet import Sheet

WIDTH, AROUND = 72, 5
"""Cells of a sheet, and those of them that are its margin and its scroll bar."""


class Help(ModalScreen[None], Sheet[None], inherit_bindings=False):
    """The keys of the pane, nearest to the focus first; those that do not apply now are dim."""

    BINDINGS = bindings("help")
    DEFAULT_CSS = "Help VerticalScroll { scrollbar-size-vertical: 1; }"

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self.about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="sheet"):
            yield Static(self._keys())

    def on_resize(self) -> None:
        self.query_one(Static).update(self._keys())

    def action_close(self) -> None:
        self.dismiss()

    def _keys(self) -> Content:
        lines: list[Content] = []
        before = ""
        column, room = 24 if plain(self) else 14, min(WIDTH, self.app.size.width) - AROUND
        others, spelled = moved(self), plain(self)
        active = {one.binding.id for one in self.about.active_bindings.values()}
        seen: set[str] = set()
        for node in (self.about.focused or self.about).ancestors_with_self:
            for binding in (one for bound in node._bindings.key_to_bindings.values() for one in bound):
                action, id = key_action(binding.id, others), binding.id or ""
                group = id.partition(".")[0]
                # Of the app's keys those that a pane takes, or that lead to no pane, are not there.
                if action is None or id in seen or (group == "app" and id not in active):
                    continue
                seen.add(id)
                if before and group != before:
                    lines.append(Content(""))
                before = group
                names = [key_name(key, spelled) for key in action.keys.split(",")]
                keys = action.shown if action.shown and not spelled else "  ".join(names)
                styles = ("", "$muted") if id in active else ("$faint", "$faint")
                for line in wrap(action.help, max(1, room - column - 1)):
                    lines.append(Content.assemble((fit(keys, column), styles[0]), (f" {line}", styles[1])))
                    keys = ""
        return Content("\n").join(lines)
