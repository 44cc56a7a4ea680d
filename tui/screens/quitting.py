"""What is asked before one quits while something goes on that would be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.signal import Signal

from tui.actions import bindings
from tui.following import follower
from tui.importing import imports
from tui.widgets.choose import Choose

if TYPE_CHECKING:
    from tui.app import UnderstudyApp


def quitting(app: UnderstudyApp) -> Quitting | None:
    """The question to ask before leaving, or None where nothing would be lost."""
    importing, following = imports(app), follower(app)
    if importing.going:
        question = "An import goes on. Quitting ends it, and what it has not finished is not taken over."
        return Quitting(question, "Let it go on", importing.news, lambda: importing.going)
    if following.starting:
        question = "A training is being made ready. Quitting now may leave it unstarted."
        return Quitting(question, "Let it start", following.news, lambda: following.starting)
    return None


class Quitting(Choose, inherit_bindings=False):
    """The second answer quits. It goes by itself once `news` came and it is not `going` any more."""

    BINDINGS = bindings("choose")

    def __init__(self, question: str, stay: str, news: Signal[Any], going: Callable[[], bool]) -> None:
        super().__init__(question, [(stay, ""), ("Quit", "")])
        self._news, self._going = news, going

    def on_mount(self) -> None:
        self._news.subscribe(self, self._on_news, immediate=True)

    def on_screen_resume(self) -> None:
        self._on_news(None)  # what came under another screen, as a window too small, could not close it

    def _on_news(self, _: object) -> None:
        if self.is_active and not self._going():
            self.dismiss()
