"""The only door through which foreign text reaches the terminal.

Textual writes whatever bytes a string holds, and reads square brackets as markup. Names, titles,
messages, paths, model replies and error texts pass here first: `content` for widgets, `safe_text`
and `safe_line` where a plain string is needed.
"""

from __future__ import annotations

from textual.content import Content

from engine.safe_text import harmless

LONGEST = 20_000
"""Characters of one text that are shown; the rest is counted, not drawn."""

LONGEST_LINE = 1_000
"""Characters of one line that are shown: wider than any screen."""


def safe_text(text: str, limit: int = LONGEST) -> str:
    """`text` made harmless (see engine.safe_text). What is longer than `limit` characters ends with
    the number of those left out."""
    rest = len(text) - limit
    if rest > 0:
        return f"{harmless(text[:limit])} … ({rest:,} more characters)"
    return harmless(text)


def safe_line(text: str, limit: int = LONGEST_LINE) -> str:
    """`safe_text` on one line: a newline becomes ⏎, and what is too long ends in an ellipsis."""
    if len(text) > limit:
        text = text[:limit] + "…"
    return safe_text(text).replace("\n", "⏎")


def content(text: str) -> Content:
    """Foreign text for a widget: safe, and never read as markup."""
    return Content(safe_text(text))
