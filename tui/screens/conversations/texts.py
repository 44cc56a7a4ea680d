"""What the pane says: the empty studio, the orders of the list, the line over a transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.safe_text import safe_line
from tui.widgets.cells import month, plural, source_name

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow

ORDERS = ("newest first", "most messages first", "by title")

WELCOME: tuple[tuple[str, str], ...] = (
    ("Nothing here yet.\n\n", ""),
    ("{conversations.import}", "bold"),
    ("   import an export\n\n", ""),
    ("    Messenger,   Accounts Center, Download your information, format JSON;\n", "$muted"),
    ("    Instagram    then the zips, or the folder they unpack to\n", "$muted"),
    ("    iMessage     ~/Library/Messages/chat.db, or a copy of it\n\n", "$muted"),
    ("{conversations.sample}", "bold"),
    ("   look around with the sample first: invented people, nothing of yours", ""),
)


class TitleLine(Widget):
    """The conversation that is read: its title, and as much about it as there is room for."""

    row: ConversationRow | None = None

    def show(self, row: ConversationRow) -> None:
        self.row = row
        self.refresh()

    def render(self) -> Content:
        return title(self.row, self.content_size.width) if self.row is not None else Content("")


def title(row: ConversationRow, width: int) -> Content:
    """`Hare · iMessage · 1,204 messages · Mar 2021 - Aug 2023`; what does not fit is left out whole."""
    since, until = month(row.first), month(row.last)
    parts = [source_name(row.source), plural(row.messages, "message")]
    parts += [f"{len(row.people)} people"] if row.kind == "group" else []
    parts += ["left out"] if row.left_out else []
    parts += [f"without {safe_line(', '.join(name for _, name in row.without))}"] if row.without else []
    parts += [since if since == until else f"{since} - {until}"]
    line = Content.assemble((safe_line(row.title) or "(no title)", "bold $foreground"))
    for part in parts:
        longer = Content.assemble(line, f" · {part}" if part else "")
        if longer.cell_length > width:
            break
        line = longer
    return line.truncate(width, ellipsis=True)
