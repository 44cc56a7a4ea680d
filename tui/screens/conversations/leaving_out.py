"""Leave a whole conversation out of every chunk, or one person in it; the same again takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ConversationRow, PersonRow


async def leave_out(studio: Studio, row: ConversationRow, person: PersonRow | None = None) -> tuple[str, str]:
    """Change it; returns what was done and how to undo it, in words that `keyed` reads."""
    from engine.archive import leaving_out

    if person is None:
        out = not row.left_out
        await leaving_out.leave_out_conversation(studio, row.id, out)
        # A conversation is mostly titled as the person in it, who is not left out elsewhere.
        what = f"The conversation {row.title}" if row.title else "This conversation"
        said = f"{what} is {'left out of every chunk' if out else 'in again'}."
        return said, "{conversations.leave-out} takes it in again." if out else ""
    out = row.id not in person.out_of
    await leaving_out.leave_out_there(studio, person.id, row.id, out)
    said = f"{person.name} is {'left out' if out else 'in again'} in {row.title or 'this conversation'}."
    return said, "{conversations.leave-out-there} takes them in again." if out else ""
