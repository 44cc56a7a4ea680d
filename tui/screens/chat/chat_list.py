"""The saved chats, the one talked in last first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from tui.safe_text import safe_line
from tui.widgets.cells import fit, right, short_date
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.archive.rows import ChatRow


class ChatList(LineList):
    """Title and time. `▸` stands before the one that is open."""

    def __init__(self) -> None:
        super().__init__(id="chats")
        self.chats: Sequence[ChatRow] = ()
        self.open_id: int | None = None

    def list(self, chats: Sequence[ChatRow], open_id: int | None) -> None:
        on = self.current.id if self.current and self.has_focus else open_id
        self.chats, self.open_id = chats, open_id
        self.show(len(chats), next((at for at, chat in enumerate(chats) if chat.id == on), 0))

    def mark_open(self, chat: int | None) -> None:
        self.open_id = chat
        self.refresh()

    @property
    def current(self) -> ChatRow | None:
        return self.chats[self.cursor] if self.cursor < len(self.chats) else None

    def row(self, index: int, width: int) -> Content:
        chat = self.chats[index]
        when = right(short_date(chat.updated_at), 8)
        title = fit(safe_line(chat.title) or "(no words)", max(6, width - 4 - len(when)))
        return Content.assemble(" ▸ " if chat.id == self.open_id else "   ", title, (when, "$muted"), " ")
