"""The rows behind one line of an import report: where each stands, when it was said, how it begins."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from engine.importers.report import Example, ReportLine, how_many
from tui.actions import bindings
from tui.safe_text import content, safe_line
from tui.widgets.cells import clock, day, fit, fit_end, wrap
from tui.widgets.key_line import KeyLine
from tui.widgets.line_list import LineList
from tui.widgets.sheet import Sheet
from tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from tui.app import UnderstudyApp

TIME = 24
WHOLE = 4
"""Lines below the list, in which the row under the bar stands uncut."""


class Behind(Sheet[None], inherit_bindings=False):
    """A list of rows; the row under the bar stands below it in full."""

    BINDINGS = bindings("rows")
    DEFAULT_CSS = """
    Behind {
        layout: vertical;
        #heading { height: 3; padding: 1 3; text-style: bold; }
        #rows { margin: 0 2; }
        #whole { height: 6; padding: 1 3; color: $muted; }
    }
    """

    def __init__(self, line: ReportLine, noted: Sequence[Example], reasons: Sequence[str] = ()) -> None:
        super().__init__()
        self.line, self.noted, self.reasons = line, noted, reasons

    def compose(self) -> ComposeResult:
        yield TopLine(cast("UnderstudyApp", self.app).status, 1)
        many = how_many(self.line, len(self.noted))
        yield Static(content(safe_line(f"{self.line.name}   {many}")), id="heading")
        yield Rows(self.noted, self.reasons, shorten=self.line.name not in ("joined", "notes"))
        yield Static("", id="whole")
        yield KeyLine()

    def on_mount(self) -> None:
        rows = self.query_one(Rows)
        rows.focus()
        rows.show(len(self.noted))
        self._show_whole()

    def on_resize(self) -> None:
        self._show_whole()

    def on_line_list_moved(self) -> None:
        self._show_whole()

    def _show_whole(self) -> None:
        if self.noted:
            at = self.query_one(Rows).cursor
            row, why = self.noted[at], self.reasons[at] if self.reasons else ""
            parts = (row.place, " · ".join(filter(None, (why, said_at(row)))), row.text)
            width = max(20, self.app.size.width - 6)
            lines = [line for part in parts if part for line in wrap(safe_line(part, 10 * width), width)]
            self.query_one("#whole", Static).update(Content("\n".join(lines[:WHOLE])), layout=False)

    def action_close(self) -> None:
        self.dismiss()


class Rows(LineList):
    """reasons: why each was skipped, where they have several. shorten: leave out the folders in which all
    of them lie."""

    def __init__(self, noted: Sequence[Example], reasons: Sequence[str], shorten: bool) -> None:
        super().__init__(id="rows")
        self.noted, self.reasons = noted, reasons
        common = commonprefix([row.place for row in noted])  # noqa: RUF071 - cut at a slash
        self.common = common.rfind("/") + 1 if shorten else 0
        self.longest = max((cell_len(self._place(row)) for row in noted), default=0)
        self.timed = any(row.time is not None for row in noted)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "open"

    def row(self, index: int, width: int) -> Content:
        row = self.noted[index]
        place = min(self.longest, (width - TIME) // 2 if self.timed else width * 2 // 3)
        time = fit(said_at(row), TIME) if self.timed else ""
        said = " · ".join(filter(None, (self.reasons[index] if self.reasons else "", row.text)))
        text = fit(safe_line(said), max(0, width - place - len(time) - 4)).rstrip()
        return Content.assemble(f" {fit_end(self._place(row), place)}  ", (time, "$muted"), text)

    def _place(self, row: Example) -> str:
        return safe_line(row.place[self.common :])


def said_at(row: Example) -> str:
    """Sat 27 Aug 2023 14:06"""
    return "" if row.time is None else f"{day(row.time)} {clock(row.time)}"
