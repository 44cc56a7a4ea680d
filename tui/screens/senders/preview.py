"""What the next chunk would look like with the roles as they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.widget import Widget

from tui.keymap import keyed
from tui.safe_text import safe_line, safe_text
from tui.widgets.cells import plural, wrap

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import PersonRow
    from engine.dataset import Chunk, Dataset

MESSAGES = 400
"""Messages of a conversation that are read for a preview: its newest."""

TRIED = 5
"""Conversations that are tried until one gives a chunk."""


class Preview(NamedTuple):
    """head: a line over it. chunk: None where there is none; `why` then says the reason."""

    head: str
    chunk: Chunk | None = None
    why: str = ""


class PreviewView(Widget):
    """Shows a Preview in its own size."""

    DEFAULT_CSS = "PreviewView { height: 1fr; }"

    preview: Preview | None = None

    def show(self, shown: Preview) -> None:
        self.preview = shown
        self.refresh()

    def render(self) -> Content:
        if self.preview is None:
            return Content("")
        shown = self.preview._replace(why=keyed(self.preview.why, self))
        return _drawn(shown, self.size.width, self.size.height)


async def preview(
    studio: Studio, ai: PersonRow | None, person: PersonRow, left_out: frozenset[int]
) -> Preview:
    """The newest chunk of the AI sender's talk with `person`; where `ai` is None, as if `person` were it."""
    from engine.archive import reading
    from engine.archive.rows import Dialogue

    voice = ai or person
    head = f"If {voice.name} were the AI sender, the next chunk would read"
    people = [voice.id]
    if ai is not None:
        head = f"With {ai.name} as the AI sender, the next chunk reads"
        if person.id != ai.id:
            people.append(person.id)
            head = f"With {ai.name} as the AI sender, the next chunk with {person.name} reads"
    if person.role == "left out":
        return Preview(
            f"{person.name} is left out",
            None,
            "Nothing of theirs goes into a chunk. {senders.leave-out} takes them in again.",
        )
    why = ""
    for id in await reading.newest_with(studio, people, limit=TRIED):
        messages = await reading.messages(studio, id, limit=MESSAGES)
        dialogue = Dialogue(await reading.conversation(studio, id), messages)
        made = await asyncio.to_thread(_dataset, dialogue, voice, left_out)
        if made.chunks:
            return Preview(head, (made.split("train") or made.chunks)[-1])
        why = why or _why(made)
    if why:
        return Preview(head, None, f"None: {why}.")
    if len(people) > 1:
        return Preview(head, None, f"None: {voice.name} and {person.name} share no conversation that is in.")
    return Preview(head, None, f"None: no conversation with {voice.name} is in.")


def _dataset(dialogue: object, person: PersonRow, left_out: frozenset[int]) -> Dataset:
    from engine import tokens
    from engine.dataset import build, preset

    with tokens.estimated():  # the table of tokens takes 80 MB, and a look needs no exact bound
        return build([dialogue], preset("studio"), person.id, person.name, left_out)  # type: ignore[list-item]


def _why(made: Dataset) -> str:
    """Where most of the messages went that became no chunk."""
    dropped = sorted(made.dropped.items(), key=lambda item: -item[1])
    return f"{plural(dropped[0][1], 'message')} {dropped[0][0]}" if dropped else ""


def _drawn(shown: Preview, width: int, height: int) -> Content:
    """The preview in at most `height` lines; the end of the chunk, where the AI sender speaks, stays."""
    head = [Content.styled(line, "$muted") for line in wrap(safe_line(shown.head), max(10, width))]
    head.append(Content(""))
    if shown.chunk is None:
        return Content("\n").join([*head, *map(Content, wrap(safe_line(shown.why), max(10, width)))])
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
    room = max(3, height - len(head) - 1)
    if len(lines) > room:
        lines = [*lines[:2], Content.assemble(("· ", "$faint"), ("…", "$muted")), *lines[-(room - 3) :]]
    return Content("\n").join([*head, *lines])
