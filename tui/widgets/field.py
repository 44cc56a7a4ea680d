"""A line to type in: one row, no border, no blinking, keys from the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from tui.actions import bindings
from tui.safe_text import safe_line

if TYPE_CHECKING:
    from textual.widgets import TextArea


def point(typed: Input | TextArea) -> None:
    """Put the terminal's cursor, which a screen reader follows, to where one types."""
    if typed.has_focus:
        typed.app.cursor_position = typed.cursor_screen_offset


class Field(Input, inherit_bindings=False):
    """An Input in the studio's look. `check_consume_key` leaves every printable key to the text."""

    BINDINGS = bindings("field")
    DEFAULT_CSS = """
    Field, Field:focus {
        border: none;
        height: 1;
        padding: 0;
        background: transparent;
        background-tint: transparent;
        &.-invalid, &.-invalid:focus { border: none; }
        & > .input--placeholder, & > .input--suggestion { color: $muted; text-style: none; }
    }
    """

    def __init__(self, *, placeholder: str = "", id: str | None = None, classes: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, classes=classes, compact=True)
        self.cursor_blink = False

    def on_focus(self) -> None:
        self.call_after_refresh(point, self)  # Input does so before it has its place

    def validate_value(self, value: str) -> str:
        """What is pasted or completed is foreign too, and Input draws it as it is."""
        return safe_line(value)
