"""The import report as lines: what was kept, what was left out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from engine.importers.report import Example, ImportReport
from tui.safe_text import safe_line
from tui.widgets.cells import day, fit, number, plural, right

ROWS = 200
"""Rows shown for one reason of leaving out."""
SOME = 5
"""Unreadable files and notes shown before the rest is asked for."""


def total(reports: Iterable[ImportReport]) -> ImportReport:
    """Several imports as one report."""
    whole = ImportReport()
    for one in reports:
        whole.rows_read += one.rows_read
        whole.kept += one.kept
        whole.kinds.update(one.kinds)
        whole.repaired += one.repaired
        whole.recovered += one.recovered
        whole.already_there += one.already_there
        whole.conversations += one.conversations
        whole.skipped.update(one.skipped)
        whole.bad_files += one.bad_files
        whole.warnings += one.warnings
        whole.owner = whole.owner or one.owner
        for reason, noted in one.examples.items():
            whole.examples[reason] = whole.examples.get(reason, []) + noted
    return whole


def lines(report: ImportReport, width: int, everything: bool = False) -> list[Content]:
    """Label, right-aligned count, explanation; every row read is in `kept` or in a line below it."""
    kinds = " · ".join(
        f"{kind} {number(many)}" for kind, many in report.kinds.most_common() if kind != "speech"
    )
    apart = report.kept - report.kinds.get("speech", 0)
    rows = [_row("kept", report.kept, f"rows in {plural(report.conversations, 'conversation')}", width)]
    if apart:
        rows.append(_row("  not speech", apart, kinds, width))
    if report.repaired:
        rows.append(_row("  repaired", report.repaired, "broken text encoding", width))
    if report.recovered:
        rows.append(
            _row("  recovered", report.recovered, "text that only the message's rich form holds", width)
        )
    rows.append(_row("  already there", report.already_there, "", width))
    for reason, many in report.skipped.most_common():
        rows.append(_row("left out", many, reason, width))
        if everything:
            rows += _examples(report.examples.get(reason, []), many, width)
    asides = [("unreadable", f"{name}: {reason}") for name, reason in report.bad_files]
    asides += [("note", warning) for warning in report.warnings]
    shown = asides if everything else asides[:SOME]
    rows += [_row(label, None, text, width) for label, text in shown]
    if len(asides) > len(shown):
        rows.append(_row("", None, f"and {len(asides) - len(shown):,} more: l lists them", width))
    rows.append(Content.assemble(("─" * 30, "$rule")))
    rows.append(_row("rows read", report.rows_read, "every row is kept or left out", width))
    return rows


def _examples(noted: Sequence[Example], many: int, width: int) -> list[Content]:
    rows = []
    for row in noted[:ROWS]:
        said = " · ".join(
            part for part in (row.place, day(row.time) if row.time is not None else "", row.text) if part
        )
        rows.append(_row("", None, said, width))
    if noted and many > len(noted[:ROWS]):
        rows.append(_row("", None, f"and {number(many - len(noted[:ROWS]))} more", width))
    return rows


def _row(label: str, value: int | None, text: str, width: int) -> Content:
    counted = right("" if value is None else number(value), 12)
    room = max(10, width - 18 - 12 - 3)
    return Content.assemble(fit(label, 18), counted, "   ", (fit(safe_line(text), room).rstrip(), "$muted"))
