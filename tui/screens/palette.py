"""Every action by name: type a few letters, enter does it."""

from __future__ import annotations

from typing import Any, NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.geometry import Offset
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from tui.actions import Action, bindings
from tui.keymap import action as key_action
from tui.keymap import moved, written
from tui.plain import plain
from tui.widgets.cells import fit, right
from tui.widgets.field import Field
from tui.widgets.line_list import LineList
from tui.widgets.sheet import Sheet

MOVING = ("list", "transcript", "page", "field", "prompt")
"""Groups whose rows without a label come last, and only those of the focused part: nobody looks for `down`
by name."""


class Item(NamedTuple):
    action: Action
    node: DOMNode
    group: str


class Palette(ModalScreen[None], Sheet[None], inherit_bindings=False):
    """The actions of the pane below, of every part of it that can have the focus, and of the app."""

    BINDINGS = bindings("palette")
    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette > #sheet { margin: 2 0 0 0; }
    Palette _Items { height: 14; margin: 1 0 0 0; }
    Palette #none { color: $muted; padding: 0 1; }
    """

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self.items = _items(about)

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Field(placeholder="what to do", classes="field")
            yield _Items(self.items)
            yield Static("", id="none")

    def on_mount(self) -> None:
        self.query_one(_Items).can_focus = False
        self.query_one(_Items).find("")

    def on_input_changed(self, event: Input.Changed) -> None:
        items = self.query_one(_Items)
        items.find(event.value)
        self.query_one("#none", Static).update("" if items.found else "Nothing here is called that.")

    def on_input_submitted(self) -> None:
        self.action_choose()

    def on_line_list_opened(self) -> None:
        self.action_choose()

    def action_move(self, step: int) -> None:
        items = self.query_one(_Items)
        items.action_move(step)
        # The field keeps the focus, and the row is what a screen reader should read.
        row = Offset(0, items.cursor - items.scroll_offset.y)
        self.app.cursor_position = items.content_region.offset + row

    def action_choose(self) -> None:
        chosen = self.query_one(_Items).chosen()
        self.dismiss()
        if chosen is not None:
            self.app.call_later(self.app.run_action, chosen.action.does, chosen.node)

    def action_close(self) -> None:
        self.dismiss()


class _Items(LineList):
    def __init__(self, items: list[Item]) -> None:
        super().__init__()
        self.items, self.found = items, items

    def find(self, typed: str) -> None:
        words = typed.casefold().split()
        self.found = [
            item
            for item in self.items
            if all(
                word in f"{item.group} {item.action.help} {item.action.label}".casefold() for word in words
            )
        ]
        self.show(len(self.found))

    def chosen(self) -> Item | None:
        return self.found[self.cursor] if self.found else None

    def row(self, index: int, width: int) -> Content:
        action = self.found[index].action
        keys = written(action, plain(self))
        return Content.assemble(f" {fit(action.help, width - 13)} ", (right(keys, 10), "$muted"), " ")


def _items(about: Screen[Any]) -> list[Item]:
    items, last = list[Item](), list[Item]()
    seen: set[str | None] = set()
    focused = about.focused
    parts = [part for part in [focused, *about.focus_chain, about] if part is not None]
    for part in parts:
        for node in part.ancestors_with_self:
            for bound in node._bindings.key_to_bindings.values():
                for binding in bound:
                    action = key_action(binding.id, moved(about))
                    group = (binding.id or "").partition(".")[0]
                    moves = action is not None and group in MOVING and not action.label
                    if action is None or binding.id in seen or (moves and node is not focused):
                        continue
                    if not node.check_action(*_call(action.does)):
                        continue
                    seen.add(binding.id)
                    (last if moves else items).append(Item(action, node, group))
    return items + last


def _call(does: str) -> tuple[str, tuple[object, ...]]:
    from textual.actions import parse

    _, name, arguments = parse(does)
    return name, arguments
