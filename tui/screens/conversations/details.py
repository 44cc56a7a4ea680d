"""Everything that is known of one message: its third column, and the sheet where there is no room for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.actions import bindings
from tui.keymap import keyed
from tui.safe_text import safe_line, safe_text
from tui.widgets.cells import day, local, source_name, wrap
from tui.widgets.page import Page
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, MessageRow

NAMES = 13
"""Cells of the names at the left."""


class Details(ModalScreen[None], Sheet[None], inherit_bindings=False):
    """The details of one message over the pane."""

    BINDINGS = bindings("details")
    DEFAULT_CSS = """
    Details Page { height: auto; max-height: 16; }
    Details #hint { color: $muted; padding: 1 0 0 0; }
    """

    def __init__(self, message: MessageRow, conversation: ConversationRow, ai: int | None) -> None:
        super().__init__()
        self.about = (message, conversation, ai)

    def compose(self) -> ComposeResult:
        with Vertical(id="sheet"):
            yield Page()
            yield Static(Content(keyed("{details.close} close", self)), id="hint")

    def on_mount(self) -> None:
        page = self.query_one(Page)
        page.show(lambda width: details(*self.about, width))
        page.focus()

    def action_close(self) -> None:
        self.dismiss()


def details(
    message: MessageRow, conversation: ConversationRow, ai: int | None, width: int
) -> Sequence[Content]:
    """The lines in `width` cells: who, when, from where, what it answers, what was made of it, and what it
    said before it was edited."""
    at = local(message.time)
    theirs = message.person == ai
    lines = [
        Content.assemble(
            (safe_line(message.sender), "bold $accent" if theirs else "bold"),
            (" · AI sender" if theirs else "", "$muted"),
        ).truncate(width, ellipsis=True),
        Content.styled(f"{day(message.time)}, {at:%H:%M:%S}", "$muted"),
        Content(""),
        *_named("message", f"#{message.id}", width),
        *_named("source", source_name(conversation.source), width),
    ]
    if conversation.section not in ("", "inbox"):
        lines += _named("section", safe_line(conversation.section), width)
    if conversation.kind == "group":
        lines += _named("people", ", ".join(map(safe_line, conversation.people)), width)
    if message.kind != "speech":
        lines += _named("kind", message.kind, width)
    if message.answers is not None:
        said = safe_line(message.answers.text) or "[attachment]"
        lines += _named("answers", f"{safe_line(message.answers.sender)}: {said}", width)
    for place, one in enumerate(message.attachments):
        said = f"{one.kind} {safe_line(one.name)}".rstrip()
        lines += _named("" if place else "attached", said, width)
    for place, reaction in enumerate(message.reactions):
        said = f"{safe_line(reaction.emoji)} {safe_line(reaction.actor)}".strip()
        lines += _named("" if place else "reactions", said, width)
    if message.edited:
        lines += [Content(""), *_earlier(message, width)]
    return lines


def _named(name: str, said: str, width: int) -> Iterator[Content]:
    """`name` in its column, `said` beside it on as many lines as it needs."""
    for place, text in enumerate(wrap(safe_text(said), max(8, width - NAMES))):
        yield Content.assemble((f"{'' if place else name:<{NAMES}}", "$muted"), text)


def _earlier(message: MessageRow, width: int) -> Iterator[Content]:
    """What it said before, oldest first, and what it says now."""
    if not message.edits:
        yield Content.styled("edited; what it said before is not kept", "$muted")
        return
    yield Content.styled("edited; what it said before", "$muted")
    for edit in message.edits:
        at = f"{local(edit.time):%H:%M:%S}" if edit.time is not None else ""
        yield from _named(at, edit.text, width)
    yield from _named("now", message.text, width)
