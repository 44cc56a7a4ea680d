"""What an import did with every row it read, line by line, and the first rows behind every line."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

EXAMPLES = 1_000
"""Rows noted for each line of the report."""
BEGINNING = 80
SUM = ("read", "kept", "skipped")
SKIPPED = "skipped: "


class Example(NamedTuple):
    """One row behind a line: where it stands in the export, its time in UTC ms where it has one, and how
    its text begins."""

    place: str
    time: int | None = None
    text: str = ""


class ReportLine(NamedTuple):
    """One line of the report. name: what it is asked for by. part: its rows are also in a line above it."""

    name: str
    rows: int
    says: str = ""
    part: bool = False

    @property
    def label(self) -> str:
        """The name, set in where it is a part; empty for a reason of skipping, which the line says itself."""
        return "" if ": " in self.name else "  " * self.part + self.name


@dataclass
class ImportReport:
    """Counts of one import. Always: rows_read == kept + sum(skipped.values()).

    kept counts every row that became a message (of any kind) or a reaction on one;
    kinds breaks the kept rows down by Kind; already_there is how many of the messages among them the
    studio had before; repaired (broken encoding) and recovered (from attributedBody) are parts of
    kept. joined: conversations that were put together out of several threads or chats. bad_files are
    (path inside the export, reason). owner is the display name of the person whose export this is, where
    it was found, and owner_addresses are that person's numbers and addresses. rows_total is an estimate
    for progress, or None.
    examples: by the name of a line the first rows behind it that the importer noted, perhaps none.
    """

    rows_read: int = 0
    kept: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    recovered: int = 0
    already_there: int = 0
    conversations: int = 0
    joined: int = 0
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
        """Count rows that are left out. example: one of them."""
        if rows:
            self.rows_read += rows
            self.skipped[reason] += rows
            if example is not None:
                self.note(skipped(reason), example)

    def unkeep(self, kind: str, reason: str) -> None:
        """What was kept is left out after all."""
        self.kept -= 1
        self.rows_read -= 1
        self.kinds[str(kind)] -= 1
        self.skip(reason)

    def room(self, line: str) -> int:
        """How many more rows can be noted behind the line of this name."""
        return EXAMPLES - len(self.examples.get(line, ()))

    def note(self, line: str, example: Example) -> None:
        """Note a row behind a line; the first `EXAMPLES` of a line stay."""
        if self.room(line):
            self.examples.setdefault(line, []).append(example._replace(text=example.text[:BEGINNING]))

    def take_back(self, line: str, place: str) -> None:
        """A row is behind the line no more."""
        if line in self.examples:
            self.examples[line] = [row for row in self.examples[line] if row.place != place]

    def note_there(self, conversation: str, time: int, text: str) -> None:
        """Note a message that the studio had before, by the conversation that it is in."""
        self.note("already there", Example(f"in {conversation}", time, text))

    def add(self, other: ImportReport) -> None:
        """Count what `other` counted too. The owner and the estimate stay this one's, where it has them."""
        for name in self.__dataclass_fields__.keys() - {"owner", "rows_total", "examples"}:
            counted = getattr(self, name)
            counted += getattr(other, name)  # a list in its place: who has it at hand goes on with it
            setattr(self, name, counted)
        self.owner = self.owner or other.owner
        self.rows_total = other.rows_total if self.rows_total is None else self.rows_total
        for line, noted in other.examples.items():
            if room := self.room(line):
                self.examples.setdefault(line, []).extend(noted[:room])

    def lines(self) -> list[ReportLine]:
        """Every row read is kept or skipped, for one reason; lines that nothing is behind are left out."""
        kinds = [f"{kind} {many:,}" for kind, many in self.kinds.most_common() if many]
        where = f"in {self.conversations:,} conversation{'' if self.conversations == 1 else 's'}"
        there = "all of these: nothing is new" if self.already_there == self.kept else "of these, from before"
        found = [
            ReportLine("read", self.rows_read, "every row is kept or skipped"),
            ReportLine("kept", self.kept, " · ".join([where, *kinds])),
            ReportLine("repaired", self.repaired, "broken text encoding", part=True),
            ReportLine("recovered", self.recovered, "text from attributedBody", part=True),
            ReportLine("already there", self.already_there, there, part=True),
            ReportLine("skipped", sum(self.skipped.values())),
            *(ReportLine(skipped(name), many, name, part=True) for name, many in self.skipped.most_common()),
            ReportLine("joined", self.joined, "conversations made of several threads"),
            ReportLine("bad files", len(self.bad_files), next(map(": ".join, self.bad_files), "")),
            ReportLine("notes", len(self.warnings), next(iter(self.warnings), "")),
        ]
        return [line for line in found if line.rows or line.name in SUM]

    def behind(self, line: str) -> list[Example]:
        """The noted rows of the line of this name; a sum has those of its parts."""
        if line == "bad files":
            return [Example(file, None, reason) for file, reason in self.bad_files]
        if line == "notes":
            return [Example(note) for note in self.warnings]
        return [row for _, row in self._noted(line)]

    def reasons(self, line: str) -> list[str]:
        """Why each row behind a sum was skipped, "" for one that was not; empty for any other line."""
        return [name.partition(SKIPPED)[2] for name, _ in self._noted(line)] if line in SUM else []

    def _noted(self, line: str) -> list[tuple[str, Example]]:
        """With the name of the line that each was noted behind."""
        names = {"skipped": [*map(skipped, self.skipped)], "read": ["kept", *map(skipped, self.skipped)]}
        return [(name, row) for name in names.get(line, [line]) for row in self.examples.get(name, ())]


def skipped(reason: str) -> str:
    """The name of the line for rows that were left out for this reason."""
    return f"{SKIPPED}{reason}"


def how_many(line: ReportLine, noted: int) -> str:
    """Of how many of its rows is noted which they are."""
    if not noted:
        return f"{line.rows:,}, and not noted which"
    if noted == EXAMPLES < line.rows:
        return f"the first {noted:,} of {line.rows:,}"
    return f"{noted:,} of {line.rows:,}" if noted < line.rows else f"{line.rows:,}"


def remaining(rows: int, of: int | None, seconds: float) -> str:
    """How long an import that has read `rows` of about `of` in `seconds` will take; "" where nobody knows."""
    if not of or not rows or seconds < 0.5:
        return ""
    rest = (of - rows) * seconds / rows
    if rows >= of:
        return "finishing"
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
        # Rows are lists of values; earlier versions named a line by the reason alone.
        (skipped(line) if line in report.skipped else line): [Example(*row) for row in rows]
        for line, rows in report.examples.items()
    }
    return report
