"""The loss curve: training as a line of braille dots, validation as a mark an epoch.

The two differ by shape, not only by colour. Work is in proportion to the chart's width: each column
shows the mean of the steps that fall into it.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import RenderOptions
from textual.widget import Widget

from tui.plain import plain

Point = tuple[int, float]
"""(step, loss)"""

GUTTER = 6
"""Cells for the figures on the left, the axis included."""

VALID = "○"
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800


class LossChart(Widget):
    """Give it what is known with `show`; it fills its place (at least 4 rows)."""

    DEFAULT_CSS = """
    LossChart { height: 1fr; min-height: 4; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data: tuple[Sequence[Point], Sequence[Point], int] = ((), (), 0)
        self._lines: list[Content] = []
        self._drawn: object = None

    def show(self, train: Sequence[Point], valid: Sequence[Point], steps: int) -> None:
        """Draw these points. steps: the job's last step, where the axis ends; 0 while unknown."""
        self._data = (train, valid, steps)
        before, size = self._lines, self.size
        self._lines = self._chart()
        self._drawn = size
        if len(before) != len(self._lines):
            self.refresh()
        else:  # over a slow line only what changed is sent
            changed = [
                y for y, lines in enumerate(zip(before, self._lines, strict=True)) if lines[0] != lines[1]
            ]
            if changed:
                self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def _chart(self) -> list[Content]:
        drawn = in_figures if plain(self) else chart
        return drawn(*self._data, width=self.size.width, height=self.size.height)

    def render_line(self, y: int) -> Strip:
        size = self.size
        if self._drawn != size:
            self._lines = self._chart()
            self._drawn = size
        base = self.visual_style
        if y < len(self._lines):
            options = RenderOptions(self._get_style, {"text_wrap": "nowrap"})
            strips = self._lines[y].render_strips(size.width, 1, base, options)
            if strips:
                return strips[0].adjust_cell_length(size.width, base.rich_style)
        return Strip.blank(size.width, base.rich_style)


def chart(
    train: Sequence[Point], valid: Sequence[Point], steps: int, *, width: int, height: int
) -> list[Content]:
    """The chart in `height` lines of at most `width` cells; empty without a point or without room."""
    losses = [loss for _, loss in (*train, *valid)]
    columns, rows = width - GUTTER, height - 2
    if not losses or columns < 8 or rows < 2:
        return []
    low, high = min(losses), max(losses)
    if high - low < 0.05:
        low, high = low - 0.05, high + 0.05
    last = max(steps, max(step for step, _ in (*train, *valid)), 1)

    def row_of(loss: float) -> int:
        return round((high - loss) / (high - low) * (rows * 4 - 1))

    cells = _curve([(step, row_of(loss)) for step, loss in train], last, columns, rows)
    marks = {(row_of(loss) // 4, _column(step, last, columns)) for step, loss in valid}
    lines = []
    for row in range(rows):
        label = f"{high:5.2f}┤" if row == 0 else f"{low:5.2f}┤" if row == rows - 1 else "     │"
        parts: list[tuple[str, str]] = [(label, "$muted")]
        for column, dots in enumerate(cells[row]):
            mark = (row, column) in marks
            style = "$foreground bold" if mark else "$accent"
            cell = VALID if mark else chr(_BLANK + dots) if dots else " "
            if parts[-1][1] == style:
                parts[-1] = (parts[-1][0] + cell, style)
            else:
                parts.append((cell, style))
        lines.append(Content.assemble(*parts))
    lines.append(Content.styled("     └" + "─" * columns, "$muted"))
    lines.append(Content.styled(_scale(last, columns), "$muted"))
    return lines


def in_figures(
    train: Sequence[Point], valid: Sequence[Point], steps: int, *, width: int, height: int
) -> list[Content]:
    """The same without drawing: a line of figures for each of so many steps, the last one among them."""
    at = dict(valid)
    every = max(1, -(-len(train) // max(1, height)))
    shown = [point for place, point in enumerate(reversed(train)) if place % every == 0]
    lines = []
    for step, loss in reversed(shown):
        near = [at[known] for known in at if step - every < known <= step]
        said = f", validation {near[-1]:.2f}" if near else ""
        lines.append(Content(f"step {step:,}: training loss {loss:.2f}{said}"[:width]))
    return lines[-height:]


def _curve(points: Sequence[Point], last: int, columns: int, rows: int) -> list[list[int]]:
    """Braille dots of the line through `points` (step, dot row), the mean where a column has several."""
    cells = [[0] * columns for _ in range(rows)]
    sums: dict[int, tuple[float, int]] = {}
    for step, row in points:
        x = min(round(step / last * (columns * 2 - 1)), columns * 2 - 1)
        total, count = sums.get(x, (0.0, 0))
        sums[x] = (total + row, count + 1)
    before: tuple[int, int] | None = None
    for x in sorted(sums):
        y = round(sums[x][0] / sums[x][1])
        start_x, start_y = before or (x, y)
        length = max(x - start_x, abs(y - start_y), 1)
        for part in range(length + 1):
            at_x = start_x + round((x - start_x) * part / length)
            at_y = start_y + round((y - start_y) * part / length)
            cells[at_y // 4][at_x // 2] |= _DOTS[at_y % 4][at_x % 2]
        before = (x, y)
    return cells


def _column(step: int, last: int, columns: int) -> int:
    return min(round(step / last * (columns * 2 - 1)) // 2, columns - 1)


def _scale(last: int, columns: int) -> str:
    """0, the middle and the last step under the axis."""
    middle, end = f"{last // 2:,}", f"{last:,}"
    line = f"{0:<{columns}}"
    if columns > 3 * len(end) + 6 and last > 1:
        at = columns // 2 - len(middle) // 2
        line = line[:at] + middle + line[at + len(middle) :]
    return " " * GUTTER + line[: columns - len(end)] + end
