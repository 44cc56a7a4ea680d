"""What stands in a window that is too small for the studio: how large it must be."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from tui.sized import Sized

LEAST = Size(60, 15)
"""Columns and rows below which the panes have no room for what they say."""


def too_small(size: Size) -> bool:
    return size.width < LEAST.width or size.height < LEAST.height


class Small(Sized[None], inherit_bindings=False):
    """Lies over everything, with the keys of the app alone, until the window has grown.

    What is below stays as it is: it is neither laid out for a size that nobody can read nor given keys
    that nobody sees the answer to.
    """

    DEFAULT_CSS = """
    Small { align: center middle; }
    Small Static { width: auto; max-width: 100%; max-height: 100%; color: $muted; }
    """

    def compose(self) -> ComposeResult:
        yield Static(self._words(self.app.size))

    def on_resize(self) -> None:
        if too_small(self.app.size):
            self.query_one(Static).update(self._words(self.app.size))
        else:
            self._leave()

    def on_screen_resume(self) -> None:
        if not too_small(self.app.size):
            self._leave()

    def _leave(self) -> None:
        if self.is_current:
            self.dismiss()

    def _words(self, size: Size) -> Content:
        here, least = f"{size.width} x {size.height}", f"{LEAST.width} x {LEAST.height}"
        return Content(f"{here} is too small.\n{least} is enough.")
