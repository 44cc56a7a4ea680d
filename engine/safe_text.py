"""Make foreign text harmless to a terminal: the one rule that the command line and the screen share.

Names, titles and messages come from strangers. Whatever could move the cursor, set the title or the
clipboard, or turn the line around is shown as a picture or as U+FFFD, never sent.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_MARKS = 8
"""Zero-width characters that may stand on one base character. Emoji flags need seven."""


def harmless(text: str) -> str:
    """`text` with nothing in it that could steer a terminal. Newlines stay, tabs become spaces.

    C0 controls become their pictures (ESC is ␛), C1 controls, bidirectional overrides and lone
    surrogates become U+FFFD, piled-up combining marks are cut.
    """
    text = text.expandtabs(4) if "\t" in text else text
    if text.isascii():
        return text if text.isprintable() else text.translate(_TABLE)
    return _piles().sub(r"\1", text.translate(_TABLE))


def harmless_line(text: str) -> str:
    """`harmless`, on one line: a newline becomes ⏎."""
    return harmless(text).replace("\n", "⏎")


def _table() -> dict[int, str]:
    pictures = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
    unseen = [*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFFF9, 0xFFFC)]
    replaced = dict.fromkeys([*unseen, *range(0xD800, 0xE000)], "\ufffd")
    # Invisible, and counted as one cell by some terminals and as none by others.
    dropped = dict.fromkeys([0x00AD, 0xFEFF], "")
    lines = {0x0A: "\n", 0x2028: "\n", 0x2029: "\n"}
    return pictures | replaced | dropped | lines


_TABLE = _table()


@cache
def _piles() -> re.Pattern[str]:
    """Runs of more zero-width characters than any script or emoji needs."""
    narrow = [
        chr(code)
        for code in [*range(0x300, 0x20000), *range(0xE0000, 0xE0200)]
        if unicodedata.category(chr(code)) in ("Mn", "Me", "Cf") or 0x1160 <= code <= 0x11FF
    ]
    one = f"[{re.escape(''.join(narrow))}]"
    return re.compile(f"({one}{{{_MARKS}}}){one}+")
