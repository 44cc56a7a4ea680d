"""The first line: the panes with the current one marked, and what is going on, most urgent first."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.widget import Widget

from tui.plain import plain
from tui.safe_text import safe_line
from tui.status import Status
from tui.widgets.cells import number, spread

BESIDE = 34
"""Cells in which a state can be said, in few words."""


class TopLine(Widget):
    """Reads the app's Status; refreshes when it changes."""

    DEFAULT_CSS = """
    TopLine { dock: top; height: 1; padding: 0 1; color: $muted; }
    """

    def __init__(self, status: Status, current: int) -> None:
        super().__init__()
        self.status, self.current = status, current

    def on_mount(self) -> None:
        self.status.changed.subscribe(self, self._changed)

    def _changed(self, _: Status) -> None:
        # A screen below another one would repaint all of that; it is drawn anew when it comes up.
        if self.app.screen is self.screen:
            self.refresh()

    def render(self) -> Content:
        width = self.content_size.width or self.app.size.width - 2
        panes = self._names() if self._named(width) else self._digits()
        return spread(panes, Content(safe_line(self.status.state(width - panes.cell_length - 2))), width)

    def _named(self, width: int) -> bool:
        """Whether the panes have their names. Where a state has room beside them they always do, and
        it is the state that gives way: they must not come and go with every step of a job."""
        room = width - self._names().cell_length - 2
        return room >= BESIDE or Content(safe_line(self.status.state())).cell_length <= room

    def _names(self) -> Content:
        pieces: list[str | tuple[str, str]] = []
        for digit, title in self.status.panes:
            waiting = self.status.counts.get(digit)
            here = digit == self.current and plain(self)
            text = f"[{digit}] {title}" if here else f"{digit} {title}"
            pieces += ["  " if pieces else ""]
            pieces += [(text, "bold $accent") if digit == self.current else text]
            if waiting:
                pieces.append((f" {number(waiting)}", "$muted"))
        return Content.assemble(*pieces)

    def _digits(self) -> Content:
        """`1 2 [3] 4 5 6  Chunks`"""
        pieces: list[str | tuple[str, str]] = []
        for digit, _ in self.status.panes:
            pieces += [" " if pieces else ""]
            pieces += [(f"[{digit}]", "bold $accent") if digit == self.current else f"{digit}"]
        title = next((title for digit, title in self.status.panes if digit == self.current), "")
        return Content.assemble(*pieces, (f"  {title}", "bold $foreground"))

    def on_click(self, event: events.Click) -> None:
        """Go to the pane whose name was clicked."""
        at = event.x - 1
        width = self.content_size.width
        named = self._named(width)
        for digit, title in self.status.panes:
            waiting = self.status.counts.get(digit)
            size = len(f"{digit} {title}") + (len(f" {number(waiting)}") if waiting else 0)
            size = size + 2 if named else (4 if digit == self.current else 2)
            if at < size:
                self.app.call_later(self.app.run_action, f"pane({digit})")
                return
            at -= size
