"""The base of every screen: laid out for the size that the window has, not for one that it had.

Textual tells a screen each size the window takes, and the screen tells itself so once more where its layout
changed. Where two wait in its queue, with anything between them, they would be laid out in turns for ever.
"""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen, ScreenResultType


class Sized(Screen[ScreenResultType], inherit_bindings=False):
    """A screen of the app's size."""

    def _screen_resized(self, size: Size) -> None:
        super()._screen_resized(self.app.size)
