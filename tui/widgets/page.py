"""Text that is read from the top: lines of Content, laid out again for every width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.visual import RenderOptions

from tui.actions import bindings

Draw = Callable[[int], Sequence[Content]]
"""The lines in so many cells. The text must have passed safe_text."""


class Lines(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws `lines`, keeps them selectable and scrolls by keys; a subclass decides what they are."""

    BINDINGS = bindings("page")
    DEFAULT_CSS = """
    Lines {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 0;
        &:ansi { scrollbar-color: $rule; scrollbar-background: $background; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Content] = []

    def measure(self) -> None:
        """Measure `lines` anew and draw what is in view."""
        self.virtual_size = Size(self.size.width, len(self.lines))
        self.refresh()

    def action_move(self, step: int) -> None:
        # A quarter of the view at once: every scroll repaints all of it, whatever its distance.
        self.scroll_relative(y=step * max(1, self.size.height // 4), animate=False, force=True)

    def action_page(self, direction: int) -> None:
        self.scroll_relative(y=direction * max(1, self.size.height - 1), animate=False, force=True)

    def action_top(self) -> None:
        self.scroll_home(animate=False, force=True)

    def action_end(self) -> None:
        self.scroll_end(animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        width, number = self.size.width, y + self.scroll_offset.y
        if y == 0 and self.has_focus:
            self.app.cursor_position = self.content_region.offset  # a screen reader follows it
        base = self.visual_style
        if number >= len(self.lines):
            return Strip.blank(width, base.rich_style)
        text = self.lines[number]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(number)) is not None:
            start, end = span
            style = self.screen.get_visual_style("screen--selection")
            text = text.stylize(style, start, len(text.plain) if end == -1 else end)
        options = RenderOptions(self._get_style, {"text_wrap": "nowrap"})
        strips = text.render_strips(width, 1, base, options)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, base.rich_style).apply_offsets(0, number)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(line.plain for line in self.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


class Page(Lines):
    """Give it a function that draws the lines in a width with `show`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw: Draw = lambda width: ()

    def show(self, draw: Draw, stay: bool = False) -> None:
        """Draw this. stay: keep the place in view, for a page that only grew."""
        self._draw = draw
        before = self.lines
        self.lines = self._drawn_lines()
        if len(before) == len(self.lines) and stay:
            for y, line in enumerate(self.lines):
                if line != before[y]:
                    self.refresh_lines(y)
        else:
            self.measure()
        if not stay and self.scroll_offset.y:
            self.action_top()

    def on_resize(self) -> None:
        self.lines = self._drawn_lines()
        self.measure()

    def _drawn_lines(self) -> list[Content]:
        return list(self._draw(self.size.width)) if self.size.width else []
