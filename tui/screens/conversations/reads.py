"""What the pane reads in the studio, and what it changes there: each is awaited beside the screen, and
returns what the pane is then told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from engine.errors import StudioError

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ConversationRow, Counts, MessageRow, PersonRow
    from tui.widgets.transcript import Load


@dataclass
class Loaded(Message):
    """The archive was read: `edition` says which state of it."""

    conversations: Sequence[ConversationRow]
    counts: Counts
    ai: PersonRow | None
    edition: int


@dataclass
class OpenAt(Message):
    """Open this conversation at a message, whose index and id these are, or at its last."""

    conversation: ConversationRow
    at: tuple[int, int] | None = None
    found: str = ""


@dataclass
class Renewed(Message):
    """The conversation that is shown may have changed; the message under the bar is the `at`-th now."""

    conversation: ConversationRow
    at: int


@dataclass
class Asked(Message):
    """The people of a conversation are known: ask who shall be the AI sender, or be left out here."""

    people: Sequence[PersonRow]
    preferred: int
    leave_out_of: ConversationRow | None = None


async def everything(studio: Studio, edition: int) -> Loaded:
    from engine.archive import people, reading

    rows = await reading.conversations(studio)
    return Loaded(rows, await reading.counts(studio), await people.ai(studio), edition)


async def at_message(studio: Studio, conversation: int, message: int, found: str = "") -> OpenAt:
    from engine.archive import reading

    row = await reading.conversation(studio, conversation)
    return OpenAt(row, (await reading.position(studio, message), message), found)


async def where_left(studio: Studio, row: ConversationRow, message: int) -> OpenAt:
    from engine.archive import reading

    at = None
    with suppress(StudioError):  # it was forgotten since
        at = await reading.position(studio, message), message
    return OpenAt(row, at)


async def again(studio: Studio, row: ConversationRow, message: int) -> Renewed | OpenAt:
    """The same message, wherever it stands now: names, reactions and what was said may be others."""
    from engine.archive import reading

    try:
        return Renewed(row, await reading.position(studio, message))
    except StudioError:  # it is gone
        return OpenAt(row)


async def at_day(studio: Studio, row: ConversationRow, time: int) -> OpenAt:
    from engine.archive import reading

    message = await reading.message_at(studio, row.id, time)
    return OpenAt(row) if message is None else await where_left(studio, row, message)


async def people_of(studio: Studio, row: ConversationRow, preferred: int, leave_out: bool = False) -> Asked:
    from engine.archive import people

    return Asked(await people.people(studio, row.id), preferred, row if leave_out else None)


def pages(
    studio: Callable[[], Awaitable[Studio]], row: ConversationRow, near: tuple[int, int] | None = None
) -> Load:
    """How a transcript reads a conversation, whose studio may still have to be opened. near: index and id of
    the message that it opens at."""

    async def load(offset: int, limit: int, known: tuple[int, int] | None) -> list[MessageRow]:
        archive = await studio()
        from engine.archive import reading

        return await reading.page(
            archive, row.id, offset=offset, limit=limit, total=row.messages, known=known or near
        )

    return load
