"""A screen over a pane that is closed with an answer, once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.binding import BindingsMap
from textual.dom import DOMNode
from textual.screen import ScreenResultType

from tui.keymap import EVERYWHERE
from tui.sized import Sized


class Sheet(Sized[ScreenResultType], inherit_bindings=False):
    """Keys may wait in line when the first of them closes the sheet: the later ones close nothing more.

    Where it lies over a pane, ModalScreen is named before it: styles are looked up by the first base.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_current else AwaitComplete()

    @property
    def _modal_binding_chain(self) -> list[tuple[DOMNode, BindingsMap]]:
        """As in Screen, which leaves out the keys of the app; some of them always mean the program."""
        chain = super()._modal_binding_chain
        if chain[-1][0] is self.app:
            return chain
        keys = self.app._bindings.copy()
        for key, bindings in list(keys.key_to_bindings.items()):
            keys.key_to_bindings[key] = [one for one in bindings if one.id in EVERYWHERE]
        return [*chain, (self.app, keys)]
