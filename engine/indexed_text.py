"""A text as the full-text index sees it, so that every script and every emoji can be found.

The index cuts texts at spaces and knows neither emoji nor words that are written without spaces. So each
letter of such a script, and each symbol, becomes a word of its own; what was typed together is found as
a phrase. Questions go through the same door as texts.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

# Written without spaces between words, or with endings grown onto them.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_SYMBOLS = "©®™\u2190-\u2bff\U0001f000-\U0001fbff"
ALONE = _UNSPACED + _SYMBOLS
"""The signs that are words of their own, as the inside of a set in a pattern."""


def indexed_text(text: str) -> str:
    """The text with every letter of an unspaced script and every symbol as a word."""
    return text if text.isascii() else _alone().sub(_apart, text)


def indexed_texts(texts: list[str]) -> list[str]:
    """Each text as `indexed_text` has it. Together they cost a third."""
    joined = "\0".join(texts)
    if joined.count("\0") >= len(texts):  # one of them has a NUL of its own
        return [indexed_text(text) for text in texts]
    cut = _alone().sub(_apart, joined)
    return cut.split("\0") if texts else []


@cache
def _alone() -> re.Pattern[str]:
    # Made when the first text needs it: that takes longer than all the rest of the module.
    # The first part passes over what most texts are made of: the sets cost ten times as much a letter.
    return re.compile(f"[^\\x00-\\xa8](?<=[{ALONE}])")


def is_alone(sign: str) -> bool:
    return sign > "\xa8" and _alone().match(sign) is not None


def _apart(found: re.Match[str]) -> str:
    return _word(found[0])


@lru_cache(maxsize=4096)
def _word(sign: str) -> str:
    # A symbol is no letter to the index; its stand-in from the private planes is.
    return f" {sign} " if re.match(f"[{_UNSPACED}]", sign) else f" {chr(0xF0000 + ord(sign))} "
