"""A chat as it goes on: turns with their gutter, the figures of each reply, the end followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.message import Message

from tui.keymap import keyed
from tui.plain import plain
from tui.safe_text import safe_line, safe_text
from tui.screens.chat.asking import Partner, place
from tui.widgets.cells import number, plural, wrap
from tui.widgets.page import Lines

if TYPE_CHECKING:
    from engine.archive.rows import ChatTurnRow

WIDEST = 96
CURSOR = "▏"


@dataclass(frozen=True)
class Bubble:
    """One turn. origin: the training line it is nearest to. said: what went wrong, shown in place."""

    role: str
    text: str
    tokens: int | None = None
    seconds: float | None = None
    first_token: float | None = None
    origin: str | None = None
    similarity: float | None = None
    said: str = ""
    growing: bool = False

    @classmethod
    def of(cls, turn: ChatTurnRow) -> Bubble:
        """A saved turn."""
        return cls(turn.role, turn.text, turn.tokens, turn.seconds, turn.first_token)


class ChatView(Lines):
    """The turns of one chat. It follows the end until the reader scrolls away from it."""

    class Followed(Message):
        """Whether the end is followed changed."""

        def __init__(self, following: bool) -> None:
            super().__init__()
            self.following = following

    def __init__(self) -> None:
        super().__init__(id="chat")
        self.bubbles: list[Bubble] = []
        self.following = True
        self.origins = False
        self._starts: list[int] = []
        self._width = 0

    def open(self, bubbles: Sequence[Bubble]) -> None:
        """Show another chat, at its end."""
        self.bubbles = list(bubbles)
        self.following, self.origins = True, False
        self._lay_out(0)
        self._follow(whole=True)

    def add(self, bubble: Bubble) -> None:
        self.bubbles.append(bubble)
        self._lay_out(len(self.bubbles) - 1)
        self._follow()

    def change(self, **fields: object) -> None:
        """The last turn grew, or ended."""
        self.bubbles[-1] = replace(self.bubbles[-1], **fields)  # type: ignore[arg-type]
        before = self.lines[self._starts[-1] :]
        self._lay_out(len(self.bubbles) - 1, before)
        self._follow()

    def take_back(self, with_question: bool = False) -> int:
        """Drop the last reply, and what it answers where that is wanted; how many saved turns those were."""
        dropped = 0
        while self.bubbles and self.bubbles[-1].role != "user":
            dropped += bool(self.bubbles.pop().text)
        if with_question and self.bubbles:
            self.bubbles.pop()
            dropped += 1
        self.open(self.bubbles)
        return dropped

    def state(self, answering: bool, editing: bool, waits: bool) -> str:
        """One line on what goes on, or what to do next. waits: what was said is not saved yet."""
        if waits and self.following:
            return "An import is writing to the studio: this chat is saved when it has ended."
        if answering:
            again = keyed("{page.end} follows the reply again", self)
            return "following the reply" if self.following else again
        if editing:
            return keyed("editing the last message; {chat.back} leaves it as it was", self)
        return "" if self.following else keyed("{page.end} goes to the end", self)

    def show_origins(self) -> None:
        """Show the training line below each reply of which it is known, or hide it again."""
        self.origins = not self.origins
        self._lay_out(0)
        self._follow()

    def on_resize(self) -> None:
        if self.size.width != self._width:
            self._width = self.size.width
            self._lay_out(0)
        self._follow(whole=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        following = new_value + self.size.height >= len(self.lines) - 1
        if following != self.following:
            self.following = following
            self.post_message(self.Followed(following))

    def action_end(self) -> None:
        self.following = True
        self._follow(whole=True)

    def _lay_out(self, first: int, before: Sequence[Content] | None = None) -> None:
        """Draw the turns from `first` on anew. before: their old lines, to repaint only what changed."""
        width = self._width = self.size.width
        if not width:
            return
        start = self._starts[first] if first < len(self._starts) else len(self.lines)
        del self.lines[start:], self._starts[first:]
        for index in range(first, len(self.bubbles)):
            self._starts.append(len(self.lines))
            # A question and its reply stand together.
            apart = index > 0 and not (
                self.bubbles[index].role == "assistant" and self.bubbles[index - 1].role == "user"
            )
            self.lines += [Content("")] if apart else []
            self.lines += bubble_lines(
                self.bubbles[index], width, self.origins, plain(self), keyed("{chat.origin}", self)
            )
        height = max(len(self.lines), self.virtual_size.height if before is not None else 0)
        if self.virtual_size != (width, height):
            self.virtual_size = Size(width, height)
        now = self.lines[start:]
        if before is None:
            self.refresh()
            return
        same = 0
        while same < min(len(before), len(now)) and before[same] == now[same]:
            same += 1
        if changed := max(len(before), len(now)) - same:
            self.refresh_lines(start + same, changed)

    def _follow(self, whole: bool = False) -> None:
        """Bring the end into view, half a page at once: every scroll repaints the whole of it."""
        height = self.size.height
        if not height or not self.following:
            return
        top, end = self.scroll_offset.y, len(self.lines)
        if whole or end <= height:
            target = max(0, end - height)
        elif end > top + height:
            target = end - height + height // 2
        else:
            return
        # Room below the last line, into which the reply grows.
        self.virtual_size = Size(self.size.width, max(end, target + height))
        if target != top:
            self.scroll_to(y=target, animate=False, force=True)


def heading(partner: Partner) -> Content:
    """Whom one talks to: model, where it runs, the prompt it hears."""
    parts = [(safe_line(partner.model), "bold $foreground"), (f" · {place(partner.provider)}", "$muted")]
    if partner.system:
        parts.append((f" · “{safe_line(partner.system)}”", "$muted"))
    return Content.assemble(*parts)


def bubble_lines(
    bubble: Bubble, width: int, origins: bool, named: bool = False, key: str = "o"
) -> list[Content]:
    """One turn in lines. named: the role in a word of its own. key: shows the origin."""
    own = bubble.role == "user"
    gutter = ("│ ", "$faint") if own else ("▌ ", "$accent")
    lines: list[Content] = []
    room = max(10, min(width - 3, WIDEST))
    text = safe_text(bubble.text) + (CURSOR if bubble.growing else "")
    if text:
        style = "$muted" if own else ""
        lines += [Content("You" if own else "Model")] if named else []
        lines += [Content.assemble(gutter, (line, style)) for line in wrap(text, room)]
    for line in wrap(safe_line(bubble.said), room) if bubble.said else []:
        lines.append(Content.assemble(("  ", ""), (line, "bold")))
    figures = _figures(bubble, key)
    if figures:
        lines += [Content.assemble("  ", (line, "$muted")) for line in wrap(figures, room)]
    if origins and bubble.origin:
        for line in wrap(f"“{safe_line(bubble.origin)}”", room - 2):
            lines.append(Content.assemble(("  · ", "$faint"), (line, "$muted")))
    return lines


def _figures(bubble: Bubble, key: str) -> str:
    """`18 tokens · 0.2 s to the first · 310/s · nearest training line 34 % alike (o)`"""
    parts = []
    if bubble.tokens is not None:
        parts.append(plural(bubble.tokens, "token"))
    if bubble.first_token is not None:
        digits = 1 if bubble.first_token >= 0.1 else 2
        parts.append(f"{bubble.first_token:.{digits}f} s to the first")
    if bubble.tokens and bubble.seconds is not None and bubble.first_token is not None:
        took = bubble.seconds - bubble.first_token
        if bubble.tokens > 1 and took > 0.01:
            parts.append(f"{number(round((bubble.tokens - 1) / took))}/s")
    if bubble.similarity is not None:
        parts.append(
            f"nearest training line {bubble.similarity * 100:.0f} % alike"
            + (f" ({key})" if bubble.origin else "")
        )
    return " · ".join(parts)
