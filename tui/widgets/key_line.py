"""The last line: at most six keys of what has the focus, or a sentence that replaces them once."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import ACTIONS
from tui.keymap import action as key_action
from tui.keymap import moved, written
from tui.plain import plain
from tui.safe_text import safe_line

AT_MOST = 6

WAYS_BACK = ("back", "close", "leave", "stop-here")
"""Names of the actions that lead back to where one was."""


class KeyLine(Widget):
    """Made from the active bindings, so a disabled action is never offered."""

    DEFAULT_CSS = """
    KeyLine {
        dock: bottom;
        height: auto;
        max-height: 4;
        padding: 0 1;
        color: $muted;
    }
    """

    note: Content | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen is self.app.screen and self.note is None:
            self.refresh()

    def say(self, message: str, hint: str = "") -> None:
        """Show a sentence and a remedy in place of the keys, until `quiet`."""
        self.note = Content.assemble(
            (safe_line(message), "$foreground"), f" {safe_line(hint)}" if hint else ""
        )
        self.refresh(layout=True)

    def quiet(self) -> None:
        if self.note is not None:
            self.note = None
            self.refresh(layout=True)

    def render(self) -> Content:
        if self.note is not None:
            return self.note
        return Content.assemble(*self._keys(self.content_size.width or self.app.size.width - 2))

    def _keys(self, width: int) -> list[tuple[str, str]]:
        """(text, style) pieces: the focused widget's keys, its pane's, `? keys`, and `q quit` if it fits."""
        others, spelled = moved(self), plain(self)
        own: list[tuple[str, str]] = []
        way_back: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for id in _in_order(
            one.binding.id or "" for one in self.screen.active_bindings.values() if one.enabled
        ):
            action = key_action(id, others)
            if action is None or not action.label:
                continue
            shown = (written(action, spelled), action.label)
            if shown not in [*own, *way_back, *common]:
                app = id.startswith("app.")
                (common if app else way_back if action.name in WAYS_BACK else own).append(shown)
        chosen = [*own[: AT_MOST - len(way_back) - len(common[:1])], *way_back, *common][:AT_MOST]
        while len(chosen) > 1 and sum(len(key) + len(label) + 4 for key, label in chosen) - 3 > width:
            # The way back and `? keys` stay whatever else goes: they lead to all the others.
            last = [one for one in chosen if one not in (*way_back, *common[:1])][-1:]
            chosen.remove(last[0] if last else chosen[0])
        pieces: list[tuple[str, str]] = []
        for key, label in chosen:
            pieces += [("   " if pieces else "", ""), (key, "$foreground"), (f" {label}", "")]
        return pieces


def _in_order(ids: Iterable[str]) -> list[str]:
    """As in the table, whatever keys a pane took from others or had moved; the groups as they come."""
    groups: dict[str, list[str]] = {}
    for id in ids:
        groups.setdefault(id.partition(".")[0], []).append(id)
    return [
        f"{group}.{action.name}"
        for group, given in groups.items()
        for action in ACTIONS.get(group, ())
        if f"{group}.{action.name}" in given
    ]
