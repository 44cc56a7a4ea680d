"""When a frame is sent: as soon as the line can take it, and then only the newest."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from textual._compositor import CompositorUpdate
from textual.app import ScreenStackError
from textual.screen import Screen
from textual.timer import Timer

from tui.driver import TerminalDriver
from tui.ending import EndingApp
from tui.frames import Frame, Shown

LOOK = 0.25
"""Seconds after which to look again whether the line takes more, where the terminal does not say so."""


class PaintingApp(EndingApp, inherit_bindings=False):
    """Sends of each frame what is not on the terminal yet, and no more than the line can take now."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._shown = Shown()
        self._late = False
        self._looking: Timer | None = None

    def on_mount(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.seen = self._catch_up

    def forget_shown(self) -> None:
        """Another has drawn on the terminal, or cut what it shows: the next frame is sent in full."""
        self._shown.forget()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        driver = self._driver
        if not (isinstance(renderable, CompositorUpdate) and isinstance(driver, TerminalDriver)):
            super()._display(screen, renderable)
            return
        if self._batch_count:
            return
        room = driver.room()
        if room:
            frame = Frame(self._shown, self._everything(screen) if self._late else renderable, room)
            super()._display(screen, cast(Any, frame))
            if frame.size:
                driver.sent()
        self._late = not room or not self._shown.whole
        if self._late and self._looking is None:
            self._looking = self.set_interval(LOOK, self._catch_up)

    def _everything(self, screen: Screen[Any]) -> Any:
        return screen._compositor.render_update(full=True, screen_stack=self._background_screens)

    def _catch_up(self) -> None:
        """Send what the line could not take before."""
        if self._late:
            with suppress(ScreenStackError):
                self.screen.refresh()
        if not self._late and self._looking is not None:
            self._looking.stop()
            self._looking = None
