"""Messages as lines of a transcript: day rules, a name once per run, the gutter, wrapped text.

The gutter says who speaks: `▌` in the accent the AI sender, `│` everybody else, `·` the system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from textual.content import Content

from tui.safe_text import LONGEST, safe_line, safe_text
from tui.widgets.cells import clock, day, fit, local, spread, wrap

if TYPE_CHECKING:
    from engine.archive.rows import MessageRow

WIDEST = 96
"""Cells of a line of text: beyond this nobody finds the next line's start."""

ASIDE = 14
"""Cells kept free at the right for times and reactions."""

PAUSE = 15 * 60 * 1000
"""Milliseconds within a run after which a time is shown again."""

Marks = Callable[[str], Sequence[tuple[int, int]]]
"""Where a text holds what was searched for: (start, end) of each."""

SYSTEM = ("event", "call", "unsent")


class Line(NamedTuple):
    """One line of the screen. message: index among the rows laid out. text: safe. end: what stands
    at its right. what: "day", "gap", "name", "text" or "note" (a marker in the sender's gutter).
    found: where the text holds what was searched for, (start, end) of each."""

    message: int
    what: str
    text: str
    end: str = ""
    found: Sequence[tuple[int, int]] = ()

    @property
    def lead(self) -> bool:
        """Whether it only introduces its message, and the bar leaves it alone."""
        return self.what in ("day", "gap")

    def draw(self, row: MessageRow, ai: bool, width: int, plain: bool = False) -> Content:
        """The line in `width` cells. plain: the role in words."""
        if self.what == "gap":
            return Content("")
        if self.what == "day":
            rest = max(0, width - cell_len(self.text) - 2)
            rule = "─" * (rest // 2)
            return Content.assemble((rule, "$rule"), (f" {self.text} ", "$muted"), (rule, "$rule"))
        gutter = ("· ", "$faint") if row.kind in SYSTEM else ("▌ ", "$accent") if ai else ("│ ", "$faint")
        if self.what == "name":
            role = ", AI sender" if ai and plain else ""
            text = Content.assemble((self.text + role, "bold $accent" if ai else "bold"))
        elif self.what == "note":
            text = Content.assemble((self.text, "$muted"))
        else:
            text = Content(self.text)
            for start, end in self.found:
                text = text.stylize("$hit bold underline", start, end)
        return spread(Content.assemble(gutter, text), Content.assemble((self.end, "$muted"), " "), width)


def lay_out(
    rows: Sequence[MessageRow], width: int, marks: Marks | None = None
) -> tuple[list[Line], list[int]]:
    """The lines of `rows` at `width` cells, and for each row the index of its first line."""
    lines: list[Line] = []
    starts: list[int] = []
    room = max(10, min(width - 2 - ASIDE, WIDEST))
    before: MessageRow | None = None
    shown = 0
    for index, row in enumerate(rows):
        starts.append(len(lines))
        new_day = before is None or local(before.time).date() != local(row.time).date()
        if new_day:
            lines += [Line(index, "gap", "")] if index else []
            lines.append(Line(index, "day", day(row.time)))
        system = row.kind in SYSTEM
        new_run = not system and (new_day or before is None or _speaker(before) != row.person)
        if new_run:
            name = fit(safe_line(row.sender), max(4, width - 12)).rstrip()
            lines.append(Line(index, "name", name, clock(row.time)))
        late = not new_run and row.time - shown >= PAUSE
        time = clock(row.time) if late or system else ""
        if new_run or time:
            shown = row.time
        lines += _body(index, row, room, time, marks)
        before = row
    return lines, starts


def _speaker(row: MessageRow) -> int:
    return -1 if row.kind in SYSTEM else row.person


def _body(index: int, row: MessageRow, room: int, time: str, marks: Marks | None) -> list[Line]:
    """Text, attachment markers and reactions of one message. There is always one line."""
    lines: list[Line] = []
    notes = [attachment(kind=item.kind, name=item.name) for item in row.attachments]
    if row.kind in SYSTEM:
        notes.insert(0, safe_line(row.text) or SAID.get(row.kind, row.kind))
        if row.kind == "unsent" or not row.text:
            notes[0] = f"{safe_line(row.sender)} · {notes[0]}"
    elif row.text:
        text = _around_the_hit(row.text, marks)
        parts = wrap(text, room)
        found = _in_lines(parts, text, marks(text)) if marks is not None else repeat(())
        lines += [Line(index, "text", part, "", hits) for part, hits in zip(parts, found, strict=False)]
    elif not notes:
        notes.append(SAID.get(row.kind, row.kind))
    lines += [Line(index, "note", text) for note in notes for text in wrap(note, room)]
    ends = [time] if time else []
    if row.edited:
        ends.append("edited")
    if row.answers is not None:
        what = safe_line(row.answers.text) or "[attachment]"
        quote = fit(f"↪ {safe_line(row.answers.sender)}: {what}", room).rstrip()
        lines.insert(0, Line(index, "note", quote))
    lines[0] = lines[0]._replace(end="  ".join(ends))
    reactions = "  ".join(f"{safe_line(one.emoji)} {safe_line(one.actor)}".strip() for one in row.reactions)
    if reactions:
        last = lines[-1]
        room_left = room + ASIDE - cell_len(last.text) - cell_len(last.end) - 4
        if cell_len(reactions) <= room_left:
            lines[-1] = last._replace(end=f"{reactions}  {last.end}".rstrip())
        else:
            lines.append(Line(index, "note", "", fit(reactions, room + ASIDE - 4).rstrip()))
    return lines


SAID = {
    "call": "call",
    "event": "something changed in this conversation",
    "unsent": "took a message back",
    "attachment": "[attachment]",
    "reaction": "reacted",
    "speech": "",
}


def attachment(kind: str, name: str) -> str:
    return f"[{kind}] {safe_line(name)}".rstrip()


def _around_the_hit(text: str, marks: Marks | None) -> str:
    """The text made safe; of one that is longer than is shown the part that holds the first hit."""
    found = marks(text) if marks is not None and len(text) > LONGEST else ()
    before = found[0][0] - LONGEST // 2 if found and found[0][1] > LONGEST else 0
    return f"({before:,} characters before) … {safe_text(text[before:])}" if before else safe_text(text)


def _in_lines(
    lines: Sequence[str], text: str, found: Sequence[tuple[int, int]]
) -> Iterator[list[tuple[int, int]]]:
    """What was found in the whole text, for each of the lines that it was wrapped into."""
    at = 0
    for line in lines:
        start = text.find(line, at)
        at = start + len(line)
        yield [
            (max(first, start) - start, min(after, at) - start)
            for first, after in found
            if first < at and after > start
        ]
