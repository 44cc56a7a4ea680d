"""The two lists at the left: conversations, and what a search found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from tui.safe_text import safe_line
from tui.widgets.cells import fit, number, right, short_date, source_name
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, Hit


LEAST_SOURCE = 3
"""Cells in which a source can be told from another."""

AFTER = 9
"""Cells that are kept for what follows a match and for the signs of what was cut."""


class ConversationList(LineList):
    """Title, number of messages, last date. `▸` stands before the one that is open."""

    def __init__(self) -> None:
        super().__init__(id="conversations")
        self.conversations: Sequence[ConversationRow] = ()
        self.open_id: int | None = None
        self.titles: Counter[str] = Counter()
        self.figures = 0

    def list(self, conversations: Sequence[ConversationRow], on: ConversationRow | None = None) -> None:
        """Show these, with the bar on one of them, or where it was."""
        current = on or self.current
        self.conversations = conversations
        self.titles = Counter(row.title.casefold() for row in conversations)
        self.figures = len(number(max((row.messages for row in conversations), default=0))) + 1
        place = next((at for at, row in enumerate(conversations) if current and row.id == current.id), 0)
        self.show(len(conversations), place)

    def mark_open(self, conversation: int | None) -> None:
        self.open_id = conversation
        self.refresh()

    @property
    def current(self) -> ConversationRow | None:
        return self.conversations[self.cursor] if self.cursor < len(self.conversations) else None

    def row(self, index: int, width: int) -> Content:
        row = self.conversations[index]
        room = width - 3 - self.figures - 10
        aside = f" ({len(row.people)})" if row.kind == "group" else ""
        aside += " left out" if row.left_out else f" {len(row.without)} out" if row.without else ""
        title = fit(safe_line(row.title) or "(no title)", max(8, room - len(aside))).rstrip()
        # Where it is from, if another one is called the same, and where it lies give way to its name.
        section = safe_line(row.section) if row.section not in ("", "inbox") else ""
        when = short_date(row.last)
        source = source_name(row.source) if self.titles[row.title.casefold()] > 1 else ""
        for one in (source, section):
            left_over = room - cell_len(title) - cell_len(aside) - 3
            if one and (cell_len(one) <= left_over or (one == source and left_over >= LEAST_SOURCE)):
                aside += f" · {fit(one, min(left_over, cell_len(one)))}"
            elif one == section and section not in ("", "encrypted"):
                when = fit(section, 8).rstrip()  # what was put aside is told rather than its last day
        left = Content.assemble(
            (" ▸ " if row.id == self.open_id else "   "),
            title,
            (aside, "$muted"),
        )
        end = Content.assemble(
            right(number(row.messages), self.figures),
            (right(when, 9), "$muted"),
            " ",
        )
        return left.pad_right(max(0, width - end.cell_length - left.cell_length)) + end


class HitList(LineList):
    """Two lines a hit: where and when it was said, and the words around what was found."""

    row_height = 2

    def __init__(self) -> None:
        super().__init__(id="hits")
        self.hits: Sequence[Hit] = ()
        self.text = ""

    def list(self, hits: Sequence[Hit], text: str) -> None:
        """Show what the search for `text` found."""
        self.hits, self.text = hits, text
        self.show(len(hits))

    @property
    def current(self) -> Hit | None:
        return self.hits[self.cursor] if self.cursor < len(self.hits) else None

    def rows_of(self, index: int, width: int) -> Sequence[Content]:
        hit = self.hits[index]
        date = right(short_date(hit.message.time), 8)
        where = fit(safe_line(hit.title), width - 12)
        sender = fit(safe_line(hit.message.sender), min(16, width // 3)).rstrip() + ": "
        snippet = Content.assemble(
            "   ",
            (sender, "$muted"),
            *(
                (text, "$hit bold underline" if found else "$muted")
                for text, found in _in_view(hit.snippet, width - 5 - cell_len(sender))
            ),
        )
        return (
            Content.assemble("   ", where, (date, "$muted"), " "),
            snippet.truncate(width - 1, ellipsis=True),
        )


def _in_view(snippet: Sequence[tuple[str, bool]], width: int) -> list[tuple[str, bool]]:
    """The pieces, safe, and cut at the start where the first match would not be in `width` cells."""
    pieces = [(safe_line(text), found) for text, found in snippet]
    first = next((at for at, (_, found) in enumerate(pieces) if found), 0)
    before = "".join(text for text, _ in pieces[:first])
    room = width - cell_len(pieces[first][0]) if pieces else 0
    if cell_len(before) > room:
        while before and (cell_len(before) > room - AFTER or not cell_len(before[0])):
            before = before[1:]
        whole = before.partition(" ")[2] if " " in before else before
        pieces[:first] = [("…" + whole, False)]
    return pieces
