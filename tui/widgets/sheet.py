"""A screen over a pane that is closed with an answer, once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ScreenResultType

from tui.sized import Sized


class Sheet(Sized[ScreenResultType], inherit_bindings=False):
    """Keys may wait in line when the first of them closes the sheet: the later ones close nothing more.

    Where it lies over a pane, ModalScreen is named before it: styles are looked up by the first base.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_current else AwaitComplete()
