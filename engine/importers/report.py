"""What an import did with every row it read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

EXAMPLES = 1_000
"""Rows remembered for each reason of leaving out."""
BEGINNING = 80


class Example(NamedTuple):
    """One row that was left out: where it stands in the export, its time in UTC ms where it has one, and how
    its text begins."""

    place: str
    time: int | None = None
    text: str = ""


@dataclass
class ImportReport:
    """Counts of one import. Always: rows_read == kept + sum(skipped.values()).

    kept counts every row that became a message (of any kind) or a reaction on one;
    kinds breaks the kept rows down by Kind; already_there is how many of the messages among them the
    studio had before; repaired (broken encoding) and recovered (from attributedBody) are parts of
    kept. bad_files are (path inside the export, reason). owner is the display name of the person
    whose export this is, where it was found, and owner_addresses are that person's numbers and
    addresses. rows_total is an estimate for progress, or None.
    examples: for a reason in `skipped` the first rows of it that the importer noted, perhaps none.
    """

    rows_read: int = 0
    kept: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    recovered: int = 0
    already_there: int = 0
    conversations: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    bad_files: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    owner: str | None = None
    owner_addresses: list[str] = field(default_factory=list)
    rows_total: int | None = None
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def keep(self, kind: str, rows: int = 1) -> None:
        if rows:
            self.rows_read += rows
            self.kept += rows
            self.kinds[str(kind)] += rows

    def skip(self, reason: str, rows: int = 1, example: Example | None = None) -> None:
        """Count rows that are left out. example: one of them; the first `EXAMPLES` of a reason are kept."""
        if rows:
            self.rows_read += rows
            self.skipped[reason] += rows
            if example is not None:
                noted = self.examples.setdefault(reason, [])
                if len(noted) < EXAMPLES:
                    noted.append(example._replace(text=example.text[:BEGINNING]))

    def unkeep(self, kind: str, reason: str) -> None:
        """What was kept is left out after all."""
        self.kept -= 1
        self.rows_read -= 1
        self.kinds[str(kind)] -= 1
        self.skip(reason)


def remaining(rows: int, of: int | None, seconds: float) -> str:
    """How long an import that has read `rows` of about `of` in `seconds` will take; "" where nobody knows."""
    if not of or not rows or seconds < 0.5:
        return ""
    rest = (of - rows) * seconds / rows
    if rest < 1:
        return "less than a second left"
    return f"about {rest:.0f} s left" if rest < 90 else f"about {rest / 60:.0f} min left"


def to_json(report: ImportReport) -> str:
    """The report as text. In ASCII: names of files need not be UTF-8."""
    return json.dumps(vars(report))


def from_json(text: str) -> ImportReport:
    """What `to_json` wrote, by this program or another version of it."""
    known = ImportReport.__dataclass_fields__
    report = ImportReport(**{name: value for name, value in json.loads(text).items() if name in known})
    report.kinds, report.skipped = Counter(report.kinds), Counter(report.skipped)
    report.bad_files = [(file, reason) for file, reason in report.bad_files]
    report.examples = {
        reason: [Example(*row) for row in rows]  # as lists of values
        for reason, rows in report.examples.items()
    }
    return report
