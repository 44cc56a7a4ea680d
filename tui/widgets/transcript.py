"""A conversation of any length, wrapped and in view: a window of messages around the reader's place.

Only WINDOW messages are held. When the reader comes near an end of them, the window is read again
around that place, and the line at the top stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.selection import Selection
from textual.strip import Strip

from tui.actions import bindings
from tui.plain import plain
from tui.widgets.bar_lines import BarLines
from tui.widgets.message_lines import Line, Marks, lay_out

if TYPE_CHECKING:
    from engine.archive.rows import MessageRow

Load = Callable[[int, int, tuple[int, int] | None], Awaitable["list[MessageRow]"]]
"""Reads messages of the conversation: (offset, limit, known) -> rows in spoken order. known: the index and
the id of a message that is held, from which the way may be shorter than from the first."""

WINDOW = 300
NEAR = 60
MARK = "▐"

_GUTTER = re.compile("^[▌│·] ?| +$", re.MULTILINE)
"""What of a drawn line nobody wrote."""


class Transcript(BarLines, inherit_bindings=False):
    """Shows one conversation. cursor: the index of the message under the bar, in the conversation.

    place: (index of that message, number of messages) once it is shown. Watch it: a watcher's line is drawn
    together with the bar, where a message would be one more frame.
    """

    BINDINGS = bindings("transcript")

    place: var[tuple[int, int]] = var((0, 0))

    @dataclass
    class Read(Message):
        """The worker's answer: rows from `first` on, for the `opened`th conversation shown here."""

        opened: int
        first: int
        rows: list[MessageRow]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.total = 0
        self.cursor = 0
        self.ai: int | None = None
        self.rows: list[MessageRow] = []
        self._load: Load | None = None
        self._times: tuple[int, int] | None = None
        self._mark = -1
        self._opened = self._held = self._height = 0
        self._first = 0
        self._lines: list[Line] = []
        self._starts: list[int] = []
        self._marks: Marks | None = None
        self._jump = False
        self._reading = False

    def open(
        self,
        total: int,
        load: Load,
        at: int | None = None,
        marks: Marks | None = None,
        times: tuple[int, int] | None = None,
    ) -> None:
        """Show a conversation of `total` messages at message `at` (the last by default).

        marks: what was searched for. times: those of its first and last message
        (UTC ms), for the mark at the right edge that tells the place in time.
        """
        self._opened += 1
        self._load, self.total, self._times = load, total, times
        self.cursor = max(0, min(total - 1 if at is None else at, total - 1))
        self._marks = marks
        self._jump = True
        self._read(self.cursor)

    def renew(self, total: int, load: Load, at: int, times: tuple[int, int] | None) -> None:
        """Read the window again after a change; the message under the bar is the `at`-th now, and stays
        where it is on the screen."""
        self._opened += 1
        self._load, self.total, self._times = load, total, times
        self._first += at - self.cursor
        self.cursor = at
        self._read(at)

    def clear(self) -> None:
        """Show nothing."""
        self._opened += 1
        self._load, self.total, self.cursor, self.rows, self._first = None, 0, 0, [], 0
        self._arrange()

    def mark_ai(self, person: int | None) -> None:
        """Give this person's messages the accent."""
        self.ai = person
        self.refresh()

    @property
    def message(self) -> MessageRow | None:
        """The message under the bar, where it is loaded."""
        index = self.cursor - self._first
        return self.rows[index] if 0 <= index < len(self.rows) else None

    def move_to(self, index: int) -> None:
        """Put the bar on message `index`, scrolling half a page where it is out of view."""
        index = max(0, min(index, self.total - 1))
        if not self.total or index == self.cursor:
            return
        if not self._first <= index < self._first + len(self.rows):
            self.cursor, self._jump = index, True
            self._read(index)
            return
        self._put_bar(index)
        self._reveal()

    def _put_bar(self, index: int) -> None:
        """Put the bar on a message that is loaded, and let the mark and the place follow it."""
        before, self.cursor = self.cursor, index
        self._refresh_message(before)
        self._refresh_message(index)
        self._move_mark()
        self.place = (index, self.total)

    # The mouse

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turn(event, self._scroll_down_for_pointer)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turn(event, self._scroll_up_for_pointer)

    def _turn(self, event: events.MouseEvent, scroll: Callable[..., bool]) -> None:
        """Scroll, and take a bar along that would be left behind: it says where one is."""
        event.prevent_default()
        if not scroll(animate=False):
            return
        event.stop()
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self.message is None or self._seen(self.cursor, top, height):
            return
        first, last = (line.message for line in (self._lines[top], self._lines[top : top + height][-1]))
        down = self._span(self.cursor)[1] <= top
        nearest, next_ = (first, first + 1) if down else (last, last - 1)
        whole = first <= next_ <= last and not self._holds(self._first + nearest, top, height)
        self._put_bar(self._first + (next_ if whole else nearest))

    def on_click(self, event: events.Click) -> None:
        line = event.y + self.scroll_offset.y
        if line < len(self._lines) and not self.screen.get_selected_text():
            self._put_bar(self._first + self._lines[line].message)

    def action_move(self, step: int) -> None:
        """To the next message, but through one that is longer than the view first."""
        if self.message is not None:
            start, end = self._span(self.cursor)
            top, height = self.scroll_offset.y, max(1, self.size.height)
            if (step > 0 and end > top + height) or (step < 0 and start < top):
                self.scroll_to(y=top + step * max(1, height // 2), animate=False, force=True)
                return
        self.move_to(self.cursor + step)

    def action_page(self, direction: int) -> None:
        """Scroll a page, and take the bar along."""
        if self.message is None:
            return
        top, height = self.scroll_offset.y, max(1, self.size.height - 1)
        start, end = self._span(self.cursor)
        if (direction > 0 and end > top + self.size.height) or (direction < 0 and start < top):
            self.scroll_to(y=top + direction * height, animate=False, force=True)  # more of the same
            return
        line = max(start, top)
        target = max(0, min(line + direction * height, len(self._lines) - 1))
        self.move_to(self._first + self._lines[target].message)

    def action_top(self) -> None:
        self._to_edge(0)

    def action_end(self) -> None:
        self._to_edge(self.total - 1)

    def _to_edge(self, index: int) -> None:
        if index != self.cursor:
            self.move_to(index)
        elif self.message is not None:  # of a long one to its own first or last line
            start, end = self._span(index)
            y = end - self.size.height if index else start
            self.scroll_to(y=max(0, y), animate=False, force=True)

    def action_copy(self) -> None:
        """What is selected, else the message under the bar."""
        if selected := self.screen.get_selected_text():
            self.app.copy(selected)  # type: ignore[attr-defined]
        elif self.message is not None:
            self.app.copy(self.message.text)  # type: ignore[attr-defined]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.total > 0 if action == "copy" else True

    # The window

    def _read(self, around: int) -> None:
        if self._load is None:
            return
        self._reading = True
        first = max(0, min(around - WINDOW // 2, self.total - WINDOW))
        known = (self._first, self.rows[0].id) if self.rows and self._held == self._opened else None
        fetch = self._fetch(self._load, self._opened, first, known)
        self.run_worker(fetch, group="transcript", exclusive=True)

    async def _fetch(self, load: Load, opened: int, first: int, known: tuple[int, int] | None) -> None:
        self.post_message(self.Read(opened, first, await load(first, WINDOW, known)))

    def on_transcript_read(self, event: Read) -> None:
        event.stop()
        if event.opened != self._opened:
            return
        self._reading = False
        top = None if self._jump else self._place()
        self._first, self.rows, self._held = event.first, event.rows, event.opened
        self._arrange()
        if top is None:
            self._jump = False
            self._reveal(centre=True)
            self._move_mark()
            self.place = (self.cursor, self.total)
        else:
            self._restore(top)
            self._move_mark()
            self.place = (self.cursor, self.total)

    def _arrange(self) -> None:
        self._lines, self._starts = lay_out(self.rows, self._width, self._marks)
        self.virtual_size = Size(0, len(self._lines))
        self.refresh()

    def _place(self) -> tuple[int, int] | None:
        """The message at the top of the view and how many of its lines are above it."""
        top = self.scroll_offset.y
        if top >= len(self._lines):
            return None
        message = self._lines[top].message
        return self._first + message, top - self._starts[message]

    def _line(self, place: tuple[int, int]) -> int | None:
        """Where a place is among the lines, if it is loaded."""
        message = place[0] - self._first
        return self._starts[message] + place[1] if 0 <= message < len(self._starts) else None

    def _restore(self, place: tuple[int, int]) -> None:
        line = self._line(place)
        if line is not None:
            self.scroll_to(y=line, animate=False, force=True)

    def _span(self, index: int) -> tuple[int, int]:
        """The first line of a loaded message, and the first after it."""
        message = index - self._first
        end = self._starts[message + 1] if message + 1 < len(self._starts) else len(self._lines)
        return self._starts[message], end

    def _holds_bar(self, top: int, height: int) -> bool:
        return self.message is not None and self._holds(self.cursor, top, height)

    def _holds(self, index: int, top: int, height: int) -> bool:
        """Whether all of a loaded message is among `height` lines from `top`."""
        start, end = self._span(index)
        return top <= start and end <= top + height

    def _seen(self, index: int, top: int, height: int) -> bool:
        """Whether some of a loaded message is among `height` lines from `top`."""
        start, end = self._span(index)
        return start < top + height and top < end

    def _reveal(self, centre: bool = False) -> None:
        height = max(1, self.size.height)
        if self.message is None or (not centre and self._holds_bar(self.scroll_offset.y, height)):
            return
        start, end = self._span(self.cursor)
        at = next((line for line in range(start, end) if self._lines[line].found), start)
        top = max(0, min(at - height // 2, len(self._lines) - height))
        self.scroll_to(y=top, animate=False, force=True)

    def _refresh_message(self, index: int) -> None:
        if 0 <= index - self._first < len(self._starts):
            start, end = self._span(index)
            self.refresh_lines(start, end - start)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._reading or not self._lines:
            return
        top = self._lines[min(int(new_value), len(self._lines) - 1)].message
        bottom = self._lines[min(int(new_value) + self.size.height, len(self._lines) - 1)].message
        if (top < NEAR and self._first > 0) or (
            bottom > len(self.rows) - NEAR and self._first + len(self.rows) < self.total
        ):
            self._read(self._first + top)

    def on_resize(self, event: events.Resize) -> None:
        """The line on top stays, but a bar that was seen is seen afterwards too."""
        height, self._height = self._height, event.size.height
        if not self.rows:
            return
        place, seen = self._place(), self._holds_bar(self.scroll_offset.y, height)
        self._arrange()
        top = None if place is None else self._line(place)
        if seen and (top is None or not self._holds_bar(top, event.size.height)):
            self._reveal(centre=True)
        elif place is not None:
            self._restore(place)
        self._move_mark()

    def refresh_bar(self) -> None:
        self._refresh_message(self.cursor)

    # Drawing

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        if number >= len(self._lines):
            return self._marked(y, Content(""), False)
        line = self._lines[number]
        row = self.rows[line.message]
        text = line.draw(row, row.person == self.ai, self._width, plain(self))
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(number)) is not None:
            start, end = span
            style = self.screen.get_visual_style("screen--selection")
            text = text.stylize(style, start, len(text.plain) if end == -1 else end)
        under_bar = self._first + line.message == self.cursor and not line.lead
        before = self._lines[number - 1] if number else None
        if under_bar and (before is None or before.lead or before.message != line.message):
            self.point(y)
        return self._marked(y, text, under_bar).apply_offsets(0, number)

    @property
    def _width(self) -> int:
        """Cells for text: the last one is the mark's."""
        return max(1, self.size.width - 1)

    def _marked(self, y: int, text: Content, under_bar: bool) -> Strip:
        """A line with its cell of the right edge."""
        mark = Content.assemble((MARK, "$muted")) if y == self._mark else Content(" ")
        return self.strip(text.pad_right(max(0, self._width - text.cell_length)) + mark, under_bar)

    def _move_mark(self) -> None:
        """Bring the mark to where the bar's message stands between the first and the last in time."""
        mark = -1
        if self._times is not None and self.message is not None:
            first, last = self._times
            share = (self.message.time - first) / max(1, last - first)
            mark = round(min(1, max(0, share)) * (self.size.height - 1))
        if mark != self._mark:
            top = self.scroll_offset.y
            for y in (self._mark, mark):
                self.refresh_lines(top + y)
            self._mark = mark

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        lines = [line.draw(self.rows[line.message], False, self._width) for line in self._lines]
        selected = selection.extract("\n".join(line.plain for line in lines))
        return _GUTTER.sub("", selected), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
