"""The report of an import that was made before."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from engine.importers.report import from_json
from tui.actions import bindings
from tui.safe_text import safe_line
from tui.screens.importing.report import Report
from tui.widgets.cells import clock, day, plural, source_name
from tui.widgets.key_line import KeyLine
from tui.widgets.sheet import Sheet
from tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from engine.archive.rows import ImportRow
    from tui.app import UnderstudyApp


class Past(Sheet[None], inherit_bindings=False):
    """What was imported and when, and its report."""

    BINDINGS = bindings("rows")
    DEFAULT_CSS = """
    Past {
        layout: vertical;
        #heading { height: 5; padding: 1 3; }
        #report { margin: 0 3; }
    }
    """

    def __init__(self, row: ImportRow) -> None:
        super().__init__()
        self.row, self.report = row, from_json(row.report)

    def compose(self) -> ComposeResult:
        yield TopLine(cast("UnderstudyApp", self.app).status, 1)
        many = plural(self.report.conversations, "conversation")
        about = f"{when(self.row)} · {many} · {self.row.seconds:.1f} s"
        yield Static(
            Content.assemble(
                (f"{source_name(self.row.source)}\n", "bold"),
                (f"{safe_line(self.row.path)}\n{safe_line(about)}", "$muted"),
            ),
            id="heading",
        )
        yield Report(self.report)
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(Report).focus()

    def action_close(self) -> None:
        self.dismiss()


def when(row: ImportRow) -> str:
    return f"{day(row.time)} {clock(row.time)}"
