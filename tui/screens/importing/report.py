"""The import report as a list: every line opens the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from engine.importers.report import ImportReport, ReportLine
from tui.safe_text import safe_line
from tui.screens.importing.rows import Behind
from tui.widgets.cells import fit, fit_end, number, right
from tui.widgets.line_list import LineList

LABEL, COUNT = 17, 11
"""Cells of the first columns."""


class Report(LineList):
    """Label, right-aligned count, explanation."""

    def __init__(self, report: ImportReport | None = None) -> None:
        super().__init__(id="report")
        self.report = report or ImportReport()
        self.lines: Sequence[ReportLine] = ()

    def on_mount(self) -> None:
        self.list(self.report)

    def list(self, report: ImportReport) -> None:
        self.report, self.lines = report, report.lines()
        self.show(len(self.lines))

    def row(self, index: int, width: int) -> Content:
        line = self.lines[index]
        cut = fit_end if line.name == "bad files" else fit  # why is said behind which
        says = cut(safe_line(line.says), max(10, width - LABEL - COUNT - 3)).rstrip()
        return Content.assemble(
            f"{fit(line.label, LABEL)}{right(number(line.rows), COUNT)}   ", (says, "$muted")
        )

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        event.stop()
        line = self.lines[event.index]
        self.app.push_screen(Behind(line, self.report.behind(line.name), self.report.reasons(line.name)))
