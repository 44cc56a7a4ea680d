"""What the next chunk would look like with the roles as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.widget import Widget

from tui.safe_text import safe_line, safe_text
from tui.widgets.cells import wrap

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import PersonRow
    from engine.dataset import Chunk

MESSAGES = 400
"""Messages of a conversation that are read for a preview: its newest."""

TRIED = 5
"""Conversations that are tried until one gives a chunk."""


class Preview(NamedTuple):
    """chunk: None where the person's conversations give none."""

    person: str
    chosen: bool
    chunk: Chunk | None


class PreviewView(Widget):
    """Shows a Preview in its own size."""

    DEFAULT_CSS = "PreviewView { height: 1fr; }"

    preview: Preview | None = None

    def show(self, shown: Preview) -> None:
        self.preview = shown
        self.refresh()

    def render(self) -> Content:
        return _drawn(self.preview, self.size.width, self.size.height) if self.preview else Content("")


async def preview(studio: Studio, person: PersonRow, left_out: frozenset[int]) -> Preview:
    """The newest chunk of the first conversation with `person` that gives one."""
    from engine.archive import reading
    from engine.archive.rows import Dialogue

    names = {person.name, *person.aliases}
    chosen = person.role == "ai"
    rows = [row for row in await reading.conversations(studio) if names & set(row.people)]
    for row in rows[:TRIED]:
        messages = await reading.messages(studio, row.id, limit=MESSAGES)
        made = await asyncio.to_thread(_chunks, Dialogue(row, messages), person, left_out)
        if made:
            return Preview(person.name, chosen, made[-1])
    return Preview(person.name, chosen, None)


def _chunks(dialogue: object, person: PersonRow, left_out: frozenset[int]) -> list[Chunk]:
    from engine import tokens
    from engine.dataset import build, preset

    with tokens.estimated():  # the table of tokens takes 80 MB, and a look needs no exact bound
        dataset = build([dialogue], preset("studio"), person.id, person.name, left_out)  # type: ignore[list-item]
    return list(dataset.split("train") or dataset.chunks)


def _drawn(shown: Preview, width: int, height: int) -> Content:
    """The preview in at most `height` lines; the end of the chunk, where the AI sender speaks, stays."""
    who = safe_line(shown.person)
    head = (
        f"With {who} as the AI sender, the next chunk reads"
        if shown.chosen
        else f"If {who} were the AI sender"
    )
    if shown.chunk is None:
        nothing = "Nothing to learn from yet: nobody answers anybody here."
        return Content("\n").join([Content.assemble((head, "$muted")), Content(""), Content(nothing)])
    lines: list[Content] = []
    for turn in shown.chunk.turns:
        ai = turn.role == "assistant"
        gutter = (
            ("▌ ", "$accent")
            if turn.learned
            else ("│ ", "$faint")
            if not ai and turn.role == "user"
            else ("· ", "$faint")
        )
        style = "" if turn.role != "system" else "$muted"
        for at, text in enumerate(wrap(safe_text(turn.text), max(10, width - 13))):
            role = f"{turn.role if at == 0 else '':<11}"
            lines.append(
                Content.assemble(gutter, (role, "$accent" if turn.learned else "$muted"), (text, style))
            )
    room = max(3, height - 3)
    if len(lines) > room:
        lines = [*lines[:2], Content.assemble(("· ", "$faint"), ("…", "$muted")), *lines[-(room - 3) :]]
    return Content("\n").join([Content.assemble((head, "$muted")), Content(""), *lines])
