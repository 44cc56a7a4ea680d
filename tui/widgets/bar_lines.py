"""A scrolling widget that draws single lines with a bar under some of them."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Offset
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions

from tui.plain import plain


class BarLines(ScrollView, can_focus=True, inherit_bindings=False):
    """What LineList and Transcript share: the bar, its look in each theme, and few repaints."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--bar", "lines--bar-blurred"}
    DEFAULT_CSS = """
    BarLines {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 0;
        & > .lines--bar { background: $bar; }
        & > .lines--bar-blurred { background: $bar-blurred; }
    }
    """

    def strip(self, text: Content, under_bar: bool) -> Strip:
        """`text` as one line over the full width."""
        width = self.size.width
        style = self.visual_style
        if under_bar:
            if plain(self) and text.plain[:1] in (" ", "▌", "│", "·"):
                text = Content(">") + text[1:]
            style += self.get_visual_style("lines--bar" if self.has_focus else "lines--bar-blurred")
            if self.app.current_theme.ansi:
                # The terminal's own palette has no grey that is known to be readable.
                text, style = Content(text.plain), style + Style(bold=True, reverse=self.has_focus)
        options = RenderOptions(self._get_style, {"text_wrap": "nowrap"})
        strips = text.render_strips(width, 1, style, options)
        return (strips[0] if strips else Strip.blank(width)).adjust_cell_length(width, style.rich_style)

    def point(self, y: int) -> None:
        """Put the terminal's cursor, which a screen reader follows, on line `y` of the view."""
        if self.has_focus:
            self.app.cursor_position = self.content_region.offset + Offset(0, y)

    def refresh_bar(self) -> None:
        """Repaint the lines under the bar."""
        raise NotImplementedError

    def _on_focus(self, event: events.Focus) -> None:
        self._focus_changed(event, True)
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def _on_blur(self, event: events.Blur) -> None:
        self._focus_changed(event, False)
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

    def _focus_changed(self, event: events.Event, focused: bool) -> None:
        """In place of Widget's own handlers, which repaint all of it where only the bar changes."""
        event.prevent_default()
        self.has_focus = focused
        self.refresh_bar()
