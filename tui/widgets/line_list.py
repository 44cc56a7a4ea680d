"""A list of any length: one row under the bar, work only for the rows in view.

Make one by subclassing and drawing a row; tell it how many rows there are with `show`.

    class Hits(LineList):
        def row(self, index: int, width: int) -> Content: ...

It posts `LineList.Moved` when the bar moves and `LineList.Opened` on enter or a second click.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from tui.actions import bindings
from tui.widgets.bar_lines import BarLines


class LineList(BarLines, inherit_bindings=False):
    """A focusable list. rows: how many. cursor: the index under the bar, 0 where the list is empty.

    row_height: lines of one row; with more than one, override `rows_of` instead of `row`.
    """

    BINDINGS = bindings("list")
    row_height = 1

    class Moved(Message):
        """The bar stands on another row."""

        def __init__(self, list_: LineList, index: int) -> None:
            super().__init__()
            self.list, self.index = list_, index

        @property
        def control(self) -> LineList:
            return self.list

    class Opened(Moved):
        """A row was chosen with enter or a second click."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows = 0
        self.cursor = 0

    def row(self, index: int, width: int) -> Content:
        """One row in `width` cells. The text must have passed safe_text."""
        raise NotImplementedError

    def rows_of(self, index: int, width: int) -> Sequence[Content]:
        """The lines of one row, `row_height` of them."""
        return (self.row(index, width),)

    def show(self, rows: int, cursor: int = 0) -> None:
        """Show `rows` rows with the bar on `cursor`; the place in view is kept where it can be."""
        if bool(rows) != bool(self.rows):
            self.call_next(self.refresh_bindings)  # whether a row can be opened
        self.rows = rows
        self.cursor = max(0, min(cursor, rows - 1))
        self._measure()
        self._reveal()
        self.refresh()

    def move_to(self, index: int) -> None:
        """Put the bar on row `index`, scrolling half a page where it is out of view."""
        index = max(0, min(index, self.rows - 1))
        if not self.rows or index == self.cursor:
            self._reveal()
            return
        before, self.cursor = self.cursor, index
        self._refresh_row(before)
        self._refresh_row(index)
        self._reveal()
        self.post_message(self.Moved(self, index))

    def action_move(self, step: int) -> None:
        self.move_to(self.cursor + step)

    def action_page(self, direction: int) -> None:
        self.move_to(self.cursor + direction * max(1, self._in_view - 1))

    def action_top(self) -> None:
        self.move_to(0)

    def action_end(self) -> None:
        self.move_to(self.rows - 1)

    def action_open(self) -> None:
        if self.rows:
            self.post_message(self.Opened(self, self.cursor))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.rows > 0 if action == "open" else True

    def render_line(self, y: int) -> Strip:
        index, part = divmod(y + self.scroll_offset.y, self.row_height)
        if index >= self.rows:
            return self.strip(Content(""), False)
        drawn = self.rows_of(index, self.size.width)
        if index == self.cursor and part == 0:
            self.point(y)
        return self.strip(drawn[part] if part < len(drawn) else Content(""), index == self.cursor)

    def on_mount(self) -> None:
        self._measure()

    def on_resize(self) -> None:
        self._measure()
        self._reveal()

    def refresh_bar(self) -> None:
        self._refresh_row(self.cursor)

    def on_click(self, event: events.Click) -> None:
        index = (event.y + self.scroll_offset.y) // self.row_height
        if index >= self.rows:
            return
        if index == self.cursor and (event.chain > 1 or self.has_focus):
            self.post_message(self.Opened(self, index))
        self.move_to(index)

    @property
    def _in_view(self) -> int:
        return max(1, self.size.height // self.row_height)

    def _measure(self) -> None:
        self.virtual_size = Size(0, self.rows * self.row_height)

    def _refresh_row(self, index: int) -> None:
        self.refresh_lines(index * self.row_height, self.row_height)

    def _reveal(self) -> None:
        if not self.size.height:
            return  # hidden: Textual would keep lines from before it scrolled; see on_resize
        first = self.scroll_offset.y // self.row_height
        if first <= self.cursor < first + self._in_view:
            return
        # Half a page at once: every scroll repaints the whole list, whatever its distance.
        top = max(0, min(self.cursor - self._in_view // 2, self.rows - self._in_view))
        self.scroll_to(y=top * self.row_height, animate=False, force=True)
