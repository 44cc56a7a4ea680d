"""A conversation as plain text, for an editor: days, who said what when, and everything that hangs on it.

An editor obeys some texts: vim and kakoune what stands in the first and the last five lines of a file, Emacs
its local variables. So nobody's words stand in those lines, and those two words never in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from tui.safe_text import safe_line, safe_text
from tui.widgets.cells import day, local, plural, source_name
from tui.widgets.message_lines import SAID, SYSTEM, attachment

if TYPE_CHECKING:
    from engine.archive.rows import ConversationRow, MessageRow

ASIDE = " " * 7
"""What stands before every line of a message but its first, which begins with the time."""

_LOCAL_VARIABLES = re.compile("(?i)(local variables):")


def heading(row: ConversationRow) -> list[str]:
    since = f"from {day(row.first)} to {day(row.last)}" if row.first and row.last else ""
    return [
        "A copy to read, from Understudy: changes here change nothing in the studio.",
        "",
        plural(row.messages, "message"),
        since,
        "",
        f"{safe_line(row.title) or '(no title)'} · {source_name(row.source)}",
        f"with {', '.join(map(safe_line, row.people))}",
    ]


def ending(messages: int) -> list[str]:
    return ["", "", "", "", f"The end, after {plural(messages, 'message')}."]


def new_day(time: int) -> list[str]:
    return ["", day(time), ""]


def message_lines(row: MessageRow, at: datetime) -> list[str]:
    """`00:32  Tortoise: Slow and steady.`, below it what it answers, reactions and what it said before.

    at: its local time.
    """
    sender, text = safe_line(row.sender), safe_text(row.text, len(row.text))
    said = text.split("\n") if text else []
    said += [attachment(kind=one.kind, name=one.name) for one in row.attachments]
    said = said or [SAID.get(row.kind, row.kind)]
    if row.kind not in SYSTEM:
        said[0] = f"{sender}: {said[0]}"
    elif row.kind == "unsent" or not row.text:
        said[0] = f"· {sender} · {said[0]}"
    else:
        said[0] = f"· {said[0]}"
    if row.answers is not None:
        said.append(f"↪ {safe_line(row.answers.sender)}: {safe_line(row.answers.text) or '[attachment]'}")
    if row.reactions:
        given = (f"{safe_line(one.emoji)} {safe_line(one.actor)}".strip() for one in row.reactions)
        said.append("  ".join(given))
    if row.edited:
        said += _earlier(row)
    lines = [f"{at:%H:%M}  {said[0]}", *(f"{ASIDE}{line}" for line in said[1:])]
    return [_LOCAL_VARIABLES.sub(r"\1 :", line.rstrip()) for line in lines]


def _earlier(row: MessageRow) -> Iterator[str]:
    """What it said before it was edited, oldest first."""
    if not row.edits:
        yield "edited; what it said before is not kept"
    for edit in row.edits:
        at = f", {local(edit.time):%H:%M:%S}" if edit.time is not None else ""
        first, *rest = safe_text(edit.text, len(edit.text)).split("\n")
        yield f"edited; before{at}: {first}"
        yield from rest
