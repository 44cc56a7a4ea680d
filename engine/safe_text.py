"""Make foreign text harmless to a terminal: the one rule that the command line and the screen share.

Names, titles and messages come from strangers. Whatever could move the cursor, set the title or the
clipboard, or turn the line around is shown as a picture or as U+FFFD, never sent.
"""

from __future__ import annotations

import re
import unicodedata

_MARKS = 8
"""Zero-width characters that may stand on one base character. Emoji flags need seven."""

# The vowels and endings of Hangul letters, which have no width after the first.
_JOINED = frozenset(map(chr, range(0x1160, 0x1200)))

# To list every zero-width character takes longer than to start; they are among what is no word.
_MAYBE_PILED = re.compile(f"(?![\\0-\u02ff])[\\W\u1160-\u11ff]{{{_MARKS + 1},}}")


def harmless(text: str) -> str:
    """`text` with nothing in it that could steer a terminal. Newlines stay, tabs become spaces.

    C0 controls become their pictures (ESC is ␛), C1 controls, bidirectional overrides and lone
    surrogates become U+FFFD, piled-up combining marks are cut.
    """
    text = text.expandtabs(4) if "\t" in text else text
    if text.isascii():
        return text if text.isprintable() else text.translate(_TABLE)
    return _MAYBE_PILED.sub(_cut, text.translate(_TABLE))


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


def _cut(run: re.Match[str]) -> str:
    """What may hold a pile, with no more zero-width characters in a row than any script or emoji needs."""
    kept: list[str] = []
    piled = 0
    for character in run[0]:
        piled = piled + 1 if _zero_width(character) else 0
        if piled <= _MARKS:
            kept.append(character)
    return "".join(kept)


def _zero_width(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Cf") or character in _JOINED
